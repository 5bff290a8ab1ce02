"""The protocol that an event listener speaks on its stdout, as a machine for one life of one process.

    ACKNOWLEDGED --READY\\n--> READY --(an event is given)--> BUSY --RESULT n\\n and n bytes--> ACKNOWLEDGED

Anything else makes it fall to UNKNOWN, and an event it held is rejected. There Supervisor leaves it for good. Here the
next line that is exactly `READY` takes it back: a listener waits for an event after that line, whatever it said before.
A result that is announced on the way there is stepped over, for no newline parts its body from the `READY` behind it.

Promises the same outcomes however the bytes are cut into pieces, and to hold no more than `MAX_LINE_BYTES` of a line or
`MAX_RESULT_BYTES` of a result. Knows nothing of events, pools, processes or time.
"""

import re
from collections.abc import Callable
from enum import Enum, IntEnum

import msgspec

from tmd.core.pool_state import SpeechState

MAX_RESULT_BYTES = 1024 * 1024
MAX_LINE_BYTES = 1024

_READY = b"READY\n"
_RESULT_WORD_LEN = len(b"RESULT ")
_LANDMARK = re.compile(rb"^(?:READY|[^\n]{0,1000}RESULT ([0-9]{1,7}))\n", re.MULTILINE)
"""What counts in UNKNOWN. Shorter than `MAX_LINE_BYTES`, so that no landmark is lost in a line too long to keep."""


class ListenerState(IntEnum):
    """Where a listener is in the protocol, with Supervisor's numbers."""

    READY = 10
    BUSY = 20
    ACKNOWLEDGED = 30
    UNKNOWN = 40


class Verdict(Enum):
    """What a result means for its event. ERROR: whoever had to say could not."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ERROR = "error"


class Moved(msgspec.Struct, frozen=True):
    """It took a step of the protocol, or found back to it."""

    before: ListenerState
    after: ListenerState


class Judged(msgspec.Struct, frozen=True):
    """It answered the event it held. After ERROR it falls."""

    verdict: Verdict


class Fell(msgspec.Struct, frozen=True):
    """It broke the protocol and is UNKNOWN now; was it BUSY, its event is rejected.

    `line`: what it said where the first line of a result belongs, cut at `MAX_LINE_BYTES`; None in other states.
    """

    before: ListenerState
    line: bytes | None = None


Outcome = Moved | Judged | Fell


class Listener:
    """One life of a listener. `judge` is called once for each complete result, within `feed`; it must not raise."""

    def __init__(self, judge: Callable[[bytes], Verdict]) -> None:
        self.state = ListenerState.ACKNOWLEDGED
        self.garbage_bytes = 0
        """dropped so far because they meant nothing"""
        self._judge = judge
        self._held = bytearray()
        self._result_len: int | None = None
        """of the result being read, once its first line was"""
        self._skip = 0
        """bytes of a result that nobody waits for, still to be stepped over"""
        self._in_long_line = False

    @property
    def held_bytes(self) -> int:
        """How many bytes are kept until more tell what they mean."""
        return len(self._held)

    def speech(self) -> SpeechState:
        """Return where it is, for another daemon to go on with."""
        return SpeechState(
            state=self.state,
            garbage_bytes=self.garbage_bytes,
            held=bytes(self._held),
            result_len=self._result_len,
            skip=self._skip,
            in_long_line=self._in_long_line,
        )

    def resume(self, speech: SpeechState) -> None:
        """Go on where an earlier daemon was."""
        self.state, self.garbage_bytes = ListenerState(speech.state), speech.garbage_bytes
        self._held, self._result_len = bytearray(speech.held), speech.result_len
        self._skip, self._in_long_line = speech.skip, speech.in_long_line

    def gave(self) -> None:
        """An event is on its way to it. Only to be called when it is READY."""
        assert self.state is ListenerState.READY
        self.state = ListenerState.BUSY

    def took_back(self) -> None:
        """The event it was given cannot reach it: it is as READY as before."""
        if self.state is ListenerState.BUSY:
            self.state = ListenerState.READY
            self._result_len = None

    def feed(self, data: bytes) -> list[Outcome]:
        """Take what it said next; return what came of it, in order."""
        self._held += data
        out: list[Outcome] = []
        while self._held or self._result_len == 0:
            if not self._advance(out):
                break
        return out

    def _advance(self, out: list[Outcome]) -> bool:
        """Make what can be made of the bytes held; return whether there may be more to it."""
        match self.state:
            case ListenerState.ACKNOWLEDGED:
                return self._await_ready(out)
            case ListenerState.READY:
                return self._fall(out)
            case ListenerState.BUSY if self._result_len is None:
                return self._await_result_line(out)
            case ListenerState.BUSY:
                return self._await_result(out)
            case _:
                return self._await_landmark(out)

    def _await_ready(self, out: list[Outcome]) -> bool:
        if len(self._held) < len(_READY):
            return False
        if not self._held.startswith(_READY):
            return self._fall(out)
        del self._held[: len(_READY)]
        return self._move(ListenerState.READY, out)

    def _await_result_line(self, out: list[Outcome]) -> bool:
        end = self._held.find(b"\n", 0, MAX_LINE_BYTES + 1)
        if end < 0 and len(self._held) <= MAX_LINE_BYTES:
            return False
        line = bytes(self._held[: end if end >= 0 else MAX_LINE_BYTES])
        length = _announced(line) if end >= 0 else None
        if length is None:
            return self._fall(out, line)  # the line stays: it may be the READY that takes it back
        del self._held[: end + 1]
        self._result_len = length
        return True

    def _await_result(self, out: list[Outcome]) -> bool:
        length = self._result_len
        if length is None or len(self._held) < length:
            return False
        result = bytes(self._held[:length])
        del self._held[:length]
        self._result_len = None
        verdict = self._judge(result)
        out.append(Judged(verdict))
        return self._fall(out) if verdict is Verdict.ERROR else self._move(ListenerState.ACKNOWLEDGED, out)

    def _await_landmark(self, out: list[Outcome]) -> bool:
        if self._skip:
            stepped = min(self._skip, len(self._held))
            self._skip -= stepped
            self._drop(stepped)
            return True
        if self._in_long_line:
            end = self._held.find(b"\n")
            self._drop(end + 1 if end >= 0 else len(self._held))
            self._in_long_line = end < 0
            return True
        landmark = _LANDMARK.search(self._held)
        if landmark is None:
            self._drop(self._held.rfind(b"\n") + 1)
            self._in_long_line = len(self._held) > MAX_LINE_BYTES
            return self._in_long_line
        announced = landmark[1]
        begin, end = landmark.span()
        del landmark  # it holds on to the bytes, which can then not be deleted
        if announced is None:
            self._drop(begin)
            del self._held[: end - begin]
            return self._move(ListenerState.READY, out)
        self._drop(end)
        self._skip = int(announced) if int(announced) <= MAX_RESULT_BYTES else 0
        return True

    def _move(self, state: ListenerState, out: list[Outcome]) -> bool:
        out.append(Moved(self.state, state))
        self.state = state
        return True

    def _fall(self, out: list[Outcome], line: bytes | None = None) -> bool:
        out.append(Fell(self.state, line))
        self.state = ListenerState.UNKNOWN
        return True

    def _drop(self, count: int) -> None:
        del self._held[:count]
        self.garbage_bytes += count


def _announced(line: bytes) -> int | None:
    """Return the length that the first line of a result gives, None when it gives none that can be meant.

    Like Supervisor, looks only behind the place of the word RESULT.
    """
    try:
        length = int(line[_RESULT_WORD_LEN:])
    except ValueError:
        return None
    return length if 0 <= length <= MAX_RESULT_BYTES else None

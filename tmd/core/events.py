"""Events in Supervisor's sense: which notices are one, what they say, and the envelope they travel in.

Promises the payloads and the header that existing listeners parse, to the character. Knows nothing of who subscribed.
"""

import msgspec

from tmd.core.notices import (
    DaemonRunning,
    DaemonStopping,
    EventEmitted,
    GroupAdded,
    GroupRemoved,
    Notice,
    ProcessBackoff,
    ProcessCommunicated,
    ProcessExited,
    ProcessFatal,
    ProcessRunning,
    ProcessSaid,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
    RemoteCommunicated,
)
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

EVENTFUL = (
    ProcessStarting,
    ProcessRunning,
    ProcessBackoff,
    ProcessStopping,
    ProcessStopped,
    ProcessExited,
    ProcessFatal,
    ProcessUnknown,
    ProcessSaid,
    ProcessCommunicated,
    RemoteCommunicated,
    EventEmitted,
    GroupAdded,
    GroupRemoved,
    DaemonRunning,
    DaemonStopping,
)
"""the notices that may be an event"""


class Event(msgspec.Struct, frozen=True):
    """What a listener is given: a type of `tmd.wire.events`, or one of an extension's own, and its text."""

    name: str
    payload: str


def event_of(notice: Notice) -> Event | None:
    """Return the event that a notice is for listeners, None for one that they never hear of."""
    match notice:
        case ProcessStarting():
            return _state("STARTING", notice.id, notice.from_state, f" tries:{notice.tries}")
        case ProcessRunning():
            return _state("RUNNING", notice.id, notice.from_state, f" pid:{notice.pid}")
        case ProcessBackoff():
            return _state("BACKOFF", notice.id, notice.from_state, f" tries:{notice.tries}")
        case ProcessStopping():
            return _state("STOPPING", notice.id, notice.from_state, f" pid:{notice.pid}")
        case ProcessStopped():
            return _state("STOPPED", notice.id, notice.from_state, f" pid:{notice.pid}")
        case ProcessExited():
            extra = f" expected:{int(notice.expected)} pid:{notice.pid}"
            return _state("EXITED", notice.id, notice.from_state, extra)
        case ProcessFatal():
            return _state("FATAL", notice.id, notice.from_state)
        case ProcessUnknown():
            return _state("UNKNOWN", notice.id, notice.from_state)
        case ProcessSaid():
            head = f"{_who(notice.id)} pid:{notice.pid} channel:{notice.channel}"
            return Event(f"PROCESS_LOG_{notice.channel.upper()}", f"{head}\n{text_of(notice.data)}")
        case ProcessCommunicated():
            head = f"{_who(notice.id)} pid:{notice.pid}"
            return Event(f"PROCESS_COMMUNICATION_{notice.channel.upper()}", f"{head}\n{text_of(notice.data)}")
        case RemoteCommunicated():
            return Event("REMOTE_COMMUNICATION", f"type:{notice.kind}\n{notice.data}")
        case EventEmitted():
            return Event(notice.name, notice.payload)
        case GroupAdded():
            return Event("PROCESS_GROUP_ADDED", f"groupname:{notice.name}\n")
        case GroupRemoved():
            return Event("PROCESS_GROUP_REMOVED", f"groupname:{notice.name}\n")
        case DaemonRunning(resumed=False):
            return Event("SUPERVISOR_STATE_CHANGE_RUNNING", "")
        case DaemonStopping():
            return Event("SUPERVISOR_STATE_CHANGE_STOPPING", "")
        case _:
            return None


def tick(name: str, when: int) -> Event:
    """Return a TICK event. `when`: the boundary it stands for, in epoch seconds, a multiple of the type's period."""
    return Event(name, f"when:{when}")


def envelope(event: Event, *, identifier: str, serial: int, pool: str, poolserial: int) -> bytes:
    """Return the bytes that a listener reads: a header line and the payload.

    The header's `len` counts characters, not bytes: readers in text mode rely on it.
    """
    header = (
        f"ver:3.0 server:{identifier} serial:{serial} pool:{pool} poolserial:{poolserial} "
        f"eventname:{event.name} len:{len(event.payload)}\n"
    )
    return (header + event.payload).encode(errors="replace")  # one `?` for a lone surrogate: the length stays true


def text_of(data: bytes) -> str:
    """Return bytes as the text of an event or a log line; those that are not UTF-8 are shown as Python writes them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"Undecodable: {data!r}"


def shown(data: bytes) -> str:
    """Return bytes as one line of the log shows them: as text, its control characters as Python writes them."""
    text = text_of(data)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def fits_header(name: str) -> bool:
    """Tell whether a name can stand in the header of an envelope, which has blanks and colons between its words."""
    return name.isprintable() and bool(name) and not set(name) & {" ", ":"}


def _who(id: ProcessId) -> str:  # noqa: A002
    return f"processname:{id.process} groupname:{id.group}"


def _state(name: str, id: ProcessId, from_state: ProcessState, extra: str = "") -> Event:  # noqa: A002
    return Event(f"PROCESS_STATE_{name}", f"{_who(id)} from_state:{from_state.name}{extra}")

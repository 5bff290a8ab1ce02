"""Signals and pokes: what makes a sleeping loop wake up.

Promises that a caught signal is never lost, also when the wake-up pipe is full: the pipe only wakes, the truth is
what the handler noted. Knows nothing of what a signal means.
"""

import os
import signal
from collections.abc import Iterable
from types import FrameType

IGNORED_BY_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""what the interpreter itself ignores; children get them back as `restore_signals` says"""

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""what the daemon is told by"""

PIPE_BYTES = 1 << 16


class WakeUp:
    """A pipe whose `fd` turns readable when somebody pokes or a caught signal arrives."""

    def __init__(self) -> None:
        self.fd, self._poke_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.noted: dict[int, None] = {}
        """signals that arrived and were not taken yet, in order of arrival"""
        self._before: dict[int, tuple[object, bool]] = {}
        self._outer_fd: int | None = None

    def poke(self) -> None:
        """Make `fd` readable; from any thread."""
        try:
            os.write(self._poke_fd, b"\0")
        except BlockingIOError:
            return  # a full pipe is as readable as can be

    def drain(self) -> None:
        """Make `fd` quiet again."""
        try:
            os.read(self.fd, PIPE_BYTES)
        except BlockingIOError:
            return

    def take(self) -> list[int]:
        """Return the signals noted since the last call, each once."""
        noted, self.noted = self.noted, {}
        return list(noted)

    def catch(self, signum: int) -> None:
        """Note this signal from now on, also if it came blocked from our parent. Main thread only; idempotent."""
        if signum in self._before:
            return
        if self._outer_fd is None:
            self._outer_fd = signal.set_wakeup_fd(self._poke_fd, warn_on_full_buffer=False)
        before = signal.signal(signum, self._note)
        signal.siginterrupt(signum, False)  # system calls of other threads go on undisturbed
        blocked = signum in signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})
        self._before[signum] = (before, blocked)

    def close(self) -> None:
        """Give the signals back to whom they belonged before, and close the pipe.

        What was noted of a signal that was blocked before, and not taken, waits again for whoever lets it through next.
        """
        held = {signum for signum, (_, blocked) in self._before.items() if blocked}
        signal.pthread_sigmask(signal.SIG_BLOCK, held)  # what came before this is noted, what comes after it waits
        for signum in self.take():
            if signum in held:
                signal.raise_signal(signum)
        for signum, (before, _) in self._before.items():
            # None: installed by something that is not Python, which cannot be put back
            signal.signal(signum, signal.SIG_DFL if before is None else before)  # type: ignore[arg-type]
        self._before.clear()
        if self._outer_fd is not None:
            signal.set_wakeup_fd(self._outer_fd)
            self._outer_fd = None
        os.close(self.fd)
        os.close(self._poke_fd)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self.noted[signum] = None


def hold(signums: Iterable[int]) -> None:
    """Keep these signals waiting whenever no loop catches them, instead of letting them kill us.

    A loop lets through what it catches and holds it again when it is closed: what arrives between two loops is
    served by the second.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signums)


def reset_inherited() -> None:
    """Undo what our own parent left behind: unblock every signal, ignore none but those Python ignores.

    Children inherit both through exec, so a daemon started by `nohup` or by a careless parent would pass them on.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for signum in signal.valid_signals() - IGNORED_BY_PYTHON - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)

"""Alerts as lines of JSON in a file.

The drain writes them: a file that rotates, a full disk, a directory that comes and goes are its business, and alerts
wait there (`drain.QUEUE_BYTES` of them) until they can be written.
"""

from collections import deque

from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert, as_json
from tmd.daemon.sinks.complaints import Complaints
from tmd.daemon.surface import Operation
from tmd.posix.drain import Drain
from tmd.posix.logfiles import LogTarget
from tmd.wire.faults import Fault, RpcFault

MODE = 0o600
"""of a file that is made: alerts quote what programs wrote to logs that are private, too"""


class FileSink:
    """One file."""

    def __init__(self, spec: AlertSpec, host: str, drain: Drain, complaints: Complaints) -> None:
        self.dropped = self.failed = 0
        self._host, self._drain, self._complaints = host, drain, complaints
        self._target = _target(spec)
        self._taken = 0
        self._sizes: deque[int] = deque()
        """of the lines that may not be in the file yet"""
        self._size = 0
        """of all of them"""
        self._unsaid = 0
        """dropped since the last complaint"""
        self._asking = False
        drain.prepare(self._target)

    @property
    def log(self) -> str:
        """What the drain calls this place in its reports."""
        return self._target.path

    @property
    def sent(self) -> int:
        """How many are in the file."""
        return self._taken - self.waiting

    @property
    def waiting(self) -> int:
        """How many are not."""
        self._forget_written()
        return len(self._sizes)

    @property
    def settled(self) -> bool:
        """There is nothing to wait for: the end of the drain does."""
        return True

    def offer(self, alert: Alert) -> None:
        """Write an alert."""
        self._write(alert)
        if self._complaints.failing and not self._asking:
            self._asking = True
            self._drain.settle(self._target, self._asked)

    def test(self, alert: Alert) -> Operation[str]:
        """Write an alert and see it arrive."""
        operation: Operation[str] = Operation()
        path = self._target.path
        taken = self._write(alert)

        def done(reason: str) -> None:
            if reason or not taken:
                reason = f"cannot write '{path}': {reason or 'too much waits for it already'}"
                operation.refuse(RpcFault(Fault.FAILED, f"{reason}{' (the alert waits for it)' if taken else ''}"))
            else:
                self._complaints.worked()
                operation.resolve(f"written to '{path}'")

        self._drain.settle(self._target, done)
        return operation

    def trouble(self, reason: str) -> None:
        """The drain says that something is wrong with the file."""
        lost, self._unsaid = self._unsaid, 0
        self._complaints.failed(reason, lost)

    def leave(self) -> None:
        """Nothing more comes; what waits is the drain's."""

    def adopt(self, spec: AlertSpec) -> None:
        """Take other limits for the same file."""
        self._target = _target(spec)
        self._drain.prepare(self._target)

    def close(self) -> None:
        """Let go of the file."""
        self._drain.release(self._target)

    def _write(self, alert: Alert) -> bool:
        line = as_json(alert, self._host) + b"\n"
        taken = self._drain.write(self._target, line)
        if taken:
            self._taken += 1
            self._sizes.append(len(line))
            self._size += len(line)
            self._forget_written()
        else:
            self.dropped += 1
            self._unsaid += 1
        return taken

    def _asked(self, reason: str) -> None:
        self._asking = False
        if not reason:
            self._complaints.worked()

    def _forget_written(self) -> None:
        waiting_bytes = self._drain.waiting_bytes(self._target)
        while self._sizes and self._size - self._sizes[0] >= waiting_bytes:
            self._size -= self._sizes.popleft()


def _target(spec: AlertSpec) -> LogTarget:
    return LogTarget(spec.path, spec.maxbytes, spec.backups, MODE)

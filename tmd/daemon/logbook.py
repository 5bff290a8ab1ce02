"""Which file each process logs to: the configured path, or a generated one for AUTO.

Names of AUTO logs: in Supervisor's dialect `<name>-<stream>---<identifier>-<random>.log`, made when the process is
added and swept at the next start (contract 6.2); in the native one a stable `<name>-<stream>.log`, so that the
history of a program stays in one place across restarts of the daemon.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator

from tmd.config.settings import AUTO, Dialect, ProcessSpec
from tmd.daemon.surface import Channel
from tmd.posix.logfiles import LogTarget
from tmd.wire.names import ProcessId

CHANNELS: tuple[Channel, Channel] = ("stdout", "stderr")


def stream_options(spec: ProcessSpec, channel: Channel) -> tuple[str | None, int, int]:
    """Return (logfile, maxbytes, backups) of a channel; a redirected stderr has no file."""
    if channel == "stdout":
        return spec.stdout_logfile, spec.stdout_logfile_maxbytes, spec.stdout_logfile_backups
    if spec.redirect_stderr:
        return None, 0, 0
    return spec.stderr_logfile, spec.stderr_logfile_maxbytes, spec.stderr_logfile_backups


class Logbook:
    """Resolves log files. `report` gets a line for each generated file that cannot be made."""

    def __init__(self, dialect: Dialect, childlogdir: str, identifier: str, report: Callable[[str], None]) -> None:
        self._dialect, self._directory, self._identifier = dialect, childlogdir, identifier
        self._report = report
        self._targets: dict[tuple[ProcessId, Channel], LogTarget | None] = {}
        self._generated: dict[tuple[ProcessId, Channel], str] = {}

    def assign(self, spec: ProcessSpec) -> None:
        """Resolve the files of a process that was added, or whose settings changed."""
        for channel in CHANNELS:
            path, maxbytes, backups = stream_options(spec, channel)
            mode = 0o644
            if path == AUTO:
                path, mode = self._auto(spec.id, channel), 0o600
            self._targets[spec.id, channel] = LogTarget(path, maxbytes, backups, mode) if path else None

    def forget(self, id_: ProcessId) -> None:
        """Drop a process that was removed; its files stay."""
        for channel in CHANNELS:
            self._targets.pop((id_, channel), None)
            self._generated.pop((id_, channel), None)

    def target(self, id_: ProcessId, channel: Channel) -> LogTarget | None:
        """Return the file of a channel, None when it has none."""
        return self._targets.get((id_, channel))

    def path(self, id_: ProcessId, channel: Channel) -> str:
        """Return the path of a channel's file, empty when it has none."""
        target = self.target(id_, channel)
        return target.path if target else ""

    def targets(self, id_: ProcessId) -> Iterator[LogTarget]:
        """Yield the files of a process."""
        for channel in CHANNELS:
            if target := self.target(id_, channel):
                yield target

    def sweep(self) -> None:
        """Remove generated logs of earlier daemons with this identifier (Supervisor's dialect only)."""
        if self._dialect is Dialect.NATIVE:
            return
        leftover = re.compile(rf".+?---{re.escape(self._identifier)}-\S+\.log\.?\d*$")
        try:
            names = os.listdir(self._directory)
        except OSError as why:
            self._report(f"cannot look through '{self._directory}': {why.strerror}")
            return
        for name in filter(leftover.match, names):
            path = os.path.join(self._directory, name)
            try:
                os.unlink(path)
            except OSError as why:
                self._report(f"cannot remove old log '{path}': {why.strerror}")

    def _auto(self, id_: ProcessId, channel: Channel) -> str | None:
        if (made := self._generated.get((id_, channel))) is not None:
            return made
        try:
            path = self._make(id_, channel)
        except OSError as why:
            self._report(f"cannot create a log for '{id_.namespec}' in '{self._directory}': {why.strerror}")
            return None
        self._generated[id_, channel] = path
        return path

    def _make(self, id_: ProcessId, channel: Channel) -> str:
        if self._dialect is Dialect.SUPERVISOR:
            prefix = f"{id_.process}-{channel}---{self._identifier}-"
            fd, path = tempfile.mkstemp(prefix=prefix, suffix=".log", dir=self._directory)
            os.close(fd)
            return path
        name = id_.process if id_.group == id_.process else f"{id_.group}.{id_.process}"
        path = os.path.join(self._directory, f"{name}-{channel}.log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        os.close(os.open(path, flags, 0o600))
        return path

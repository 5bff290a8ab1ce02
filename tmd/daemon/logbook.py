"""Which file each process logs to: the configured path, or a generated one for AUTO.

Names of AUTO logs: in Supervisor's dialect `<name>-<stream>---<identifier>-<random>.log`, made when the process is
added and swept at the next start (contract 6.2); in the native one a stable `<name>-<stream>.log`, so that the
history of a program stays in one place across restarts of the daemon.
"""

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping

from tmd.config.settings import AUTO, Dialect, ProcessSpec
from tmd.daemon.surface import Channel
from tmd.posix.logfiles import LogTarget
from tmd.wire.names import ProcessId

CHANNELS: tuple[Channel, Channel] = ("stdout", "stderr")
_NO_FILES = (None, None)


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
        self._targets: dict[ProcessId, tuple[LogTarget | None, LogTarget | None]] = {}
        """by channel, in the order of `CHANNELS`"""
        self._generated: dict[tuple[ProcessId, Channel], str] = {}

    def assign(self, spec: ProcessSpec) -> None:
        """Resolve the files of a process that was added, or whose settings changed."""
        self._targets[spec.id] = self._resolved(spec, "stdout"), self._resolved(spec, "stderr")

    def _resolved(self, spec: ProcessSpec, channel: Channel) -> LogTarget | None:
        path, maxbytes, backups = stream_options(spec, channel)
        mode = 0o644
        if path == AUTO:
            path, mode = self._auto(spec.id, channel), 0o600
        return LogTarget(path, maxbytes, backups, mode) if path else None

    def forget(self, id_: ProcessId) -> None:
        """Drop a process that was removed; its files stay."""
        self._targets.pop(id_, None)
        for channel in CHANNELS:
            self._generated.pop((id_, channel), None)

    def target(self, id_: ProcessId, channel: Channel) -> LogTarget | None:
        """Return the file of a channel, None when it has none."""
        return self._targets.get(id_, _NO_FILES)[channel == "stderr"]

    def path(self, id_: ProcessId, channel: Channel) -> str:
        """Return the path of a channel's file, empty when it has none."""
        target = self.target(id_, channel)
        return target.path if target else ""

    def paths(self, id_: ProcessId) -> dict[str, str]:
        """Return the paths of a process's files, by channel."""
        stdout, stderr = self._targets.get(id_, _NO_FILES)
        paths = {} if stdout is None else {"stdout": stdout.path}
        if stderr is not None:
            paths["stderr"] = stderr.path
        return paths

    def keep(self, id_: ProcessId, paths: Mapping[str, str]) -> None:
        """Let a process go on with the files that an earlier daemon has generated for it; before `sweep`."""
        for channel in CHANNELS:
            path = paths.get(channel, "")
            prefix = os.path.join(self._directory, self._prefix(id_, channel))
            if self._dialect is Dialect.SUPERVISOR and path.startswith(prefix) and os.path.isfile(path):
                self._generated[id_, channel] = path

    def targets(self, id_: ProcessId) -> Iterator[LogTarget]:
        """Yield the files of a process."""
        yield from filter(None, self._targets.get(id_, _NO_FILES))

    def sweep(self) -> None:
        """Remove generated logs of earlier daemons with this identifier, but not those kept (Supervisor's dialect)."""
        if self._dialect is Dialect.NATIVE:
            return
        leftover = re.compile(rf".+?---{re.escape(self._identifier)}-\S+\.log\.?\d*$")
        try:
            names = os.listdir(self._directory)
        except OSError as why:
            self._report(f"cannot look through '{self._directory}': {why.strerror}")
            return
        kept = tuple(self._generated.values())
        for name in filter(leftover.match, names):
            path = os.path.join(self._directory, name)
            if path.rstrip("0123456789").removesuffix(".") in kept:
                continue
            try:
                os.unlink(path)
            except OSError as why:
                self._report(f"cannot remove old log '{path}': {why.strerror}")

    def _auto(self, id_: ProcessId, channel: Channel) -> str | None:
        if (made := self._generated.get((id_, channel))) is not None:
            return made
        path = self._choose(id_, channel)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            os.close(os.open(path, flags, 0o600))
        except OSError as why:
            refused = f"cannot create a log for '{id_.namespec}' in '{self._directory}': {why.strerror}"
            if why.errno == errno.ELOOP:
                self._report(refused)
                return None
            self._report(f"{refused} (it is tried again when there is output)")
        self._generated[id_, channel] = path
        return path

    def _prefix(self, id_: ProcessId, channel: Channel) -> str:
        return f"{id_.process}-{channel}---{self._identifier}-"

    def _choose(self, id_: ProcessId, channel: Channel) -> str:
        if self._dialect is Dialect.SUPERVISOR:
            return os.path.join(self._directory, f"{self._prefix(id_, channel)}{os.urandom(4).hex()}.log")
        name = id_.process if id_.group == id_.process else f"{id_.group}.{id_.process}"
        return os.path.join(self._directory, f"{name}-{channel}.log")

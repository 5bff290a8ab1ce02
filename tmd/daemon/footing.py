"""Where a daemon stands before it runs anything: alone, with the limits, as the user and in the directory it should be.

Promises that nothing is touched before the lock on the pid file says that we are alone, and that a step that fails
ends the start with its reason.
"""

import errno
import os
import stat

from tmd.config.settings import DaemonSettings, Dialect, Settings
from tmd.posix import capabilities, limits, privileges
from tmd.posix.pidfile import PidFile, PidFileHeld
from tmd.wire.levels import Level
from tmd.wire.places import homeless

_FULL = (errno.ENOSPC, errno.EDQUOT)


class CannotStart(Exception):
    """The daemon cannot run; the text says why. Exit code 2."""


class Footing:
    """Takes the steps; `notes` are lines for the log, which is not open yet."""

    def __init__(self, settings: Settings, *, foreground: bool) -> None:
        self._settings = settings
        self._foreground = foreground
        self.notes: list[tuple[Level, str]] = []

    def lock(self, held: PidFile | None) -> PidFile:
        """Return the lock on our pid file: the one held already, where it is the same file."""
        daemon = self._settings.daemon
        self._check_owner()
        for directory in dict.fromkeys(os.path.dirname(path) for path in self._own_files(daemon)):
            self._make_directory(directory, daemon)
        if held is not None and held.path == daemon.pidfile:
            return held
        try:
            pidfile = PidFile.acquire(daemon.pidfile)
            try:
                pidfile.write(os.getpid())
            except OSError as why:
                if why.errno not in _FULL:
                    pidfile.release()
                    raise
                # It is locked, which is what counts; the number follows once there is room for it.
                self._note(Level.CRIT, f"cannot write pid file '{daemon.pidfile}': {why.strerror} (it is tried again)")
        except PidFileHeld as holder:
            raise CannotStart(
                f"cannot start: another instance runs with pid {holder.pid} and holds '{holder.path}' "
                f"(stop it first, or name another pidfile)"
            ) from holder
        except OSError as why:
            hint = " (in a container: mount a tmpfs there, or name another pidfile)" if daemon.container else ""
            raise CannotStart(f"cannot write pid file '{daemon.pidfile}': {why.strerror}{hint}") from why
        if held is not None:
            held.release()
        return pidfile

    def _own_files(self, daemon: DaemonSettings) -> list[str]:
        """Return paths whose directories we make when missing: those that come from our own defaults."""
        if self._settings.dialect is Dialect.SUPERVISOR:
            return [os.path.join(daemon.statedir, "x")] if daemon.statedir != daemon.childlogdir else []
        sockets = [server.file for server in self._settings.servers if server.family == "unix"]
        logs = [daemon.logfile] if daemon.logfile != "syslog" else []
        # In a container nothing is ever logged to a file that nobody placed.
        generated = [] if daemon.container else [daemon.childlogdir]
        directories = [*generated, *([daemon.statedir] if daemon.statedir else [])]
        return [daemon.pidfile, *logs, *sockets, *(os.path.join(each, "x") for each in directories)]

    def _check_owner(self) -> None:
        """See that the directory of a user without a home is his: somebody else may have made it first."""
        uid = os.geteuid()
        place = homeless(uid)
        if any(path.startswith(f"{place}/") for path in self._own_files(self._settings.daemon)):
            try:
                os.mkdir(place, 0o700)
            except FileExistsError:
                found = os.lstat(place)
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
                    raise CannotStart(f"cannot use '{place}': somebody else may write there") from None
            except OSError as why:
                raise CannotStart(f"cannot create directory '{place}': {why.strerror}") from why

    def _make_directory(self, directory: str, daemon: DaemonSettings) -> None:
        if not directory or os.path.isdir(directory):
            return
        try:
            private = directory == daemon.statedir != daemon.childlogdir
            os.makedirs(directory, mode=0o700 if private else 0o755)
            if daemon.uid is not None and os.geteuid() == 0:
                os.chown(directory, daemon.uid, daemon.gid if daemon.gid is not None else -1)
        except OSError as why:
            optional = daemon.container or self._settings.dialect is Dialect.SUPERVISOR
            if optional and directory == daemon.statedir:
                self._note(Level.WARN, f"cannot create directory '{directory}': {why.strerror} (nothing is remembered)")
                return
            hint = " (in a container: mount a tmpfs there)" if daemon.container else ""
            raise CannotStart(f"cannot create directory '{directory}': {why.strerror}{hint}") from why

    def take(self, pidfile: PidFile, *, first: bool) -> None:
        """Set limits and identity (once in a process), then directory and umask."""
        daemon = self._settings.daemon
        if first:
            self._raise_limits(daemon)
            self._drop_privileges(daemon, pidfile)
        if daemon.directory is not None:
            try:
                os.chdir(daemon.directory)
            except OSError as why:
                raise CannotStart(f"cannot change directory to '{daemon.directory}': {why.strerror}") from why
            self._note(Level.INFO, f"set current directory: '{daemon.directory}'")
        if daemon.umask is not None:
            os.umask(daemon.umask)
        elif not self._foreground:
            os.umask(0o022)

    def _raise_limits(self, daemon: DaemonSettings) -> None:
        try:
            before, now = limits.secure_files(daemon.minfds)
            if now != before:
                self._note(Level.INFO, f"Increased RLIMIT_NOFILE limit to {now}")
        except OSError as why:
            raise CannotStart(f"cannot raise RLIMIT_NOFILE to {daemon.minfds}: {why}") from why
        try:
            before, now = limits.raise_processes(daemon.minprocs)
            if now != before:
                self._note(Level.INFO, f"Increased RLIMIT_NPROC limit to {now}")
        except OSError as why:
            raise CannotStart(f"cannot raise RLIMIT_NPROC to {daemon.minprocs}: {why}") from why

    def _drop_privileges(self, daemon: DaemonSettings, pidfile: PidFile) -> None:
        if os.geteuid() != 0:
            self._keep_to_ourselves()
        if daemon.uid is None and daemon.gid is None:
            if os.geteuid() == 0 and self._settings.dialect is Dialect.SUPERVISOR:
                self._note(
                    Level.CRIT,
                    "Supervisor is running as root.  Privileges were not dropped because no user is specified in the "
                    "config file.  If you intend to run as root, you can set user=root in the config file to avoid "
                    "this message.",
                )
            return
        uid = daemon.uid if daemon.uid is not None else os.geteuid()
        if self._settings.dialect is Dialect.NATIVE and daemon.user is None:
            return  # `uid` and `gid` of the native dialect are the programs' defaults, not the daemon's own
        if uid == os.geteuid():
            if daemon.keep_root_to_spawn:
                self._require_spawning()
            self._note(Level.INFO, f"Set uid to user {uid} succeeded")
            return
        if os.geteuid() != 0:
            raise CannotStart(f"cannot become user '{daemon.user or uid}': Can't drop privilege as nonroot user")
        user = privileges.find_user(str(uid))
        gid = daemon.gid if daemon.gid is not None else (user.gid if user else uid)
        groups = privileges.group_ids(user, gid) if user else (gid,)
        keep = capabilities.SPAWNING if daemon.keep_root_to_spawn else frozenset[int]()
        try:
            pidfile.hand_over(uid, gid)
            privileges.drop_to(uid, gid, groups, keep=keep)
        except OSError as why:
            raise CannotStart(f"cannot become user '{daemon.user or uid}': {why}") from why
        self._note(Level.INFO, f"Set uid to user {uid} succeeded")
        for library in (os.__file__, __file__):
            if not os.access(library, os.R_OK):
                self._note(
                    Level.CRIT,
                    f"user '{daemon.user or uid}' cannot read '{os.path.dirname(library)}': what the daemon has not "
                    "loaded so far will be missing (install it, and its Python, where this user can read them)",
                )
        if keep:
            self._note(Level.INFO, f"kept {capabilities.names(keep)}, to start and stop programs of other users")

    def _keep_to_ourselves(self) -> None:
        """See that programs do not get the rights by which we start them; others that we were given go on to them."""
        try:
            handed_on = capabilities.keep_to_ourselves(capabilities.SPAWNING)
        except OSError as why:
            raise CannotStart(f"cannot keep capabilities from programs: {why.strerror}") from why
        if handed_on:
            self._note(Level.INFO, f"programs do not get {capabilities.names(handed_on)}, which the daemon was given")

    def _require_spawning(self) -> None:
        """Refuse to start when what a service manager was to give us for starting programs as others is not there."""
        try:
            privileges.require(capabilities.SPAWNING)
        except privileges.PrivilegesRefused as why:
            hint = f"start tmd as root, or give it AmbientCapabilities={capabilities.names(capabilities.SPAWNING)}"
            raise CannotStart(f"cannot keep root to spawn: {why} ({hint})") from why

    def _note(self, level: Level, text: str) -> None:
        """Keep a line for the log, which is not open yet."""
        self.notes.append((level, text))

"""Where things are when nobody says otherwise, for the superuser and for a plain user.

Both `tmd` and `tmctl` ask here, so that a client without a flag finds a daemon without one.
Under systemd the directories it hands to a unit win (systemd.exec(5): RUNTIME_DIRECTORY, LOGS_DIRECTORY,
STATE_DIRECTORY).
A plain user's come from the XDG base directory specification; one who has no home that could hold files (an unknown
number in a container, `nobody`) gets a directory of his own in /tmp.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Places(NamedTuple):
    """Absolute directories."""

    run: str
    """sockets and pid files"""
    log: str
    """the daemon's log and the logs of its children"""
    state: str
    """what outlives a daemon"""

    @property
    def socket(self) -> str:
        """The control socket."""
        return f"{self.run}/tmd.sock"

    @property
    def pidfile(self) -> str:
        """The pid file."""
        return f"{self.run}/tmd.pid"

    @property
    def logfile(self) -> str:
        """The daemon's own log."""
        return f"{self.log}/tmd.log"


def homeless(uid: int) -> str:
    """Return the directory of a user without a home. Others may have made it first: look whose it is."""
    return f"/tmp/taskmaster-{uid}"


def home_for_files(home: str, may_write: Callable[[str], bool]) -> str:
    """Return the home as `default_places` wants it: empty when nothing can be made there."""
    return home if home.startswith("/") and (may_write(home) or may_write(f"{home}/.local/state")) else ""


def default_places(environ: Mapping[str, str], uid: int, home: str) -> Places:
    """Return the default directories for a user; nothing is created. `home` is empty for who has none."""
    run = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    log = environ.get("LOGS_DIRECTORY", "").partition(":")[0]
    lasting = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if uid == 0:
        return Places(run or "/run/taskmaster", log or "/var/log/taskmaster", lasting or "/var/lib/taskmaster")
    state = environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else homeless(uid))
    runtime = environ.get("XDG_RUNTIME_DIR")
    base = f"{runtime}/taskmaster" if runtime else f"{state}/taskmaster/run"
    return Places(run or base, log or f"{state}/taskmaster/log", lasting or f"{state}/taskmaster")


_SUPERVISORS_HERE = ("supervisord.conf", "etc/supervisord.conf")
_OURS_HERE = ("taskmaster.yaml", "taskmaster.ini")


def files_here(uid: int, *, supervisors: bool) -> tuple[str, ...]:
    """Return the files looked for in the current directory, in order; `supervisors`: under a name of Supervisor's.

    The superuser picks up nothing there, for whoever may write there could have anything run as root. Under a name of
    Supervisor's he does as he does with Supervisor: what is written for it counts on that.
    """
    if uid == 0:
        return _SUPERVISORS_HERE if supervisors else ()
    return (*_SUPERVISORS_HERE, *_OURS_HERE)


def passed_over_here(uid: int, *, supervisors: bool) -> tuple[str, ...]:
    """Return the files that anybody else would have looked for in the current directory, but not this user."""
    looked = files_here(uid, supervisors=supervisors)
    return tuple(path for path in (*_SUPERVISORS_HERE, *_OURS_HERE) if path not in looked)


def config_candidates(
    environ: Mapping[str, str], uid: int, home: str, argv0_dir: str, *, supervisors: bool = False
) -> tuple[str, ...]:
    """Return the files looked for, in order, when no configuration is named.

    Supervisor's order first, then our own names. `supervisors`: the program was called by a name of Supervisor's.
    """
    own_user = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    return (
        f"{argv0_dir}/../etc/supervisord.conf",
        f"{argv0_dir}/../supervisord.conf",
        *files_here(uid, supervisors=supervisors),
        "/etc/supervisord.conf",
        "/etc/supervisor/supervisord.conf",
        *(f"{own_user}/taskmaster/taskmaster.{kind}" for kind in ("yaml", "ini", "toml") if uid != 0),
        *(f"/etc/taskmaster/taskmaster.{kind}" for kind in ("yaml", "ini", "toml")),
        *(f"/etc/taskmaster.{kind}" for kind in ("yaml", "ini", "toml")),
    )

"""Where things are when nobody says otherwise, for the superuser and for a plain user.

Both `tmd` and `tmctl` ask here, so that a client without a flag finds a daemon without one.
Under systemd the directories it hands to a unit win (systemd.exec(5): RUNTIME_DIRECTORY, LOGS_DIRECTORY).
A plain user's come from the XDG base directory specification.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Places(NamedTuple):
    """Absolute directories."""

    run: str
    """sockets and pid files"""
    log: str
    """the daemon's log and the logs of its children"""

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


def default_places(environ: Mapping[str, str], uid: int, home: str) -> Places:
    """Return the default directories for a user; nothing is created."""
    run = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    log = environ.get("LOGS_DIRECTORY", "").partition(":")[0]
    if uid == 0:
        return Places(run or "/run/taskmaster", log or "/var/log/taskmaster")
    state = environ.get("XDG_STATE_HOME") or f"{home}/.local/state"
    runtime = environ.get("XDG_RUNTIME_DIR")
    base = f"{runtime}/taskmaster" if runtime else f"{state}/taskmaster/run"
    return Places(run or base, log or f"{state}/taskmaster/log")


def config_candidates(environ: Mapping[str, str], uid: int, home: str, argv0_dir: str) -> tuple[str, ...]:
    """Return the files looked for, in order, when no configuration is named.

    Supervisor's order first (contract 1.7), then our own names. The superuser never picks up a file from the
    current directory: whoever may write there could have anything run as root.
    """
    own_user = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    relative = () if uid == 0 else ("supervisord.conf", "etc/supervisord.conf", "taskmaster.yaml", "taskmaster.ini")
    return (
        f"{argv0_dir}/../etc/supervisord.conf",
        f"{argv0_dir}/../supervisord.conf",
        *relative,
        "/etc/supervisord.conf",
        "/etc/supervisor/supervisord.conf",
        *(f"{own_user}/taskmaster/taskmaster.{kind}" for kind in ("yaml", "ini", "toml") if uid != 0),
        *(f"/etc/taskmaster/taskmaster.{kind}" for kind in ("yaml", "ini", "toml")),
        *(f"/etc/taskmaster.{kind}" for kind in ("yaml", "ini", "toml")),
    )

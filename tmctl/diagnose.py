"""Why the server cannot be reached: the one cause that is seen, and its remedy, in one line.

Some causes look alike from a client: nothing runs; it runs but its socket was removed; the socket is there but not for
us; the socket is a leftover; something runs, but elsewhere; it runs, but was suspended. They are told apart by the pid
file, the socket file, the usual places and /proc. Only looks; changes nothing.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterable

from tmctl.config import Surroundings, Target, serves
from tmctl.connection import Address, Unreachable, is_suspended, kernel_state

USUAL_SOCKETS = ("/run/supervisor.sock", "/run/supervisor/supervisor.sock", "/tmp/supervisor.sock")
"""where distributions and samples put Supervisor's"""
_TRY_S = 0.2


def explain(error: Unreachable, address: Address, target: Target, surroundings: Surroundings) -> str:
    """Return the line."""
    pid = living_pid(target.pidfile)
    suspended = error.suspended or (pid if is_suspended(pid) and _belongs(target, address, surroundings) else 0)
    if suspended:
        return f"the daemon (pid {suspended}) is suspended, and answers nobody (let it go on: kill -CONT {suspended})"
    elsewhere = _listening_elsewhere(address, surroundings)
    if error.number in (errno.EACCES, errno.EPERM):
        return _denied(address)
    if error.number == errno.ENOENT and pid and _belongs(target, address, surroundings):
        return (
            f"the daemon runs (pid {pid}, from {target.pidfile}) but its socket {address.path} is gone"
            " (something removed it; a tmd makes it anew within seconds, a supervisord needs a restart)"
        )
    if error.number in (errno.ENOENT, errno.ECONNREFUSED):
        if elsewhere:
            url = f"unix://{elsewhere}"
            return f"a daemon listens on {url}, but {_said(target)} points elsewhere (use -s {url})"
        if pid:
            place = address.path or f"{address.host}:{address.port}"
            return f"the daemon runs (pid {pid}, from {target.pidfile}) but does not listen on {place}{_look(target)}"
        leftover = " and the socket is a leftover" if address.is_unix and error.number == errno.ECONNREFUSED else ""
        return f"no daemon is running here{leftover} ({_start(target, surroundings)})"
    if error.number in (errno.ECONNRESET, errno.EPIPE):
        return "the server ended the conversation (it is stopping or restarting: try again)"
    if error.number == errno.ETIMEDOUT:
        return "the server is there but does not answer (stopped, overloaded, or behind a firewall?)"
    return f"the address comes from {_said(target)} (check it, or name another with -s)"


def living_pid(pidfile: str | None) -> int:
    """Return the pid in a pid file if such a process lives, else 0; one that only was not reaped yet does not."""
    if pidfile is None:
        return 0
    try:
        with open(pidfile, encoding="ascii") as file:
            pid = int(file.readline())
    except (OSError, ValueError):
        return 0
    try:
        os.kill(pid, 0)
    except PermissionError:  # somebody else's, and alive
        return pid
    except (OSError, OverflowError):
        return 0
    return 0 if kernel_state(pid) == "Z" else pid


def _said(target: Target) -> str:
    return {"-s": "the -s flag", "the default": "the default address"}.get(target.source, target.source)


def _look(target: Target) -> str:
    return f" (compare its configuration with {_said(target)})"


def _belongs(target: Target, address: Address, surroundings: Surroundings) -> bool:
    """Tell whether the daemon with the pid file was ever to listen there."""
    return target.serving is None or serves(target.serving, address.path, surroundings)


def _start(target: Target, surroundings: Surroundings) -> str:
    if target.serving:
        return f"start one with: tmd -c {target.serving}"
    here = surroundings.passed_over() if target.source == "the default" else None
    return f"./{here} is not read as root: say -c ./{here}" if here else "start one with: tmd -c FILE"


def _denied(address: Address) -> str:
    try:
        status = os.stat(address.path)
    except OSError:
        return f"no permission to reach {address.path}: one of its directories is closed to you (try as root)"
    mode = stat.S_IMODE(status.st_mode)
    return (
        f"no permission on {address.path} (owner {_user(status.st_uid)}, mode {mode:04o}):"
        " run tmctl as that user, or widen chmod/chown in the daemon's configuration"
    )


def _user(uid: int) -> str:
    import pwd  # noqa: PLC0415  only for this message

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _listening_elsewhere(address: Address, surroundings: Surroundings) -> str | None:
    usual = (surroundings.places.socket, *USUAL_SOCKETS)
    return next((path for path in _others(usual, address.path) if _listens(path)), None)


def _others(paths: Iterable[str], asked: str) -> Iterable[str]:
    return (path for path in paths if os.path.realpath(path) != os.path.realpath(asked))


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(_TRY_S)
        try:
            attempt.connect(path)
        except OSError:
            return False
    return True

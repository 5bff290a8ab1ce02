"""Children: starting programs and sending them signals.

Promises that a child begins life with descriptors 0, 1 and 2 and no other, in a process group of its own, with no
signal blocked, and as the user it should be or not at all; and that a start that fails says why, in Supervisor's
words. Not one line of Python runs between fork and exec. Does not know why a program is started or what follows.
"""

import errno
import os
import resource
import sys
from collections.abc import Mapping
from typing import TypedDict

import msgspec

from tmd.posix import capabilities
from tmd.posix.commands import SpawnRefused, find_command
from tmd.posix.forking import fork
from tmd.posix.privileges import find_user, possible
from tmd.wire.faults import Fault

__all__ = [
    "Launch",
    "SpawnRefused",
    "find_command",
    "pipes_refused",
    "send_signal",
    "set_files_limit",
    "spawn",
]

SHORTAGES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """All that is needed to start a program once.

    `path` is executed with `argv`; relative, it counts from `directory`. `environment` is the whole one. None means
    as the daemon has it. `restore_signals` false leaves SIGPIPE and SIGXFSZ ignored in the child.
    """

    argv: tuple[str, ...]
    path: str
    environment: Mapping[str, str]
    stdin: int
    stdout: int
    stderr: int
    directory: str | None = None
    umask: int | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None
    restore_signals: bool = True
    terminal: bool = False
    """the three descriptors are one terminal, and it becomes the child's own: a new session, which it leads"""

    def __post_init__(self) -> None:
        if self.uid is not None and (self.gid is None or self.groups is None):
            raise ValueError("a uid without its gid and groups would keep the daemon's")


def spawn(name: str, launch: Launch) -> int:
    """Start a program and return its pid; raises `SpawnRefused`."""
    executable = launch.path if "/" in launch.path else f"./{launch.path}"
    identity = _identity(launch)
    run, argv, environment = executable, launch.argv, launch.environment
    if launch.terminal:
        run, argv = _through_interpreter(launch, executable)
        environment = _environment_between(launch)
    try:
        return fork(
            argv,
            run,
            environment,
            stdin=launch.stdin,
            stdout=launch.stdout,
            stderr=launch.stderr,
            directory=launch.directory,
            umask=-1 if launch.umask is None else launch.umask,
            restore_signals=launch.restore_signals,
            session=launch.terminal,
            **identity,
        )
    except OSError as why:
        if launch.terminal and why.filename == run:
            reason = f"couldn't give '{name}' a terminal: its user cannot run {run}: {_errno_name(why)}"
            raise SpawnRefused(reason, Fault.SPAWN_ERROR, transient=why.errno in SHORTAGES) from why
        raise _refusal(name, launch, executable, why, changes_identity=bool(identity)) from why
    except (ValueError, OverflowError) as why:  # a NUL, a name with "=", an id out of range
        raise SpawnRefused(f"couldn't exec {launch.argv[0]}: {why}", Fault.SPAWN_ERROR) from why


def send_signal(pid: int, signum: int, whole_group: bool) -> None:
    """Signal a process or its whole group; one that is gone already is no error, everything else is an OSError."""
    if pid <= 1:
        raise ValueError(f"cannot send signal {signum} to pid {pid}: that is never one program")
    try:
        if whole_group:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)
    except ProcessLookupError:
        return


def set_files_limit(pid: int, soft: int) -> None:
    """Give a child this soft limit of open files, its hard limit permitting; a child that is gone is no error."""
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        wanted = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return


def pipes_refused(name: str, why: OSError) -> str:
    """Return the reason to give when the pipes for a program cannot be made."""
    if why.errno in (errno.EMFILE, errno.ENFILE):
        return f"too many open files to spawn '{name}'"
    return f"unknown error making dispatchers for '{name}': {_errno_name(why)}"


_TAKE_TERMINAL = """
import posix, sys, termios, fcntl
_, restores, count, *words = sys.argv
path, *argv = words[int(count):]
try:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    environ = {name: value for name, value in posix.environ.items() if name[:3] != b"LD_" and name != b"LC_CTYPE"}
    for word in words[:int(count)]:
        name, _, value = word.encode(sys.getfilesystemencoding(), "surrogateescape").partition(b"=")
        environ[name] = value
    if restores:
        import _signal
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
        _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    posix.execve(path, argv, environ)
except OSError as why:
    import errno
    said = f"couldn't exec {argv[0]}: {errno.errorcode.get(why.errno, why.errno)}\\n"
    posix.write(2, said.encode(errors="replace"))
posix._exit(127)
"""
"""Takes the terminal on descriptor 0 for the session it leads, which only the session's leader can, and becomes the
program. Python changes LC_CTYPE and ignores two signals when it starts, and it is started with our own words for the
dynamic loader, for the program's may be no good for it: all are put back as the program shall have them."""


def _through_interpreter(launch: Launch, executable: str) -> tuple[str, tuple[str, ...]]:
    """Return (path, argv) of the step between: our interpreter without site-packages, about 10 ms.

    The file itself rather than a link to it: a virtual environment may be out of reach for the user of a program.
    """
    interpreter = os.path.realpath(sys.executable or "/proc/self/exe")
    theirs = [f"{name}={value}" for name, value in launch.environment.items() if _is_put_back(name)]
    facts = ("restore" if launch.restore_signals else "", str(len(theirs)), *theirs)
    return interpreter, (interpreter, "-I", "-S", "-c", _TAKE_TERMINAL, *facts, executable, *launch.argv)


def _is_put_back(name: str) -> bool:
    return name == "LC_CTYPE" or name.startswith("LD_")


def _environment_between(launch: Launch) -> dict[str, str]:
    """Return what the step between is started with: the program's, but for what is told to the dynamic loader."""
    environment = {name: value for name, value in launch.environment.items() if not name.startswith("LD_")}
    return environment | {name: value for name, value in os.environ.items() if name.startswith("LD_")}


class _Identity(TypedDict, total=False):
    uid: int
    gid: int
    groups: list[int]


def _identity(launch: Launch) -> _Identity:
    """Return what the child has to change; becoming who we are already is no change, and needs no privilege."""
    if launch.uid == os.geteuid() and launch.gid == os.getegid():
        return {}
    for number in (launch.uid, launch.gid, *(launch.groups or ())):
        if number is not None and not possible(number):
            reason = f"{_change(launch)}: {number} is no number of a user or group"
            raise SpawnRefused(reason, Fault.SPAWN_ERROR)
    identity: _Identity = {}
    if launch.uid is not None:
        identity["uid"] = launch.uid
    if launch.gid is not None:
        identity["gid"] = launch.gid
    if launch.groups is not None:
        identity["groups"] = list(launch.groups)
    return identity


def _refusal(name: str, launch: Launch, executable: str, why: OSError, *, changes_identity: bool) -> SpawnRefused:
    """Tell from an error of `fork` at which step it happened.

    A failed exec names the executable, every earlier step of the child the directory; an error of fork or of our own
    names nothing. The directory is entered first: what only setgroups, setgid and setuid can say, they said.
    """
    code = why.errno
    transient = code in SHORTAGES
    argv0 = launch.argv[0]
    if code == errno.EAGAIN:  # from fork, or from exec when the user has too many processes already
        reason = f"Too many processes in process table to spawn '{name}'"
    elif code in (errno.EMFILE, errno.ENFILE):
        reason = f"too many open files to spawn '{name}'"
    elif why.filename == executable:
        reason = f"couldn't exec {argv0}: {_errno_name(why)}{_misleading(launch, executable, why)}"
    elif changes_identity and code in (errno.EPERM, errno.EINVAL):
        reason = f"{_change(launch)}: {_denied(launch, why)}"
    elif launch.directory is not None and why.filename == launch.directory:
        reason = f"couldn't chdir to {launch.directory}: {_errno_name(why)}"
    else:
        reason = f"unknown error during fork for '{name}': {_errno_name(why)}"
    return SpawnRefused(reason, Fault.SPAWN_ERROR, transient=transient)


def _change(launch: Launch) -> str:
    if launch.uid is None:
        return f"couldn't setgid to {launch.gid}"
    return f"couldn't setuid to {launch.uid}"


def _denied(launch: Launch, why: OSError) -> str:
    """Tell which step of becoming somebody else failed, in Supervisor's words, and what it lacked.

    The kernel says no more than EPERM or EINVAL: what it looks at is looked at again here.
    """
    held = capabilities.held()
    user = None if launch.uid is None else find_user(launch.uid)
    whom = f"'{user.name}'" if user else f"uid {launch.uid}" if launch.uid is not None else f"gid {launch.gid}"
    may_group, may_user = capabilities.SETGID in held, capabilities.SETUID in held
    if why.errno == errno.EPERM and os.geteuid() != 0 and not (may_group or may_user):
        return f"Can't drop privilege as nonroot user (only a daemon started as root can run programs as {whom})"
    denied = "to become {}: {}, {}"
    if launch.groups is not None and (not may_group or _groups_forbidden() or not _mapped("gid", launch.groups)):
        groups = ", ".join(map(str, launch.groups))
        told = denied.format(whom, f"setgroups({groups})", _lack(why, may_group, capabilities.SETGID))
        return f"Could not set groups of effective user ({told})"
    if launch.gid is not None and (not may_group or not _mapped("gid", (launch.gid,))):
        told = denied.format(whom, f"setgid({launch.gid})", _lack(why, may_group, capabilities.SETGID))
        return f"Could not set group id of effective user ({told})"
    told = denied.format(whom, f"setuid({launch.uid})", _lack(why, may_user, capabilities.SETUID))
    return f"Could not set user id ({told})"


def _lack(why: OSError, may: bool, capability: int) -> str:
    if why.errno == errno.EINVAL:
        return "EINVAL: this container has no such number"
    if not may:
        return f"{_errno_name(why)}: {capabilities.names(frozenset({capability}))} is missing"
    return f"{_errno_name(why)}: this container forbids it"


def _groups_forbidden() -> bool:
    try:
        with open("/proc/self/setgroups", encoding="ascii") as answer:
            return answer.read().strip() == "deny"
    except OSError:
        return False


def _mapped(kind: str, numbers: tuple[int, ...]) -> bool:
    """Tell whether all these numbers exist in our user namespace."""
    try:
        with open(f"/proc/self/{kind}_map", encoding="ascii") as lines:
            ranges = [tuple(map(int, line.split())) for line in lines]
    except OSError:
        return True
    return all(any(first <= number < first + count for first, _, count in ranges) for number in numbers)


def _misleading(launch: Launch, executable: str, why: OSError) -> str:
    """Explain an ENOENT about a file that is there: it is the interpreter that is not."""
    path = os.path.join(launch.directory or "", executable)
    if why.errno != errno.ENOENT:
        return ""
    try:
        with open(path, "rb") as file:
            head = file.readline(256)
    except OSError:
        return ""
    if head.startswith(b"#!"):
        interpreter = head[2:].rstrip(b"\n").replace(b"\t", b" ").strip(b" ").split(b" ", 1)[0]
        return f" (bad interpreter {os.fsdecode(interpreter)!r})"
    return " (its dynamic loader is missing)" if head.startswith(b"\x7fELF") else ""


def _errno_name(why: OSError) -> str:
    return errno.errorcode.get(why.errno or 0, str(why.errno))

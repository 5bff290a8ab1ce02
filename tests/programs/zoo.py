"""Starts a tree of processes of one shape or several, and stays.

    zoo.py FILE SHAPE[.SHAPE...]

Every process has FILE in its command line, whatever becomes of its environment, session and parents; each adds its pid
to FILE once it is what it is to be. The first one writes to FILE.met whom it finds alive of an earlier life. When all
are there, FILE.ready comes to be. None outlives its LIFETIME, nor a shape that is never at rest FILE itself: what is
left behind by a test that was killed ends by itself.
"""

import ctypes
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable

SELF = os.path.abspath(__file__)
EXPECTED = {
    "pipeline": 3,
    "group": 2,
    "double": 1,
    "session": 1,
    "nohup": 1,
    "daemon": 1,
    "gone": 1,
    "empty": 1,
    "deaf": 2,
    "holder": 1,
    "bomb": 40,
    "hydra": 1,
    "other": 1,
    "unmarked": 1,
}
"""how many processes a shape has beside the first one"""
BOMB = 40
LIFETIME = 600
"""seconds"""


def present(path: str) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFETIME)
    with open(path, "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


def rest() -> None:
    while True:
        signal.pause()


def at_large(path: str) -> Callable[[], bool]:
    """Return what tells whether a process that nothing else can catch is still wanted, for it and all it begets."""
    end = time.monotonic() + LIFETIME
    return lambda: time.monotonic() < end and os.path.exists(path)


def fork() -> bool:
    """Return whether this is the child."""
    if os.fork():
        return False
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    return True


def away() -> bool:
    """Fork twice; return whether this is the grandchild, whose parent is gone."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return False
    if os.fork():
        os._exit(0)
    return True


def anew(path: str, shape: str, environment: dict[str, str]) -> None:
    """Become another program of the same shape."""
    os.execve(sys.executable, [sys.executable, "-S", "-E", SELF, path, f"+{shape}"], environment)


def let_go(path: str) -> None:
    """Do what daemons do."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(3, 256)
    present(path)
    rest()


def shell(path: str, text: str) -> None:
    member = f"{sys.executable} -S -E {SELF} {path} +member"
    os.execv("/bin/sh", ["sh", "-c", text.replace("MEMBER", member), path])


def bomb(path: str) -> None:
    """Double until there are enough, each trying for ever to have more."""
    count = mmap.mmap(-1, 8)

    def one_more() -> bool:
        number = int.from_bytes(count[:8], "little")
        if number >= BOMB:
            return False
        count[:8] = (number + 1).to_bytes(8, "little")
        return True

    one_more()
    present(path)
    wanted = at_large(path)
    while wanted():
        if one_more() and os.fork() == 0:
            present(path)
        time.sleep(0.005)


def hydra(path: str) -> None:
    """Be another process every millisecond."""
    present(path)
    wanted = at_large(path)
    while wanted():
        if os.fork():
            os._exit(0)
        time.sleep(0.001)


def unmark() -> None:
    """Take off every mark that a process can take off itself: environment, session, limits."""
    import resource

    resource.setrlimit(resource.RLIMIT_RTTIME, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def grouped() -> bool:
    with open("/proc/self/cgroup", encoding="ascii") as file:
        return "/tmd-" in file.read()


def build(path: str, shape: str) -> None:
    """Start what belongs to a shape."""
    match shape:
        case "pipeline":
            if fork():
                shell(path, "MEMBER | MEMBER | MEMBER")
        case "group":
            if fork():
                if fork():
                    present(path)
                    rest()
                present(path)
                rest()
        case "double":
            if away():
                present(path)
                rest()
        case "session":
            if fork():
                os.setsid()
                if os.fork():
                    os._exit(0)
                present(path)
                rest()
        case "nohup":
            if fork():
                shell(path, "nohup MEMBER >/dev/null 2>&1 &")
        case "daemon" | "gone":
            if away():
                os.setsid()
                let_go(path)
        case "empty":
            if away():
                os.setsid()
                anew(path, "member", {})
        case "unmarked":
            while not grouped():
                time.sleep(0.002)
            if away():
                os.setsid()
                unmark()
                anew(path, "member", {})
        case "deaf":
            for _ in range(2):
                if away():
                    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                        signal.signal(signum, signal.SIG_IGN)
                    present(path)
                    rest()
        case "holder":
            if fork():
                os.setsid()
                present(path)
                while True:
                    os.write(1, b"still here\n")
                    time.sleep(0.05)
        case "bomb":
            if away():
                os.setsid()
                bomb(path)
        case "hydra":
            if away():
                os.setsid()
                anew(path, "hydra", {})
        case "other":
            if away():
                os.setsid()
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # not to be looked into, as after a change of identity
                present(path)
                rest()


def others(path: str) -> list[int]:
    """Return who else has the file in its command line."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if path.encode() in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found


def main(path: str, shapes: str) -> None:
    if shapes == "+member":
        present(path)
        rest()
    if shapes == "+hydra":
        hydra(path)
    met = others(path)
    if met:
        with open(f"{path}.met", "a", encoding="ascii") as file:
            file.write(f"{met}\n")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    wanted = len(members(path))
    for shape in filter(None, shapes.split(".")):
        build(path, shape)
        wanted += EXPECTED[shape]
    while len(members(path)) < wanted:
        time.sleep(0.002)
    with open(f"{path}.ready", "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    if shapes == "gone":
        os._exit(0)
    rest()


def members(path: str) -> list[int]:
    try:
        with open(path, encoding="ascii") as file:
            return [int(line) for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

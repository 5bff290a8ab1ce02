"""What the posix lane shares, and watches over: no test leaves a descriptor, thread, child or signal handler behind."""

import gc
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.posix.station import Station

PATIENCE_S = 2.0


def open_fds() -> dict[int, str]:
    """Return the open descriptors and what they stand for."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the one that listed the directory
    return found


def handlers() -> dict[int, object]:
    """Return who handles what; SIGALRM belongs to the test runner's own time limit."""
    return {signum: signal.getsignal(signum) for signum in signal.valid_signals() - {signal.SIGALRM}}


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    fds, threads, children, caught = (
        open_fds(),
        set(threading.enumerate()),
        set(world.children(os.getpid())),
        handlers(),
    )
    yield
    if open_fds().keys() - fds.keys():
        gc.collect()
    for thread in set(threading.enumerate()) - threads:
        thread.join(PATIENCE_S)
    left = []
    for pid in set(world.children(os.getpid())) - children:
        left.append(f"child {pid}")
        end(pid)
    left += [f"thread {thread.name}" for thread in set(threading.enumerate()) - threads]
    left += [f"fd {fd}: {what}" for fd, what in open_fds().items() if fd not in fds]
    left += [f"handler of signal {signum}" for signum, handler in handlers().items() if handler != caught[signum]]
    assert not left, f"left behind: {', '.join(left)}"


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    station.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that any user may enter and list."""
    path = Path(tempfile.mkdtemp(prefix="tm-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


NOBODY = 65534 if os.geteuid() != 65534 else 65533
"""somebody else than we are"""


def as_nobody(act: Callable[[], str]) -> str:
    """Return what `act` answers when another user does it; as root only."""
    answer_fd, tell_fd = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(tell_fd, act().encode())
            code = 0
        finally:
            os._exit(code)
    os.close(tell_fd)
    with open(answer_fd, encoding="utf-8") as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the other user failed: {text}"
    return text

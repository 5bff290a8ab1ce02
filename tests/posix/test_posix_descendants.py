"""Descendants: found by the kernel's own lists, ended together with what they start meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import ROOT
from tests.support import eventually
from tmd.posix import descendants
from tmd.posix.identity import glimpse

TREE = "sleep 101 & sh -c 'sleep 102 & sleep 103 & wait' & wait"
FORKER = """
import os, sys, time
while True:
    if os.fork():
        os._exit(0)
    open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
    time.sleep(0.001)
"""


@pytest.fixture
def tree() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sh", "-c", TREE], start_new_session=True) as child:
        yield child
        child.kill()


def test_our_own_children_are_listed(tree: subprocess.Popen[bytes]) -> None:
    listed = descendants.listed()
    assert listed is not None
    assert str(tree.pid).encode() in listed.split()
    assert listed.endswith(b" ")
    assert sorted(map(int, listed.split())) == sorted(descendants.all_children())


def test_all_below_are_found_and_ended(tree: subprocess.Popen[bytes]) -> None:
    eventually(lambda: len(descendants.living([tree.pid])) == 5)
    found = descendants.end([tree.pid], lambda pid, seen: seen.ppid == os.getpid())
    assert len(found) == 5
    eventually(lambda: not descendants.living(found))
    assert tree.wait(20) == -signal.SIGKILL


def test_who_is_not_meant_is_not_touched(tree: subprocess.Popen[bytes]) -> None:
    eventually(lambda: len(descendants.living([tree.pid])) == 5)
    assert descendants.end([tree.pid], lambda pid, seen: False) == {}
    assert len(descendants.living([tree.pid])) == 5
    descendants.end([tree.pid], lambda pid, seen: True)


def test_a_number_that_is_another_process_by_now_gets_no_signal(tree: subprocess.Popen[bytes]) -> None:
    seen = glimpse(tree.pid)
    assert seen is not None
    descendants.strike({tree.pid: seen._replace(ticks=seen.ticks - 1)}, signal.SIGKILL)
    descendants.strike({2**22 + 1: seen}, signal.SIGKILL)
    assert world.alive(tree.pid)
    descendants.end([tree.pid], lambda pid, seen: True)


def test_children_of_any_thread_count() -> None:
    script = (
        "import subprocess, sys, threading\n"
        "def run():\n"
        "    child = subprocess.Popen(['sleep', '100'])\n"
        "    print(child.pid, flush=True)\n"
        "    sys.stdin.read()\n"
        "    child.kill()\n"
        "    child.wait()\n"
        "thread = threading.Thread(target=run)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert descendants.children_of(parent.pid) == [child]
        parent.stdin.close()
    assert descendants.children_of(parent.pid) == []


def test_names_and_environments_are_read_with_care(tmp_path: Path) -> None:
    strange = tmp_path / "a\x1bb"
    strange.write_text("#!/bin/sh\nsleep 100\n")
    strange.chmod(0o755)
    with subprocess.Popen([strange], env={"PATH": os.environ["PATH"], "MARK": "a b", "MARKED": "x"}) as child:
        eventually(lambda: descendants.name_of(child.pid) == "a?b")
        assert descendants.carries(child.pid, "MARK") == "a b"
        assert descendants.carries(child.pid, "MAR") == ""
        descendants.end([child.pid], lambda pid, seen: True)
    assert descendants.name_of(child.pid) == "?"
    assert descendants.carries(child.pid, "MARK") == ""


BELOW = """
import os, sys
from tmd.posix import descendants
from tmd.posix.identity import glimpse

above = os.getppid()
child = os.posix_spawn("/bin/sleep", ["sleep", "100"], os.environ)
print(child, flush=True)
assert not {os.getpid(), child} & set(descendants.living([above]))
found = descendants.end([above, os.getpid()], lambda pid, seen: True)
assert sorted(found) == [above], found
print("done", flush=True)
sys.stdin.read()
"""


def test_we_ourselves_are_not_below_anybody() -> None:
    command = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-c", BELOW]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as above:
        assert above.stdout is not None
        child = int(above.stdout.readline())
        assert above.stdout.readline() == b"done\n"
        assert above.wait(20) == -signal.SIGKILL
        assert world.alive(child)
        world.kill(child)

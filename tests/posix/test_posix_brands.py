"""Brands: what a process cannot shake off by changing its environment, session, parents or user."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.harness import ROOT
from tests.support import eventually
from tmd.posix import brands

TOKEN = "deadbeef.77"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become another user")
pytestmark = pytest.mark.skipif(not brands.possible(), reason="somebody has limited RLIMIT_RTTIME here")


@contextmanager
def started(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


def test_a_token_has_a_brand_and_nothing_else_has() -> None:
    brand = brands.of(TOKEN)
    assert brands.number(brand) == 77
    assert not brands.spared(brand)
    spared = brands.of(TOKEN, spared=True)
    assert spared != brand
    assert brands.spared(spared)
    assert brands.life(spared) == brands.life(brand) != brands.life(brands.of("deadbeef.78"))
    assert brands.kin(brand, brands.of("deadbeef.78"))
    assert not brands.kin(brand, brands.of("deadbeee.77"))
    assert {brands.of(text) for text in ("", "x", "deadbeef", "deadbeef.x", "nokey.1")} == {0}


def test_it_is_carried_on_and_only_by_what_was_started_meanwhile() -> None:
    brand = brands.of(TOKEN)
    before = resource.getrlimit(resource.RLIMIT_RTTIME)
    with brands.Branded(brand), started("sh", "-c", "env -i setsid sleep 100 & echo $!; wait") as child:
        pass_through = resource.getrlimit(resource.RLIMIT_RTTIME)[0]
        assert pass_through == brand
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert brands.read(child.pid) == brands.read(grandchild) == brand
        assert {child.pid, grandchild} <= set(brands.carriers(brands.of("deadbeef.0")))
        assert os.getpid() not in brands.carriers(brand)
        os.kill(grandchild, signal.SIGKILL)
    assert resource.getrlimit(resource.RLIMIT_RTTIME) == before
    assert brands.read(os.getpid()) == 0
    with started("sleep", "100") as other:
        assert brands.read(other.pid) == 0
    assert brands.read(2**22 + 1) == 0


def test_it_is_put_back_when_a_start_fails() -> None:
    before = resource.getrlimit(resource.RLIMIT_RTTIME)
    with pytest.raises(FileNotFoundError), brands.Branded(brands.of(TOKEN)):
        subprocess.Popen(["/no/such/program"])
    assert resource.getrlimit(resource.RLIMIT_RTTIME) == before


def test_what_got_it_by_accident_can_be_cleaned() -> None:
    with brands.Branded(brands.of(TOKEN)):
        child = subprocess.Popen(["sleep", "100"])
    brands.clean(child.pid)
    assert brands.read(child.pid) == 0
    child.kill()
    child.wait()
    brands.clean(child.pid)


@AS_ROOT
def test_a_process_of_another_user_that_may_not_be_looked_into_shows_it() -> None:
    script = (
        "import os, ctypes, sys; os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534); "
        "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); print('there', flush=True); sys.stdin.read()"
    )
    with brands.Branded(brands.of(TOKEN)):
        child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        assert brands.read(child.pid) == brands.of(TOKEN)
        child.kill()


def test_where_somebody_else_has_set_the_limit_nothing_is_branded() -> None:
    script = (
        "import resource, subprocess\n"
        "from tmd.posix import brands\n"
        "resource.setrlimit(resource.RLIMIT_RTTIME, (1000000, resource.RLIM_INFINITY))\n"
        "assert not brands.possible()\n"
        f"with brands.Branded(brands.of({TOKEN!r})):\n"
        "    child = subprocess.Popen(['sleep', '100'])\n"
        "assert brands.read(child.pid) == 0\n"
        "assert resource.prlimit(child.pid, resource.RLIMIT_RTTIME)[0] == 1000000\n"
        "child.kill()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_daemon_below_another_has_its_own(tmp_path: object) -> None:
    outer, inner = brands.of(TOKEN), brands.of("0000000a.1")
    with brands.Branded(outer):
        script = (
            "import subprocess, sys\nfrom tmd.posix import brands\n"
            "with brands.Branded(brands.of('0000000a.1')):\n"
            "    child = subprocess.Popen(['sleep', '100'])\n"
            "print(child.pid, flush=True)\nsys.stdin.read()\nchild.kill()\nchild.wait()\n"
        )
        daemon = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with daemon:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        child = int(daemon.stdout.readline())
        eventually(lambda: brands.read(daemon.pid) == outer)
        assert brands.read(child) == inner
        daemon.stdin.close()


def test_one_of_ours_is_washed_off_and_that_of_another_daemon_is_not() -> None:
    script = (
        "import os\n"
        "from tmd.posix import brands\n"
        "mine = brands.read(os.getpid())\n"
        "assert mine\n"
        "brands.wash(brands.of('deadbee0.0'))\n"
        "assert brands.read(os.getpid()) == mine\n"
        "brands.wash(brands.of('deadbeef.0'))\n"
        "assert brands.read(os.getpid()) == 0\n"
        "assert brands.possible()\n"
    )
    with brands.Branded(brands.of(TOKEN)):
        done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0

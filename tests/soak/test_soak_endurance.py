"""Long runs, outside the ordinary suite (`make soak`): nothing grows, nothing is lost."""

from collections.abc import Iterator

import pytest

from tests.e2e import spamming, world
from tests.e2e.harness import Rig

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

WARM_UP = 1_000
CYCLES = 10_000
LOOPS = 5


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig("tmd")
    try:
        yield rig
    finally:
        rig.close()


def starts(rig: Rig) -> int:
    """Return how often the crash-looping programs were started so far."""
    return sum(int(info["starts"]) for info in rig.rpc.supervisor.getAllProcessInfo() if info["group"] != "calm")


def test_ten_thousand_crashes_leave_nothing_behind(rig: Rig) -> None:
    loops = [f"[program:loop{n}]\ncommand=/bin/sh -c 'exit {n}'\nstartsecs=0\nautorestart=true\n" for n in range(LOOPS)]
    rig.write("\n".join([*loops, "[program:calm]\ncommand=sleep 100000\n"]))
    rig.start()
    calm = int(rig.until("calm", "RUNNING")["pid"])
    rig.wait(lambda: starts(rig) > WARM_UP, deadline_s=300)
    before, descriptors = world.figures(rig.daemon_pid), world.descriptors(rig.daemon_pid)
    rig.wait(lambda: starts(rig) > WARM_UP + CYCLES, deadline_s=800)
    assert rig.pid("calm") == calm
    assert world.figures(rig.daemon_pid).rss_bytes - before.rss_bytes < 2 * 1024 * 1024
    for name in (f"loop{n}" for n in range(LOOPS)):
        rig.ctl("stop", name)
    rig.wait(lambda: world.descriptors(rig.daemon_pid) <= descriptors, what="no more descriptors than before")
    rig.wait(lambda: not world.zombies(rig.daemon_pid), what="no zombies")
    rig.stop()


def test_two_minutes_of_spam_lose_nothing_and_cost_no_memory() -> None:
    measured = spamming.measure(8, 120)
    assert measured.lines > 1_000_000
    assert measured.wrong_lines == 0
    assert measured.grown_bytes < 8 * 1024 * 1024

"""Programs that crash as fast as they can: the daemon's log is no flood, and nothing in the daemon grows."""

import re

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program

LOOPS = 20
WARM_UP = 1_000
CYCLES = 20_000


def loops(count: int) -> str:
    """Return programs that end at once, and are started again at once."""
    return "".join(
        f"[program:loop{n}]\ncommand=/bin/sh -c 'exit {n + 1}'\nstartsecs=0\nautorestart=true\n" for n in range(count)
    )


def starts(rig: Rig) -> int:
    """Return how often the crash-looping programs were started so far."""
    infos = rig.rpc.supervisor.getAllProcessInfo()
    return sum(int(info["starts"]) for info in infos if info["name"].startswith("loop"))


def test_lines_that_come_again_and_again_are_folded_and_counted(rig: Rig) -> None:
    heard = rig.dir / "heard"
    rig.write(
        f"{loops(2)}[program:calm]\ncommand=sleep 1000\nstartsecs=0\n"
        f"[eventlistener:ears]\ncommand={program('recorder.py')} {heard}\nevents=PROCESS_STATE_EXITED\n"
        "buffer_size=100000\n"
    )
    rig.start()
    rig.wait(lambda: starts(rig) >= 100 or None)
    for name in ("loop0", "loop1"):
        rig.rpc.supervisor.stopProcess(name)
    crashes = {name: int(rig.info(name)["starts"]) for name in ("loop0", "loop1")}
    rig.wait(lambda: all(_heard(rig, name) >= count - 1 for name, count in crashes.items()) or None, 30)
    rig.stop()
    for number, (name, count) in enumerate(crashes.items()):
        lines = [line.text for line in rig.lines(f"spawned: '{name}' with pid")]
        assert len(lines) == 11, "ten as they came, and one for all the others"
        told = re.fullmatch(rf"spawned: '{name}' with pid \d+ \(repeated (\d+) times in \d+ s\)", lines[-1])
        assert told is not None
        assert int(told[1]) + 10 == count, "every line is written or counted"
        assert len(rig.lines(rf"exited: {name} \(exit status {number + 1}; not expected\)")) == 11
    assert len(rig.lines("calm")) >= 2, "what is not repeated is written"


def _heard(rig: Rig, name: str) -> int:
    return rig.text("heard").count(f"processname:{name} ")


def test_at_level_debug_everything_is_written(rig: Rig) -> None:
    rig.write(loops(1), daemon="loglevel=debug")
    rig.start()
    rig.wait(lambda: starts(rig) >= 30 or None)
    rig.rpc.supervisor.stopProcess("loop0")
    count = int(rig.info("loop0")["starts"])
    assert len(rig.until_line("spawned: 'loop0' with pid", count)) == count
    assert not rig.lines("repeated")
    rig.stop()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_twenty_thousand_crashes_leave_nothing_behind(rig: Rig) -> None:
    rig.write(f"{loops(LOOPS)}[program:calm]\ncommand=sleep 100000\n")
    rig.start()
    calm = int(rig.until("calm", "RUNNING")["pid"])
    rig.wait(lambda: starts(rig) > WARM_UP or None, 300)
    before, descriptors = world.figures(rig.daemon_pid), _calm_descriptors(rig)
    threads = world.threads(rig.daemon_pid)
    rig.wait(lambda: starts(rig) > WARM_UP + CYCLES or None, 600)
    after = world.figures(rig.daemon_pid)
    cycles = starts(rig) - WARM_UP
    grown = after.rss_bytes - before.rss_bytes
    print(f"{cycles} cycles: {grown >> 10} KiB grown, {(after.cpu_s - before.cpu_s) / cycles * 1000:.2f} ms each")
    assert grown < 2 << 20
    assert rig.pid("calm") == calm
    assert world.threads(rig.daemon_pid) == threads
    for n in range(LOOPS):
        rig.rpc.supervisor.stopProcess(f"loop{n}", False)
    rig.wait(lambda: not world.zombies(rig.daemon_pid) or None, what="no zombies")
    rig.wait(lambda: world.descriptors(rig.daemon_pid) <= descriptors or None, what="no more descriptors than before")
    assert rig.log.stat().st_size < 300_000
    assert not rig.lines("callback failed|log pump")
    rig.stop()


def _calm_descriptors(rig: Rig) -> int:
    """Return the fewest descriptors the daemon was seen with: programs that are just being started have some more."""
    return min(world.descriptors(rig.daemon_pid) for _ in range(50))

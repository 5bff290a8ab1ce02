"""What happens to many at once is written to the journal together."""

import signal

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig
from tests.e2e.test_e2e_metrics import scrape

COUNT = 80

pytestmark = pytest.mark.ours


def writes(rig: Rig) -> float:
    return scrape(rig)("tmd_journal_writes_total")


def up(rig: Rig) -> dict[str, int]:
    rig.write(
        f"[program:p]\ncommand=sleep 100000\nstartsecs=0\nnumprocs={COUNT}\nprocess_name=p%(process_num)02d\n"
        "stdout_logfile=NONE\nstderr_logfile=NONE\n"
    )
    rig.start()
    rig.until_all("RUNNING", deadline_s=30)
    return {item["name"]: item["pid"] for item in rig.rpc.supervisor.getAllProcessInfo()}


def test_many_starts_share_their_writes(rig: Rig) -> None:
    assert len(up(rig)) == COUNT
    assert 2 < writes(rig) < COUNT
    rig.stop()


def test_many_ends_at_once_share_their_writes_and_each_is_told_once(rig: Rig) -> None:
    old = up(rig)
    before = writes(rig)
    world.kill(rig.daemon_pid, signal.SIGSTOP)
    for pid in old.values():
        world.kill(pid)
    world.kill(rig.daemon_pid, signal.SIGCONT)

    def back() -> bool:
        now = {item["name"]: item["pid"] for item in rig.rpc.supervisor.getAllProcessInfo()}
        return all(now[name] not in (0, old[name]) for name in old)

    rig.wait(back, 20, "all are back")
    assert 2 <= writes(rig) - before < COUNT
    exits = [line.text.split()[1] for line in rig.until_line("^exited: ", COUNT)]
    assert sorted(exits) == sorted(old)
    rig.stop()

"""A thousand programs at once."""

import re
import time

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig

COUNT = 1000

pytestmark = [pytest.mark.slow, pytest.mark.ours, pytest.mark.alone]


def test_a_thousand_killed_at_one_instant_all_come_back_and_none_is_a_zombie(rig: Rig) -> None:
    rig.write(
        f"[program:p]\ncommand=sleep 100000\nstartsecs=0\nnumprocs={COUNT}\nprocess_name=p%(process_num)04d\n"
        "stdout_logfile=NONE\nstderr_logfile=NONE\n",
        daemon="minfds=8192",
    )
    rig.start()
    rig.until_all("RUNNING", deadline_s=30)
    old = {item["name"]: item["pid"] for item in rig.rpc.supervisor.getAllProcessInfo()}
    assert len(old) == COUNT
    began = time.monotonic()
    for pid in old.values():
        world.kill(pid)

    def back() -> dict[str, int] | None:
        now = {item["name"]: item["pid"] for item in rig.rpc.supervisor.getAllProcessInfo()}
        return now if all(now[name] not in (0, old[name]) for name in old) else None

    new = rig.wait(back, 20, "all are back")
    took_s = time.monotonic() - began
    assert set(rig.states().values()) == {"RUNNING"}
    assert world.zombies(rig.daemon_pid) == []
    assert sorted(world.children(rig.daemon_pid)) == sorted(new.values())
    exits = [re.findall(r"exited: (p\d+) ", line.text)[0] for line in rig.until_line("^exited: ", COUNT)]
    assert sorted(exits) == sorted(old)  # each exit once, none for another
    assert took_s < 8, took_s
    began = time.monotonic()
    rig.stop(deadline_s=30)
    assert time.monotonic() - began < 8


def test_a_thousand_that_exit_by_themselves_at_one_instant_all_come_back(rig: Rig) -> None:
    rig.write(
        "[program:p]\ncommand=/bin/sh -c '[ -e {dir}/go.%(process_num)d ] && exec sleep 100000;"
        " : > {dir}/go.%(process_num)d; read line < {dir}/gate'\n"
        f"startsecs=0\nautorestart=true\nnumprocs={COUNT // 2}\nprocess_name=p%(process_num)04d\n"
        "stdout_logfile=NONE\nstderr_logfile=NONE\n",
        daemon="minfds=8192",
    )
    import os

    os.mkfifo(rig.dir / "gate")
    rig.start()
    rig.wait(lambda: len(list(rig.dir.glob("go.*"))) == COUNT // 2, 30, "all wait at the gate")
    with open(rig.dir / "gate", "w"):  # opening and closing it lets all of them read the end at once
        pass
    rig.wait(lambda: len(rig.lines(r"^exited: ")) == COUNT // 2, 20, "all exits")
    rig.until_all("RUNNING", deadline_s=20)
    assert world.zombies(rig.daemon_pid) == []
    assert len(world.children(rig.daemon_pid)) == COUNT // 2
    rig.stop(deadline_s=30)

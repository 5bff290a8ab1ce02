"""`tmd --profile FILE`: what the main thread spends its time on, for `pstats`, also of a daemon that runs."""

import os
import pstats
import signal
from pathlib import Path

import pytest

from tests.e2e.harness import Rig
from tests.support import eventually

SLEEP = "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"


def functions(path: Path) -> set[str]:
    return {name for _file, _line, name in pstats.Stats(str(path)).stats}  # type: ignore[attr-defined]


def begin(rig: Rig, background: bool, *arguments: str) -> None:
    if not background:
        rig.start(*arguments)
        return
    answer = rig.run_daemon(*arguments)
    assert (answer.code, answer.err) == (0, "")
    rig.wait_ready()
    rig.daemon_pid = int(rig.rpc.supervisor.getPID())


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_a_profile_is_written_at_the_end(rig: Rig, background: bool) -> None:
    rig.write(SLEEP, daemon="directory=/")
    begin(rig, background, "--profile", "tmd.prof")
    rig.until("web", "RUNNING")
    rig.stop()
    assert {"run", "_turn", "spawn", "child_event"} <= functions(rig.dir / "tmd.prof")
    assert (rig.dir / "tmd.prof").stat().st_mode & 0o077 == 0


def test_a_profile_is_written_on_demand_and_goes_on(rig: Rig) -> None:
    rig.write(SLEEP)
    rig.start("--profile", "tmd.prof")
    rig.until("web", "RUNNING")
    profile = rig.dir / "tmd.prof"
    os.kill(rig.daemon_pid, signal.SIGUSR2)
    eventually(lambda: profile.stat().st_size > 0, what="the profile is written")
    rig.until_line("supervisord logreopen")
    assert "_turn" in functions(profile)
    assert "render_all_process_info" not in functions(profile)
    rig.rpc.supervisor.getAllProcessInfo()
    rig.stop()
    assert {"_turn", "render_all_process_info"} <= functions(profile)


def test_a_file_that_cannot_be_written_is_told_at_once(rig: Rig) -> None:
    rig.write(SLEEP)
    answer = rig.run_daemon("-n", "--profile", str(rig.dir))
    assert answer.code == 2
    assert answer.err.startswith(f"Error: cannot write the profile '{rig.dir}': Is a directory\n")
    assert rig.processes() == []


def test_a_file_that_takes_no_more_is_told_and_keeps_nobody(rig: Rig) -> None:
    rig.write(SLEEP)
    rig.start("--profile", "/dev/full")
    rig.until("web", "RUNNING")
    os.kill(rig.daemon_pid, signal.SIGUSR2)
    assert rig.until_line("cannot write the profile '/dev/full'")[0].level == "WARN"
    assert rig.state("web") == "RUNNING"
    rig.stop()

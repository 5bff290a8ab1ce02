"""The journal of a daemon at work: ahead of the world, ended with the daemon, kept when that is killed or fails."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.faults.crashing import again
from tmd.core.gauge import Counts
from tmd.core.records import Entry
from tmd.daemon.journal import Journal
from tmd.wire.states import ProcessState

WITNESS = program("witness.py")
STARTING, STOPPING = ProcessState.STARTING.value, ProcessState.STOPPING.value


def native(rig: Rig, programs: str) -> None:
    rig.write_native(programs.replace("{dir}", str(rig.dir)))
    rig.start()


def witness(name: str = "web", **options: str) -> str:
    more = "".join(f"\n    {key}: {value}" for key, value in options.items())
    return f'  {name}:\n    command: "{WITNESS} {{dir}}/seen {{dir}}"\n    startsecs: 0.2{more}\n'


def seen(rig: Rig) -> list[list[str]]:
    return [line.split() for line in rig.text("seen").splitlines()]


def journals(rig: Rig) -> list[Path]:
    return sorted(rig.dir.glob("*.journal*"))


def entries(rig: Rig, directory: Path | None = None) -> dict[str, Entry]:
    """Return what the next daemon would know, were this one killed now."""
    (path,) = (directory or rig.dir).glob("*.journal")
    warnings: list[str] = []
    found = Journal(str(path), warnings.append).read()
    assert warnings == []
    return {entry.id.process: entry for entry in found}


def key(rig: Rig) -> str:
    (path,) = rig.dir.glob("*.journal")
    head: dict[str, Any] = json.loads(path.read_bytes().split(b"\n", 1)[0])
    return str(head["key"])


def test_a_start_and_a_stop_are_in_the_journal_before_they_happen(rig: Rig) -> None:
    native(rig, witness())
    rig.until("web", "RUNNING")
    rig.wait(lambda: len(seen(rig)) == 1, 20, "it has looked")
    pid = str(rig.pid("web"))
    assert seen(rig) == [["begins", str(STARTING), pid]]
    rig.ctl("stop", "web")
    assert seen(rig)[1:] == [["stops", str(STOPPING), pid]]
    entry = entries(rig)["web"]
    assert (entry.process.state, entry.process.stopped_by_hand, entry.life) == (ProcessState.STOPPED, True, None)
    rig.stop()


def test_what_is_shown_is_in_it(rig: Rig) -> None:
    native(rig, witness() + witness("other", autostart="false") + "  crash: {command: /bin/false, startretries: 1}\n")
    info = rig.until("web", "RUNNING")
    rig.until("crash", "FATAL")
    rig.wait(lambda: (entries(rig)["crash"].counts or Counts()).exits == {"failed": 2}, 20, "figures follow later")
    known = entries(rig)
    assert "other" not in known, "nothing ever happened to it"
    web, crash = known["web"], known["crash"]
    assert web.life is not None
    assert (web.process.pid, web.life.pid, int(web.started)) == (info["pid"], info["pid"], info["start"])
    assert set(web.life.pipes) == {"stdin", "stdout", "stderr"}
    assert os.stat(f"/proc/{info['pid']}/fd/1").st_ino == web.life.pipes["stdout"]
    assert web.counts is not None
    assert web.counts.starts == 1
    assert crash.counts is not None
    assert (crash.counts.starts, crash.counts.exits) == (2, {"failed": 2})
    assert (crash.process.state, crash.process.pid, crash.life) == (ProcessState.FATAL, 0, None)
    assert int(crash.stopped) == rig.info("crash")["stop"]
    rig.stop()


def test_a_program_that_leaves_the_configuration_leaves_the_journal(rig: Rig) -> None:
    native(rig, witness() + witness("other"))
    rig.until("other", "RUNNING")
    rig.write_native(witness().replace("{dir}", str(rig.dir)))
    rig.ctl("update")
    assert set(entries(rig)) == {"web"}
    rig.stop()


def test_an_orderly_end_leaves_none(rig: Rig) -> None:
    native(rig, witness())
    rig.until("web", "RUNNING")
    assert journals(rig)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in journals(rig))
    rig.stop()
    assert journals(rig) == []


def test_a_restart_in_one_process_begins_a_new_one(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={WITNESS} {{dir}}/seen {{dir}}\nstartsecs=0\n")
    rig.start()
    rig.until("web", "RUNNING")
    rig.wait(lambda: len(seen(rig)) == 1, 20, "it can be asked to stop")
    first, token = key(rig), entries(rig)["web"].life
    world.kill(rig.daemon_pid, signal.SIGHUP)
    rig.wait(lambda: len(seen(rig)) >= 3 and key(rig) != first, 30, "another journal")
    rig.forget_proxy()
    rig.wait_ready()
    rig.until("web", "RUNNING")
    assert token is not None
    assert token.token.startswith(f"{first}.")
    assert key(rig) != first
    rig.stop()
    assert journals(rig) == []


def test_after_sigkill_it_says_what_there_was(rig: Rig) -> None:
    native(rig, witness() + witness("down"))
    rig.until("web", "RUNNING")
    rig.until("down", "RUNNING")
    rig.ctl("stop", "down")
    pid, first = rig.pid("web"), key(rig)
    world.kill(rig.daemon_pid, signal.SIGKILL)
    assert rig.daemon is not None
    rig.daemon.wait(20)
    known = entries(rig)
    assert known["web"].process.state is ProcessState.RUNNING
    assert known["web"].process.pid == pid
    assert known["down"].process.stopped_by_hand
    assert world.alive(pid)
    rig.forget_proxy()
    rig.start()
    assert key(rig) == first, "its processes carry the key"
    assert (rig.pid("web"), rig.state("down")) == (pid, "STOPPED")
    rig.stop()


def test_every_life_and_every_hook_has_a_mark_of_its_own(rig: Rig) -> None:
    mark = "sh -c 'echo $TASKMASTER_LIFE >> {dir}/marks'"
    lives = "sh -c 'echo $TASKMASTER_LIFE >> {dir}/marks; exec sleep 1000'"
    hooks = f'    prestart: "{mark}"\n    poststart: "{mark}"\n'
    native(rig, f'  web:\n    command: "{lives}"\n    startsecs: 0.2\n{hooks}')
    rig.until("web", "RUNNING")
    rig.wait(lambda: len(rig.text("marks").splitlines()) == 3, 20, "the poststart")
    rig.ctl("restart", "web")
    rig.wait(lambda: len(rig.text("marks").splitlines()) == 6, 20, "the poststart of the second life")
    marks = rig.text("marks").splitlines()
    assert len(set(marks)) == 6
    assert {mark.split(".")[0] for mark in marks} == {key(rig)}
    rig.stop()


def test_it_is_counted(rig: Rig) -> None:
    native(rig, witness())
    rig.until("web", "RUNNING")
    figures = rig.rpc.taskmaster.getFigures()
    assert figures["journal_writes"] >= 3
    assert figures["journal_bytes"] > 500
    assert figures["journal_failures"] == 0
    rig.stop()


def with_state(rig: Rig, programs: str) -> Path:
    """Write a configuration with a state directory apart from all else, and return that."""
    state = rig.dir / "state"
    state.mkdir(mode=0o700)
    rig.write_native(programs.replace("{dir}", str(rig.dir)))
    rig.conf.write_text(rig.conf.read_text().replace(f'statedir: "{rig.dir}"', f'statedir: "{state}"'))
    return state


def test_a_state_directory_that_was_removed_is_made_again_while_nothing_changes(rig: Rig) -> None:
    state = with_state(rig, "  web: {command: sleep 100000, startsecs: 0}\n")
    rig.start()
    rig.until("web", "RUNNING")
    pid = rig.pid("web")
    rig.wait(lambda: entries(rig, state)["web"].process.pid == pid, 20, "all is written")
    shutil.rmtree(state)
    rig.until_line("the journal .* was taken away: it was made again")
    assert state.stat().st_mode & 0o777 == 0o700
    again(rig)
    assert rig.pid("web") == pid
    rig.stop()


def test_a_state_directory_that_cannot_be_made_again_is_told_of_once_and_waited_for(rig: Rig) -> None:
    state = with_state(rig, witness().replace("{dir}/seen {dir}", "{dir}/seen {dir}/state"))
    rig.start()
    rig.until("web", "RUNNING")
    moved = rig.dir / "moved"
    state.rename(moved)
    state.write_text("in the way")
    for path in moved.glob("*.journal*"):
        path.unlink()
    for _ in range(3):
        rig.rpc.supervisor.signalProcess("web", "STOP")
        rig.rpc.supervisor.signalProcess("web", "CONT")
    rig.rpc.supervisor.stopProcess("web")
    assert len(rig.until_line("cannot write the journal")) == 1
    assert rig.rpc.taskmaster.getFigures()["journal_failures"] >= 1
    state.unlink()
    rig.until_line("can be written again")
    assert entries(rig, state)["web"].process.state is ProcessState.STOPPED
    assert len(rig.lines("cannot write the journal .*: Not a directory")) == 1
    rig.stop()

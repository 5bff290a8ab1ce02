"""The journal is believed because nobody else can have written it; and who goes on without it is told of."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig
from tests.e2e.identities import AS_ROOT, NOBODY
from tests.faults.crashing import again, kill
from tmd.core.condition import Process, Wanted
from tmd.core.records import Entry, Life
from tmd.daemon.journal import Journal, path_of
from tmd.posix.identity import ticks_of
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

WEB = "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
NATIVE = "  web: {command: sleep 100000, startsecs: 0}\n"


def journals(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.journal"))


@pytest.fixture
def victim() -> Iterator[int]:
    """A process that no daemon has started."""
    child = subprocess.Popen(["sleep", "100000"], start_new_session=True)
    yield child.pid
    child.kill()
    child.wait()


def nobodys(rig: Rig) -> Path:
    """Return a directory of nobody, in which programs log."""
    logs = rig.dir / "log"
    logs.mkdir(exist_ok=True)
    os.chown(logs, NOBODY.pw_uid, NOBODY.pw_gid)
    return logs


def configure(rig: Rig, programs: str, daemon: str = "") -> None:
    rig.write(programs, daemon=daemon)
    rig.conf.write_text(rig.conf.read_text().replace(f"childlogdir={rig.dir}\n", f"childlogdir={rig.dir}/log\n"))


def forge(logs: Path, rig: Rig, pid: int) -> Path:
    """Write what somebody would like root to believe: a file of root, as a program's log is."""
    path = path_of(str(logs), "supervisor", str(rig.pidfile))
    journal = Journal(path, pytest.fail)
    process = Process(state=ProcessState.RUNNING, wanted=Wanted.UP, epoch=1, pid=pid, starts=1)
    life = Life(token="k.1", pid=pid, ticks=ticks_of(pid))
    log = str(logs / "planted")
    journal.note(Entry(id=ProcessId("evil", "evil"), process=process, life=life, logs={"stdout": log, "stderr": log}))
    journal.flush()
    journal.close()
    return Path(path)


@AS_ROOT
def test_root_keeps_nothing_that_counts_where_a_program_could_swap_it(rig: Rig, victim: int) -> None:
    logs, state = nobodys(rig), rig.dir / "state"
    configure(rig, WEB)
    forged = forge(logs, rig, victim)
    data = forged.read_bytes()
    rig.start(STATE_DIRECTORY=str(state))
    rig.until("web", "RUNNING")
    pid = rig.pid("web")
    assert state.stat().st_mode & 0o777 == 0o700
    assert len(journals(state)) == 1
    assert len(list(state.glob("*.ends"))) == 1
    kill(rig)
    rig.start(STATE_DIRECTORY=str(state))
    assert rig.pid("web") == pid
    assert rig.states() == {"web:web": "RUNNING"}
    assert forged.read_bytes() == data
    rig.stop()
    assert world.alive(victim)
    assert not (logs / "planted").exists()


@AS_ROOT
def test_a_place_that_was_named_and_is_somebody_else_s_is_not_used(rig: Rig, victim: int) -> None:
    logs = nobodys(rig)
    configure(rig, WEB, daemon="statedir={dir}/log")
    forged = forge(logs, rig, victim)
    data = forged.read_bytes()
    rig.start()
    rig.until("web", "RUNNING")
    (line,) = rig.until_line("cannot keep anything in the statedir")
    assert f"'{logs}' belongs to 'nobody' (uid {NOBODY.pw_uid}) (after a crash no program is adopted; " in line.text
    assert rig.states() == {"web:web": "RUNNING"}
    assert forged.read_bytes() == data
    assert list(logs.glob("*.ends")) == []
    rig.stop()
    assert world.alive(victim)
    assert not (logs / "planted").exists()


@AS_ROOT
def test_a_program_that_left_the_configuration_has_its_log_only_where_root_alone_decides(rig: Rig) -> None:
    logs = nobodys(rig)
    safe = "[program:safe]\ncommand=sleep 100000\nstartsecs=0\nstopwaitsecs=60\n"
    rig.write(f"{WEB}stdout_logfile={logs}/web\nstderr_logfile=NONE\n{safe}stdout_logfile={{dir}}/safe\n")
    rig.start()
    rig.until_all("RUNNING")
    kill(rig)
    for path in (logs / "web", rig.dir / "safe"):
        path.unlink()
    rig.write("[program:other]\ncommand=sleep 100000\n")
    rig.start()
    rig.wait(lambda: len(rig.lines("stopped: (web|safe)")) == 2, 20, "they have left")
    assert (rig.dir / "safe").exists()
    assert not (logs / "web").exists()
    rig.stop()


def test_a_daemon_with_another_pid_file_says_who_goes_on_without_it(rig: Rig) -> None:
    rig.write_native(NATIVE)
    rig.start()
    rig.until("web", "RUNNING")
    before = rig.pid("web")
    (path,) = journals(rig.dir)
    kill(rig)
    rig.conf.write_text(rig.conf.read_text().replace("/d.pid", "/other.pid"))
    rig.pidfile.unlink()
    rig.pidfile = rig.dir / "other.pid"
    rig.start()
    rig.until("web", "RUNNING")
    assert rig.pid("web") != before
    (line,) = rig.until_line("programs of a tmd that was killed still run: ")
    assert f"pid {before};" in line.text
    assert f"'{path}'" in line.text
    world.kill(before)
    rig.stop()


def test_a_journal_of_another_version_names_who_goes_on(rig: Rig) -> None:
    rig.write_native(NATIVE)
    rig.start()
    rig.until("web", "RUNNING")
    before = rig.pid("web")
    kill(rig)
    (path,) = journals(rig.dir)
    path.write_bytes(path.read_bytes().replace(b'"journal":1,', b'"journal":9,'))
    rig.start()
    rig.until("web", "RUNNING")
    assert rig.until_line("cannot use the journal")
    (line,) = rig.until_line("programs of that tmd still run: ")
    assert f"pid {before};" in line.text
    world.kill(before)
    rig.stop()


def test_who_was_left_alone_is_remembered_for_as_long_as_it_runs(rig: Rig) -> None:
    rig.write_native("  web: {command: sleep 100000, startsecs: 0, adopt: no}\n")
    rig.start()
    rig.until("web", "RUNNING")
    first = rig.pid("web")
    again(rig)
    second = rig.until_new_pid("web", first)
    world.kill(first)
    rig.wait(lambda: not world.alive(first) or None, 20, "it is gone")
    again(rig)
    rig.until_new_pid("web", second)
    (path,) = journals(rig.dir)

    def spared() -> set[str]:
        known = Journal(str(path), pytest.fail)
        known.read()
        return known.spared

    rig.wait(lambda: len(spared()) == 1, 20, "of the two only the one that lives")
    assert world.alive(second)
    world.kill(second)
    rig.stop()

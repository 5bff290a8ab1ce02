"""Disks that are full, broken, read-only or gone: programs go on, tmd answers, and all is well once the disk is."""

import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.identities import AS_ROOT, as_nobody, through
from tests.e2e.wire import raw
from tests.faults.disks import Disk
from tests.faults.meddling import Meddler
from tests.programs.check_lines import check
from tests.support import eventually

PATIENCE_S = 20.0
CLOCKWORK = f"{program('clockwork.py')} 0.02 500"
"""a program that writes a line now and then, each with its number"""


def settled(rig: Rig, name: str = "web") -> int:
    return int(rig.until(name, "RUNNING")["pid"])


def writing(rig: Rig, log: Path, *, python: str = "") -> int:
    """Start a daemon with a program that writes to a log now and then; return its pid."""
    command = CLOCKWORK.replace(CLOCKWORK.split(maxsplit=1)[0], python) if python else CLOCKWORK
    rig.write(f"[program:web]\ncommand={command}\nstartsecs=0\nstdout_logfile={log}\nstdout_logfile_maxbytes=0\n")
    rig.start()
    pid = settled(rig)
    goes_on(log)
    return pid


def goes_on(log: Path) -> None:
    """Wait until lines arrive."""
    before = log.stat().st_size if log.exists() else 0
    eventually(lambda: log.exists() and log.stat().st_size > before, PATIENCE_S, what=f"{log} grows")


def faults(rig: Rig) -> dict[str, int]:
    found: dict[str, int] = rig.rpc.taskmaster.getFigures()["faults"]
    return found


def in_trouble(rig: Rig, log: Path, reason: str) -> None:
    """Wait for the line that tells of it; there is one."""
    (line,) = rig.until_line(re.escape(f"trouble with log '{log}': {reason}"))
    assert line.level == "WARN"
    assert faults(rig)["log"] >= 1
    assert f'tmd_faults_total{{kind="log"}} {faults(rig)["log"]}' in metrics(rig)


def well_again(rig: Rig, log: Path) -> None:
    (line,) = rig.until_line(re.escape(f"log '{log}' works again (after "))
    assert line.level == "INFO"
    goes_on(log)


def metrics(rig: Rig) -> str:
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return raw(str(rig.socket), request).decode()


# --- full ------------------------------------------------------------------------------------------------------------


def test_a_full_disk_stops_nobody_and_is_told_once(rig: Rig, disk: Disk) -> None:
    log = disk.path / "web.log"
    pid = writing(rig, log)
    disk.fill()
    in_trouble(rig, log, "no space left on device")
    for _ in range(3):
        assert rig.rpc.supervisor.getState()["statename"] == "RUNNING"
    disk.free()
    well_again(rig, log)
    assert rig.pid("web") == pid
    text = metrics(rig)
    lost = re.search(rf'tmd_log_dropped_bytes_total{{log="{re.escape(str(log))}"}} (\d+)', text)
    assert lost is not None
    assert int(lost[1]) > 0
    assert len(rig.lines("trouble with log")) == 1
    rig.stop()


def test_with_its_own_log_its_state_and_its_terminal_there_it_goes_on_just_the_same(rig: Rig, disk: Disk) -> None:
    rig.log, rig.said = disk.path / "d.log", disk.path / "said"
    rig.write_native(
        f'  web: {{cmd: "{CLOCKWORK}", starttime: 0, stdout_logfile: "{{dir}}/disk/web.log"}}\n'
        "  crash: {cmd: sh -c 'exit 3', starttime: 0, autorestart: never, autostart: false}\n"
    )
    text = rig.conf.read_text().replace(f"{rig.dir}/d.log", str(rig.log))
    rig.conf.write_text(text.replace(f'statedir: "{rig.dir}"', f'statedir: "{disk.path}"'))
    rig.start()
    pid = settled(rig)
    goes_on(disk.path / "web.log")
    disk.fill()
    for _ in range(20):
        rig.rpc.supervisor.startProcess("crash", False)
        rig.until("crash", "EXITED")
    rig.wait(lambda: faults(rig)["log"] or None)
    disk.free()
    rig.until_line(re.escape(f"log '{disk.path}/web.log' works again"))
    assert len(rig.lines("exited: crash|exited: crash.*repeated")) >= 10, "what it had to say, it kept"
    assert rig.pid("web") == pid
    assert "SIGKILL" not in rig.ctl("why", "crash").text
    rig.daemon.kill()  # type: ignore[union-attr]
    rig.daemon.wait()  # type: ignore[union-attr]
    rig.forget_proxy()
    rig.start()
    assert rig.pid("web") == pid, "the journal is complete again"
    assert "exit code 3" in rig.ctl("why", "crash").text
    rig.stop()


def test_a_journal_that_cannot_grow_is_told_and_made_good(rig: Rig, disk: Disk) -> None:
    rig.write_native("".join(f"  p{n}: {{cmd: sleep 1000, starttime: 0, autostart: false}}\n" for n in range(2)))
    rig.conf.write_text(rig.conf.read_text().replace(f'statedir: "{rig.dir}"', f'statedir: "{disk.path}"'))
    disk.fill()
    rig.start()
    rig.rpc.supervisor.startProcess("p0")
    (line,) = rig.until_line("cannot write the journal")
    assert "No space left on device" in line.text
    pid = rig.pid("p0")
    disk.free()
    rig.rpc.supervisor.startProcess("p1")
    assert rig.until_line("the journal '.*' can be written again, and is complete")
    assert rig.rpc.taskmaster.getFigures()["journal_failures"] >= 1
    rig.daemon.kill()  # type: ignore[union-attr]
    rig.daemon.wait()  # type: ignore[union-attr]
    rig.forget_proxy()
    rig.start()
    assert rig.pid("p0") == pid
    rig.stop()


def test_it_starts_on_a_full_disk_and_makes_good_what_it_could_not_write(rig: Rig, disk: Disk) -> None:
    rig.log, rig.pidfile = disk.path / "d.log", disk.path / "d.pid"
    rig.write_native("  web: {cmd: sleep 1000, starttime: 0}\n")
    text = rig.conf.read_text()
    for name in ("d.log", "d.pid"):
        text = text.replace(f"{rig.dir}/{name}", f"{disk.path}/{name}")
    for option in ("statedir", "childlogdir"):
        text = text.replace(f'{option}: "{rig.dir}"', f'{option}: "{disk.path}"')
    rig.conf.write_text(text)
    disk.fill()
    rig.start()
    settled(rig)
    refused = rig.run_daemon("-n")
    assert (refused.code, "another instance runs" in refused.err) == (2, True), refused
    disk.free()
    eventually(lambda: rig.pidfile.read_text() == f"{rig.daemon_pid}\n", PATIENCE_S, what="the pid file")
    (line,) = rig.until_line("cannot write pid file")
    assert line.level == "CRIT"
    assert rig.until_line("supervisord started with pid")
    rig.stop()


def test_a_limit_on_the_size_of_files_is_like_a_full_disk(rig: Rig) -> None:
    """EFBIG stands for what a quota or a file system says to one file that is too big."""
    log = rig.dir / "web.log"
    pid = writing(rig, log)
    size = log.stat().st_size
    soft, hard = resource.prlimit(rig.daemon_pid, resource.RLIMIT_FSIZE)
    resource.prlimit(rig.daemon_pid, resource.RLIMIT_FSIZE, (size + 100, hard))
    # The daemon's own log may be longer than that already: then what it has to say waits.
    eventually(lambda: rig.rpc.taskmaster.getFigures()["log_bytes_dropped"], PATIENCE_S)
    resource.prlimit(rig.daemon_pid, resource.RLIMIT_FSIZE, (soft, hard))
    in_trouble(rig, log, "file too large")
    well_again(rig, log)
    assert rig.pid("web") == pid
    rig.stop()


# --- broken ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_is_like_a_full_one(rig: Rig, meddler: Meddler, number: int) -> None:
    log = rig.dir / "bad" / "web.log"
    log.parent.mkdir()
    pid = writing(rig, log)
    with meddler.failing_writes(number, log.parent):
        in_trouble(rig, log, os.strerror(number).lower())
        assert rig.rpc.supervisor.getState()["statename"] == "RUNNING"
    well_again(rig, log)
    assert rig.pid("web") == pid
    rig.stop()


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT])
def test_a_state_that_cannot_be_written_is_told_and_made_good(rig: Rig, meddler: Meddler, number: int) -> None:
    state = rig.dir / "state"
    state.mkdir()
    rig.write_native("  web: {cmd: sleep 1000, starttime: 0}\n  other: {cmd: sleep 1000, autostart: false}\n")
    rig.conf.write_text(rig.conf.read_text().replace(f'statedir: "{rig.dir}"', f'statedir: "{state}"'))
    rig.start()
    pid = settled(rig)
    with meddler.failing_writes(number, state):
        rig.rpc.supervisor.startProcess("other")
        (line,) = rig.until_line("cannot write the journal")
        assert os.strerror(number) in line.text
        rig.rpc.supervisor.stopProcess("other")
    rig.rpc.supervisor.startProcess("other")
    assert rig.until_line("the journal .* can be written again")
    rig.daemon.kill()  # type: ignore[union-attr]
    rig.daemon.wait()  # type: ignore[union-attr]
    rig.forget_proxy()
    rig.start()
    assert rig.pid("web") == pid
    rig.stop()


# --- gone, or not to be written --------------------------------------------------------------------------------------


def test_a_log_directory_that_was_removed_and_comes_back(rig: Rig) -> None:
    log = rig.dir / "logs" / "web.log"
    log.parent.mkdir()
    pid = writing(rig, log)
    shutil.rmtree(log.parent)
    in_trouble(rig, log, "no such file or directory")
    log.parent.mkdir()
    well_again(rig, log)
    assert rig.pid("web") == pid
    rig.stop()


def test_a_program_that_joins_while_there_can_be_no_new_file_has_its_log_later(rig: Rig, disk: Disk) -> None:
    rig.write_native("  web: {cmd: sleep 1000, starttime: 0}\n")
    rig.conf.write_text(rig.conf.read_text().replace(f'childlogdir: "{rig.dir}"', f'childlogdir: "{disk.path}"'))
    rig.start()
    with disk.without_new_files():
        rig.conf.write_text(f'{rig.conf.read_text()}  late: {{cmd: "{CLOCKWORK}", starttime: 0}}\n')
        said = rig.ctl("update")
        assert said.code == 0, said
        rig.until("late", "RUNNING")
        assert rig.until_line("cannot create a log for 'late' .*: No space left on device")
    goes_on(disk.path / "late-stdout.log")
    rig.stop()


def test_a_disk_that_became_read_only_and_is_writable_again(rig: Rig, disk: Disk) -> None:
    log = disk.path / "web.log"
    pid = writing(rig, log)
    log.unlink()  # a file that is open for writing would keep the disk from becoming read-only
    log.mkdir()
    in_trouble(rig, log, "is a directory")
    log.rmdir()
    with _read_only(disk):
        eventually(lambda: faults(rig)["log"] > 1, PATIENCE_S)
        assert rig.rpc.supervisor.getState()["statename"] == "RUNNING"
        assert rig.pid("web") == pid
    well_again(rig, log)
    rig.stop()


class _read_only:  # noqa: N801 - used as a word
    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __enter__(self) -> None:
        eventually(self._tried, PATIENCE_S, what="the disk is read-only")

    def _tried(self) -> bool:
        command = ["mount", "-o", "remount,ro", str(self._disk.path)]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def __exit__(self, *_: object) -> None:
        self._disk.remount("rw")


@AS_ROOT
def test_a_directory_that_may_not_be_written_any_more(rig: Rig, python_for_all: list[str]) -> None:
    logs = rig.dir / "logs"
    logs.mkdir()
    rig.dir.chmod(0o777)
    logs.chmod(0o777)
    log = logs / "web.log"
    through(rig, *as_nobody(), python=python_for_all)
    pid = writing(rig, log, python=python_for_all[-1])
    logs.chmod(0o555)
    log.unlink()
    in_trouble(rig, log, "permission denied")
    logs.chmod(0o777)
    well_again(rig, log)
    assert rig.pid("web") == pid
    rig.stop()


# --- a log that others touch -----------------------------------------------------------------------------------------


@pytest.fixture
def spammed(rig: Rig) -> Iterator[Path]:
    """The log of a program that writes lines with numbers as fast as it can for a second."""
    log = rig.dir / "spam.log"
    rig.write(
        f"[program:spam]\ncommand={program('spam.py')} --seconds 1 --size 80\nstartsecs=0\nautorestart=false\n"
        f"stdout_logfile={log}\nstdout_logfile_maxbytes=0\n"
    )
    rig.start()
    goes_on(log)
    yield log
    rig.stop()


def test_a_log_that_was_renamed_loses_nothing(rig: Rig, spammed: Path) -> None:
    moved = spammed.with_name("moved")
    spammed.rename(moved)
    goes_on(spammed)
    rig.until("spam", "EXITED")
    report = check([moved, spammed])
    assert report.clean, report
    assert not rig.lines("trouble"), "it is no trouble"


def test_a_log_that_was_truncated_has_no_hole(rig: Rig, spammed: Path) -> None:
    os.truncate(spammed, 0)
    rig.until("spam", "EXITED")
    assert b"\0" not in spammed.read_bytes()
    report = check([spammed])
    assert (report.missing, report.doubled) == (0, 0), report


def test_a_log_that_was_removed_is_there_again(rig: Rig, spammed: Path) -> None:
    spammed.unlink()
    goes_on(spammed)
    rig.until("spam", "EXITED")
    report = check([spammed])
    assert (report.missing, report.doubled) == (0, 0), report


def test_the_daemon_s_own_log_is_there_again(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 1000\nstartsecs=0\n")
    rig.start()
    settled(rig)
    rig.log.rename(rig.dir / "moved")
    rig.rpc.supervisor.stopProcess("web")

    def told() -> bool:
        rig.rpc.supervisor.startProcess("web")
        rig.rpc.supervisor.stopProcess("web")
        return bool(rig.lines("stopped: web"))

    eventually(told, PATIENCE_S, every_s=0.1)
    rig.stop()


# --- a log that hangs ------------------------------------------------------------------------------------------------


def test_a_fifo_without_a_reader_holds_up_nobody(rig: Rig) -> None:
    fifo = rig.dir / "fifo"
    os.mkfifo(fifo)
    rig.write(
        f"[program:web]\ncommand={CLOCKWORK}\nstartsecs=0\nstdout_logfile={fifo}\nstdout_logfile_maxbytes=0\n"
        "[program:other]\ncommand=sleep 1000\nstartsecs=0\n"
    )
    rig.start()
    in_trouble(rig, fifo, "nobody has it open for reading")
    pid = rig.pid("other")
    world.kill(pid, signal.SIGKILL)
    rig.until_new_pid("other", pid)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(_read_some(fifo)))
    reader.start()
    reader.join(PATIENCE_S)
    assert b"line" in heard[0]
    assert rig.until_line(re.escape(f"log '{fifo}' works again"))
    rig.stop()


def _read_some(fifo: Path) -> bytes:
    with fifo.open("rb", buffering=0) as file:
        data = file.read(1 << 16) or b""
        return data + (file.read(1 << 16) or b"")

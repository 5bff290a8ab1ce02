"""What programs say, and where it goes: files, rotation, one file for both, none, generated names, reading back."""

import os
import re
import xmlrpc.client
from pathlib import Path

import pytest

from tests.e2e.harness import Rig, program
from tests.programs.check_lines import check, oldest_first

MIB = 1024 * 1024


def sorted_logs(rig: Rig, name: str) -> list[Path]:
    """Return a log and its backups, oldest first."""
    return oldest_first(rig.dir / name)


def test_stdout_and_stderr_go_to_their_files(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'echo out; echo err >&2; exec sleep 100000'\n"
        "stdout_logfile={dir}/out\nstderr_logfile={dir}/err\n"
    )
    rig.start()
    assert rig.until_text("out", "out\n") == "out\n"
    assert rig.until_text("err", "err\n") == "err\n"
    info = rig.info("web")
    assert info["stdout_logfile"] == info["logfile"] == str(rig.dir / "out")
    assert info["stderr_logfile"] == str(rig.dir / "err")
    rig.stop()


def test_redirect_stderr_puts_both_into_one_in_the_order_they_came(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'for i in 1 2 3; do echo o$i; echo e$i >&2; done; exec sleep 100000'\n"
        "stdout_logfile={dir}/out\nredirect_stderr=true\n"
    )
    rig.start()
    assert rig.until_text("out", "e3") == "o1\ne1\no2\ne2\no3\ne3\n"
    assert rig.info("web")["stderr_logfile"] == ""
    rig.stop()


def test_the_last_words_are_in_the_log_before_the_exit_is_told(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'printf last words'\nstartsecs=0\nautorestart=false\n"
        "stdout_logfile={dir}/out\n"
    )
    rig.start()
    rig.until("web", "EXITED")
    assert rig.text("out") == "last"
    rig.stop()


def test_auto_makes_a_private_file_named_after_the_process(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=/bin/sh -c 'echo hi; exec sleep 100000'\n", daemon="identifier=me")
    rig.start()
    info = rig.info("web")
    for channel in ("stdout", "stderr"):
        path = Path(info[f"{channel}_logfile"])
        assert path.parent == rig.dir
        assert re.fullmatch(rf"web-{channel}---me-\w{{8}}\.log", path.name)
        assert path.stat().st_mode & 0o777 == 0o600
    rig.until_text(Path(info["stdout_logfile"]).name, "hi\n")
    rig.stop()


def test_the_next_start_removes_old_auto_files_and_nocleanup_keeps_them(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\n", daemon="identifier=me")
    (rig.dir / "old-stdout---me-abcdefgh.log").write_text("old")
    (rig.dir / "old-stdout---me-abcdefgh.log.1").write_text("old")
    (rig.dir / "old-stdout---other-abcdefgh.log").write_text("not ours")
    rig.start()
    assert [path.name for path in rig.dir.glob("old*")] == ["old-stdout---other-abcdefgh.log"]
    kept = rig.info("web")["logfile"]
    rig.stop()
    rig.start("-k")
    assert Path(kept).exists()
    assert rig.info("web")["logfile"] != kept
    rig.stop()


@pytest.mark.parametrize("word", ["NONE", "off", "none"])
def test_none_means_no_log(rig: Rig, word: str) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'while :; do echo hi; echo ho >&2; done'\n"
        f"stdout_logfile={word}\nstderr_logfile={word}\n"
    )
    rig.start()
    info = rig.until("web", "RUNNING")
    assert info["logfile"] == info["stderr_logfile"] == ""
    with pytest.raises(xmlrpc.client.Fault, match="NO_FILE"):
        rig.rpc.supervisor.readProcessStdoutLog("web", 0, 100)
    assert rig.rpc.supervisor.tailProcessStdoutLog("web", 0, 100) == ["", 0, False]
    assert rig.ctl("tail", "web").text == "web: ERROR (no log file)\n"
    assert not list(rig.dir.glob("web-*"))
    rig.stop()


def test_rotation_keeps_the_configured_number_of_backups(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 40000 --size 100 --pattern lines\nstartsecs=0\n"
        "autorestart=false\nstdout_logfile={dir}/out\nstdout_logfile_maxbytes=512KB\nstdout_logfile_backups=3\n"
    )
    rig.start()
    rig.until("web", "EXITED")
    assert [path.name for path in sorted_logs(rig, "out")] == ["out.3", "out.2", "out.1", "out"]
    sizes = [path.stat().st_size for path in sorted_logs(rig, "out")]
    assert all(512 * 1024 * 0.75 <= size <= 512 * 1024 + 256 * 1024 for size in sizes[:-1])
    rig.stop()


def test_no_backups_means_the_file_begins_again(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 40000 --size 100 --pattern lines\nstartsecs=0\n"
        "autorestart=false\nstdout_logfile={dir}/out\nstdout_logfile_maxbytes=512KB\nstdout_logfile_backups=0\n"
    )
    rig.start()
    rig.until("web", "EXITED")
    assert [path.name for path in sorted_logs(rig, "out")] == ["out"]
    assert (rig.dir / "out").stat().st_size <= 512 * 1024 + 256 * 1024
    rig.stop()


@pytest.mark.parametrize("pattern", ["lines", "noline"])
def test_no_line_is_lost_torn_or_doubled_by_rotation(rig: Rig, pattern: str) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 60000 --size 120 --pattern {pattern}\n"
        "startsecs=0\nautorestart=false\nstdout_logfile={dir}/out\n"
        "stdout_logfile_maxbytes=1MB\nstdout_logfile_backups=100\n"
    )
    rig.start()
    rig.until("web", "EXITED", deadline_s=30)
    report = check(sorted_logs(rig, "out"))
    assert (report.first, report.last, report.count, report.clean) == (0, 59_999, 60_000, True), report
    assert len(sorted_logs(rig, "out")) >= 8
    rig.stop()


@pytest.mark.ours
def test_no_line_is_cut_by_the_end_of_a_file(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 60000 --size 120 --write 50000\n"
        "startsecs=0\nautorestart=false\nstdout_logfile={dir}/out\n"
        "stdout_logfile_maxbytes=1MB\nstdout_logfile_backups=100\n"
    )
    rig.start()
    rig.until("web", "EXITED", deadline_s=30)
    counts = [check([path]) for path in sorted_logs(rig, "out")]
    assert sum(report.torn for report in counts) == 0
    assert sum(report.count for report in counts) == 60_000
    rig.stop()


@pytest.mark.parametrize("pattern", ["blob", "binary"])
def test_no_byte_is_lost_where_there_are_no_lines(rig: Rig, pattern: str) -> None:
    size = 7 * 1024 * 1024 + 77
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 1 --size {size} --pattern {pattern}\n"
        "startsecs=0\nautorestart=false\nstdout_logfile={dir}/out\n"
        "stdout_logfile_maxbytes=1MB\nstdout_logfile_backups=100\n"
    )
    rig.start()
    rig.until("web", "EXITED", deadline_s=30)
    block = bytes(range(256)) * 256 if pattern == "binary" else b"b" * 65536
    said = b"".join(path.read_bytes() for path in sorted_logs(rig, "out"))
    assert said == (block * (size // len(block) + 1))[:size]
    rig.stop()


def test_an_endless_spammer_neither_fills_the_disk_nor_stops_the_daemon(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --seconds 60 --pattern lines\nstartsecs=0\n"
        "stdout_logfile={dir}/out\nstdout_logfile_maxbytes=1MB\nstdout_logfile_backups=2\n"
    )
    rig.start()
    rig.wait(lambda: len(sorted_logs(rig, "out")) == 3, what="three files")
    oldest = (rig.dir / "out.2").stat().st_ino
    rig.wait(lambda: oldest not in {path.stat().st_ino for path in existing(sorted_logs(rig, "out"))}, what="a turn")
    assert len(sorted_logs(rig, "out")) <= 3
    assert rig.ctl("status").text.startswith("web ")
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.stop()


def existing(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


def test_tail_and_read_give_what_is_in_the_file(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'printf 0123456789; printf err >&2; exec sleep 100000'\n"
        "stdout_logfile={dir}/out\nstderr_logfile={dir}/err\n"
    )
    rig.start()
    rig.until_text("out", "9")
    rig.until_text("err", "err")
    ask = rig.rpc.supervisor
    assert ask.readProcessStdoutLog("web", 0, 0) == "0123456789"
    assert ask.readProcessStdoutLog("web", 2, 3) == "234"
    assert ask.readProcessStdoutLog("web", -3, 0) == "789"
    assert ask.readProcessStdoutLog("web", 50, 3) == ""
    assert ask.readProcessStderrLog("web", 0, 0) == "err"
    assert ask.tailProcessStdoutLog("web", 0, 4) == ["6789", 10, True]
    assert ask.tailProcessStdoutLog("web", 0, 10) == ["0123456789", 10, False]
    assert ask.tailProcessStdoutLog("web", 4, 100) == ["0123456789", 10, False]
    for offset, length in ((-1, 1), (0, -1)):
        with pytest.raises(xmlrpc.client.Fault) as refused:
            ask.readProcessStdoutLog("web", offset, length)
        assert refused.value.faultString == "BAD_ARGUMENTS: BAD_ARGUMENTS" or refused.value.faultCode == 3
    assert rig.ctl("tail", "-4", "web").text == "6789\n"
    assert rig.ctl("tail", "web", "stderr").text == "err\n"
    rig.stop()


@pytest.mark.ours
def test_output_that_is_not_text_can_still_be_read(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'printf \"ok\\\\377\\\\033[31m\\\\000end\"; exec sleep 100000'\n"
        "stdout_logfile={dir}/out\n"
    )
    rig.start()
    rig.until_text("out", "end")
    text = rig.rpc.supervisor.readProcessStdoutLog("web", 0, 0)
    assert text.startswith("ok")
    assert text.endswith("end")
    assert rig.ctl("tail", "web").code == 0
    rig.stop()


def test_tail_f_follows_in_the_terminal(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('echo.py')}\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    terminal = rig.terminal("tail", "-f", "web")
    terminal.expect_exact("==> Press Ctrl-C to exit <==")
    terminal.expect_exact("ready")
    rig.rpc.supervisor.sendProcessStdin("web", "one\n")
    terminal.expect_exact("got: one")
    rig.rpc.supervisor.sendProcessStdin("web", "two\n")
    terminal.expect_exact("got: two")
    terminal.sendintr()
    terminal.wait()
    assert terminal.exitstatus == 0
    rig.stop()


def test_clear_empties_the_log_of_a_running_program(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('echo.py')}\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    assert rig.ctl("clear", "web").text == "web: cleared\n"
    assert rig.text("out") == ""
    rig.rpc.supervisor.sendProcessStdin("web", "after\n")
    assert rig.until_text("out", "after") == "got: after\n"
    rig.stop()


@pytest.mark.ours
def test_clear_empties_the_log_of_a_stopped_program_too(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=/bin/sh -c 'echo hi; exec sleep 100000'\nstdout_logfile={dir}/out\n")
    rig.start()
    rig.until_text("out", "hi")
    rig.until("web", "RUNNING")
    rig.ctl("stop", "web")
    assert rig.ctl("clear", "web").text == "web: cleared\n"
    assert rig.text("out") == ""
    rig.stop()


@pytest.mark.parametrize("state", ["RUNNING", "STOPPED"])
def test_clear_leaves_what_was_rotated(rig: Rig, state: str) -> None:
    if (rig.subject, state) == ("supervisord", "STOPPED"):
        pytest.skip("supervisord does not clear the logs of a stopped program")
    said = "echo 0123456789abcdef; " * 4
    rig.write(
        f"[program:web]\ncommand=/bin/sh -c '{said} exec sleep 100000'\nstdout_logfile={{dir}}/out\n"
        "stdout_logfile_maxbytes=20\nstdout_logfile_backups=2\n"
    )
    rig.start()
    rig.wait((rig.dir / "out.1").exists, what="a backup")
    rig.until("web", "RUNNING")
    if state == "STOPPED":
        rig.ctl("stop", "web")
    before = rig.text("out.1")
    assert before
    assert rig.ctl("clear", "web").text == "web: cleared\n"
    assert rig.text("out") == ""
    assert rig.text("out.1") == before
    assert rig.ctl("clear", "all").code == 0
    assert rig.text("out.1") == before
    rig.stop()


def test_usr2_reopens_the_logs(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('echo.py')}\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    os.rename(rig.dir / "out", rig.dir / "moved")
    os.rename(rig.log, rig.dir / "d.moved")
    os.kill(rig.daemon_pid, 12)
    rig.wait(lambda: (rig.dir / "out").exists() and rig.log.exists(), what="new files")
    for said in ("received SIGUSR2 indicating log reopen request", "supervisord logreopen"):
        assert f"INFO {said}" in rig.text("d.moved") + rig.text("d.log")
    rig.rpc.supervisor.sendProcessStdin("web", "new\n")
    assert rig.until_text("out", "new") == "got: new\n"
    assert rig.text("moved") == "ready\n"
    rig.stop()


def test_maintail_shows_the_daemons_log(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\n")
    rig.start()
    rig.until("web", "RUNNING")
    text = rig.ctl("maintail", "-4000").text
    assert "INFO spawned: 'web' with pid" in text
    assert rig.rpc.supervisor.readLog(0, 0).startswith(text[:40])
    assert rig.rpc.supervisor.clearLog() is True
    rig.wait(lambda: "spawned" not in rig.text("d.log"), what="the log is empty")
    rig.stop()


def test_the_daemons_log_rotates(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'exit 0'\nstartsecs=0\nautorestart=true\n"
        + "".join(f"[program:web{n}]\ncommand=/bin/sh -c 'exit 0'\nstartsecs=0\nautorestart=true\n" for n in range(20)),
        daemon="logfile_maxbytes=4KB\nlogfile_backups=2",
    )
    rig.start()
    rig.wait((rig.dir / "d.log.2").exists, what="two backups")
    assert sorted(path.name for path in rig.dir.glob("d.log*"))[:3] == ["d.log", "d.log.1", "d.log.2"]
    assert not (rig.dir / "d.log.3").exists()
    rig.stop()

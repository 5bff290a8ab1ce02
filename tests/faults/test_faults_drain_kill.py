"""Whoever drains is killed again and again, while it rotates, too: the log has every line, once and in order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs.check_lines import Report, check, oldest_first
from tmd.posix import pipes

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "programs"
LINE_BYTES = 100


def drained(log: Path, kills: int, lines: int, form: str = "raw", *, maxbytes: int = 20_000) -> int:
    """Have a program write lines into a pipe that is drained by ones who are killed; return how many kills it met."""
    read_fd, write_fd = pipes.output_pipe()
    spam = [sys.executable, "-S", str(PROGRAMS / "spam.py"), "--lines", str(lines), "--size", str(LINE_BYTES - 20)]
    with subprocess.Popen(spam, stdout=write_fd) as writer:
        os.close(write_fd)
        try:
            argv = [sys.executable, str(PROGRAMS / "killed_drain.py"), f"--fd={read_fd}", f"--log={log}"]
            argv += [f"--kills={kills}", f"--maxbytes={maxbytes}", "--backups=5000", f"--form={form}"]
            environ = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(argv, pass_fds=[read_fd], env=environ, capture_output=True, text=True, check=False)
        finally:
            os.close(read_fd)
        assert (done.returncode, done.stderr) == (0, "")
        assert writer.wait() == 0, "a broken pipe is what nobody may ever see"
    return int(done.stdout)


def all_there(log: Path, lines: int) -> Report:
    files = oldest_first(log)
    assert sorted(path.name for path in log.parent.iterdir()) == sorted(path.name for path in files)
    for path in files:
        assert path.read_bytes().endswith(b"\n") or not path.stat().st_size, f"a line is torn at the end of {path.name}"
    report = check(files)
    assert (report.first, report.last, report.count) == (0, lines - 1, lines), report
    return report


@pytest.mark.parametrize("form", ["raw", "events"])
def test_every_line_is_there_once_after_some_kills(tmp_path: Path, form: str) -> None:
    assert drained(tmp_path / "log", 12, 60_000, form) >= 8
    assert all_there(tmp_path / "log", 60_000).clean
    assert len(oldest_first(tmp_path / "log")) > 30


@pytest.mark.soak
def test_every_line_is_there_once_after_many_kills(tmp_path: Path) -> None:
    assert drained(tmp_path / "log", 200, 600_000) >= 150
    assert all_there(tmp_path / "log", 600_000).clean
    assert len(oldest_first(tmp_path / "log")) > 200


@pytest.mark.parametrize("kills", [12, pytest.param(100, marks=pytest.mark.soak)])
def test_lines_in_another_form_are_never_lost(tmp_path: Path, kills: int) -> None:
    lines = kills * 4000
    raw, log = tmp_path / "raw", tmp_path / "place" / "log"
    log.parent.mkdir()
    assert drained(log, kills, lines, "prefix", maxbytes=0) >= kills / 2
    with raw.open("wb") as file:
        for line in log.read_bytes().splitlines(keepends=True):
            file.write(line.partition(b": ")[2] if b" stdout: " in line else line)
    report = check([raw])
    assert (report.first, report.last, report.count, report.missing) == (0, lines - 1, lines, 0), report
    assert report.torn <= kills, report

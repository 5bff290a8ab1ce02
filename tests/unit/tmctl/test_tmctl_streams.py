"""Standard streams that are full, closed or gone: a line and an exit status, never a traceback."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.tmctl.fake_daemon import FakeDaemon
from tests.unit.tmctl.processes import environment

FULL = "cannot write to standard output: No space left on device\n"
CLOSED = "cannot write to standard output: Bad file descriptor\n"


def by_shell(home: Path, words: str, where: str) -> subprocess.CompletedProcess[str]:
    """Run tmctl in a shell with its streams redirected."""
    return subprocess.run(
        ["/bin/sh", "-c", f"{shlex.quote(sys.executable)} -m tmctl {words} {where}"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
        env=environment(home),
        cwd=home,
    )


@pytest.mark.parametrize(("where", "said"), [(">/dev/full", FULL), (">&-", CLOSED)])
@pytest.mark.parametrize("words", ["status", "--json status", "help", "--help", "maintail", "tail -f web", ""])
def test_an_output_that_cannot_be_written_is_said(
    words: str, where: str, said: str, fake: FakeDaemon, tmp_path: Path
) -> None:
    ran = by_shell(tmp_path, f"-s {fake.url} {words}", where)
    assert (ran.stderr, ran.returncode) == (said, 1)


def test_nothing_is_done_when_its_outcome_could_not_be_told(fake: FakeDaemon, tmp_path: Path) -> None:
    assert by_shell(tmp_path, f"-s {fake.url} stop web", ">&-").returncode == 1
    assert [process.state for process in fake.processes if process.name == "web"] == ["RUNNING"]


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "2>/dev/full <&-"])
@pytest.mark.parametrize(("words", "code"), [("stop web", 0), ("frobnicate", 1), ("-s nonsense pid", 2), ("--nope", 2)])
def test_an_error_nobody_can_hear_changes_no_exit_status(
    words: str, code: int, where: str, fake: FakeDaemon, tmp_path: Path
) -> None:
    server = "" if code == 2 else f"-s {fake.url}"
    assert by_shell(tmp_path, f"{server} {words}", where).returncode == code


def test_without_an_input_the_shell_shows_and_leaves(fake: FakeDaemon, tmp_path: Path) -> None:
    ran = by_shell(tmp_path, f"-s {fake.url}", "<&-")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("taskmaster> \n")

"""supervisor-pydantic, unmodified: strict models of every answer, and a configuration it writes itself."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.clients.free import free_port
from tests.clients.naming import SCRIPTS, install_names
from tests.e2e import world
from tests.e2e.harness import ROOT
from tests.support import eventually

NOT_OURS = (
    # The answer to half a character: HTTP 500 there, a replacement character here.
    "test_live_unicode_log_cursors_and_truncation",
    # A carriage return: a line end for whoever reads their XML, itself in ours.
    "test_live_newline_normalization_keeps_byte_cursor",
)


def played(command: list[str], directory: Path, deadline_s: float) -> None:
    """Run a command where `supervisord` is ours; assert that it succeeds and that nothing is left running."""
    mark = f"TASKMASTER_RIG={directory}"
    names = install_names(directory / "names")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= dict([mark.split("=", 1)])
    places = [str(SCRIPTS), environment["PATH"]]
    if os.environ.get("SUBJECT") != "supervisord":
        places.insert(0, str(names))
    environment["PATH"] = ":".join(places)
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, timeout=deadline_s, check=False
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == 0, said[-8000:]
        eventually(lambda: not world.marked(mark), 20.0, what="all that was started is gone")
    finally:
        for pid in world.marked(mark):
            world.kill(pid)


def test_the_client_starts_uses_and_ends_the_daemon(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    script = Path(__file__).with_name("pydantic_client.py")
    command = [sys.executable, "-m", ".".join(script.relative_to(ROOT).with_suffix("").parts)]
    played(["env", f"PYTHONPATH={ROOT}", *command, str(work), str(free_port())], tmp_path, 60.0)


@pytest.mark.clients
@pytest.mark.timeout(400)
def test_its_own_tests_pass(tmp_path: Path) -> None:
    """All of them but those that pin down how Supervisor answers for bytes that are no text."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    package = Path(distribution("supervisor-pydantic").locate_file("supervisor_pydantic"))  # type: ignore[arg-type]
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "--rootdir", str(tmp_path)]
    command += ["-p", "no:cacheprovider", str(package / "tests")]
    if os.environ.get("SUBJECT") != "supervisord":
        command += ["-k", " and ".join(f"not {name}" for name in NOT_OURS)]
    played(command, tmp_path, 380.0)

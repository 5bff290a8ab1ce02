"""Supervisor's own end-to-end tests, unmodified, with tmd in the place of supervisord.

What uses a client runs twice: with the stock supervisorctl and with tmctl. The tests are those of the source
distribution, fetched when first needed. SUBJECT=supervisord plays them on the original.
"""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.naming import SCRIPTS, install_names
from tests.clients.unpacked import supervisor_source
from tests.e2e import world
from tests.fetching import alone
from tests.support import eventually

RUNNER = Path(__file__).with_name("end_to_end_runner.py")

TMP = Path("/tmp")
ORIGINAL = os.environ.get("SUBJECT") == "supervisord"

WITH_CLIENT = (
    "test_issue_550",
    "test_issue_565",
    "test_issue_664",
    "test_issue_836",
    "test_issue_1054",
    "test_issue_1231a",
    "test_issue_1231b",
    "test_issue_1231c",
    "test_issue_1251",
    "test_issue_1298",
)
WITHOUT_CLIENT = (
    "test_issue_291a_percent_signs_in_original_env_are_preserved",
    "test_issue_638",
    "test_issue_663",
    "test_issue_733",
    "test_issue_835",
    "test_issue_986_command_string_with_double_percent",
    "test_issue_1170a",
    "test_issue_1170b",
    "test_issue_1170c",
    "test_issue_1224",
    "test_issue_1418_pidproxy_cmd_with_no_args",
    "test_issue_1418_pidproxy_cmd_with_args",
    "test_issue_1483a_identifier_default",
    "test_issue_1483b_identifier_from_config_file",
    "test_issue_1483c_identifier_from_command_line",
    "test_pull_request_1578_echo_supervisord_conf",
    "test_issue_1596_asyncore_close_does_not_crash",
)
CASES = [
    *((method, "supervisorctl") for method in WITHOUT_CLIENT),
    *((method, "supervisorctl") for method in WITH_CLIENT),
    *((method, "tmctl") for method in WITH_CLIENT if not ORIGINAL),
]

_SHARED_SOCKET = {"test_issue_836": "test_issue_565"}
"""the configurations of these two name the same socket"""


def executable(directory: Path, client: str) -> Path:
    """Write what stands for the Python interpreter: it starts ours where the tests ask for Supervisor's."""
    names = install_names(directory / "names")
    ctl = f"{sys.executable} -m supervisor.supervisorctl" if client == "supervisorctl" else f"{names}/supervisorctl"
    wrapper = directory / "python"
    wrapper.write_text(
        f"""\
#!/bin/sh
case "$1 $2" in
"-m supervisor.supervisord") shift 2; exec {names}/supervisord "$@" ;;
"-m supervisor.supervisorctl") shift 2; exec {ctl} "$@" ;;
"-m supervisor.pidproxy") shift 2; exec {names}/pidproxy "$@" ;;
"-c from supervisor import confecho; confecho.main()") exec {names}/echo_supervisord_conf ;;
esac
exec {sys.executable} "$@"
""",
        encoding="utf-8",
    )
    wrapper.chmod(0o755)
    return wrapper


@pytest.mark.parametrize(("method", "client"), CASES)
def test_supervisors_own_test_passes(method: str, client: str, tmp_path: Path) -> None:
    source = supervisor_source()
    python = Path(sys.executable) if ORIGINAL else executable(tmp_path, client)
    mark = {"TASKMASTER_RIG": str(tmp_path)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SUPERVISOR_"))}
    environment |= {"PATH": f"{SCRIPTS}:{environment['PATH']}", "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"} | mark
    # Generated logs live there, and a starting daemon removes those of all daemons of the same identifier.
    environment["TMPDIR"] = str(tmp_path)

    # The configurations name fixed files in /tmp: one run at a time of each.
    with alone(TMP / "supervisor-end-to-end" / f"{_SHARED_SOCKET.get(method, method)}.lock"):
        try:
            done = subprocess.run(
                [sys.executable, str(RUNNER), str(source), method, str(python)],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=100,
                check=False,
            )
            said = (done.stdout + done.stderr).decode(errors="replace")
            assert done.returncode == 0, said[-6000:]
            eventually(lambda: not left_running(mark), 20.0, what="all that was started is gone")
        finally:
            for pid in left_running(mark):
                world.kill(pid, signal.SIGKILL)
            for log in TMP.glob(f"issue-{method.split('_')[2]}.*"):
                log.unlink()


def left_running(mark: dict[str, str]) -> list[int]:
    """Return the processes that came from a test."""
    ((name, value),) = mark.items()
    return world.marked(f"{name}={value}")


def test_no_test_of_the_release_is_left_out() -> None:
    """The names above are written down, so that collecting needs no network."""
    module = ast.parse((supervisor_source() / "supervisor/tests/test_end_to_end.py").read_text(encoding="utf-8"))
    methods = {
        node.name: "supervisor.supervisorctl" in ast.unparse(node)
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert {name for name, uses_client in methods.items() if uses_client} == set(WITH_CLIENT)
    assert {name for name, uses_client in methods.items() if not uses_client} == set(WITHOUT_CLIENT)

"""The same command lines on the same fake daemon: from Supervisor's client and ours the same bytes and exit code."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.tmctl.conftest import RealClient, Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon, Process, fault
from tests.unit.tmctl.processes import run_tmctl

Prepare = Callable[[FakeDaemon], None]


def nothing(_: FakeDaemon) -> None:
    return


def changes(daemon: FakeDaemon) -> None:
    daemon.changes = (["new", "also"], ["batch", "api"], ["web"])
    daemon.available = ["new", "also"]


def unstoppable(daemon: FakeDaemon) -> None:
    changes(daemon)
    daemon.stop_fault = {"web": "FAILED"}


def failing(daemon: FakeDaemon) -> None:
    daemon.stop_fault = {"web": "FAILED", "api:api_01": "FAILED"}


def broken_config(daemon: FakeDaemon) -> None:
    daemon.reread_fault = fault("CANT_REREAD", "no such thing in section 'program:web' (file: '/etc/x')")


def in_shutdown(daemon: FakeDaemon) -> None:
    daemon.shutting_down = True


def odd_version(daemon: FakeDaemon) -> None:
    daemon.api_version = "2.0"


def empty(daemon: FakeDaemon) -> None:
    daemon.processes = []


def all_running(daemon: FakeDaemon) -> None:
    daemon.processes = [Process("web", "web", "RUNNING", pid=1), Process("api", "api_00", "RUNNING", pid=2)]


def long_names(daemon: FakeDaemon) -> None:
    daemon.processes = [Process("a-group-with-a-long-name", "a-process-with-a-longer-name", "RUNNING", pid=1)]


def no_main_log(daemon: FakeDaemon) -> None:
    daemon.main_log = None


def text_beyond_ascii(daemon: FakeDaemon) -> None:
    daemon.processes[-1].log = "grüße <&> € 😀\n"


SAME: list[tuple[list[str], Prepare]] = [
    (["status"], nothing),
    (["status"], all_running),
    (["status"], empty),
    (["status"], long_names),
    (["status", "web"], nothing),
    (["status", "web", "api:*"], nothing),
    (["status", "api:"], nothing),
    (["status", "nope", "web", "x:*", "api:api_09"], nothing),
    (["status", "nope", "gone"], nothing),
    (["status", "web", "all"], nothing),
    (["status web batch"], nothing),
    (["status"], odd_version),
    (["start"], odd_version),
    (["pid"], nothing),
    (["pid", "all"], nothing),
    (["pid", "web", "api:api_00"], nothing),
    (["pid", "nope", "web", "batch"], nothing),
    (["start", "batch"], nothing),
    (["start", "web"], nothing),
    (["start", "gone"], nothing),
    (["start", "noexec"], nothing),
    (["start", "api:api_02"], nothing),
    (["start", "short"], nothing),
    (["start", "nope"], nothing),
    (["start", "api:*"], nothing),
    (["start", "web:*"], nothing),
    (["start", "nope:*"], nothing),
    (["start", "all"], nothing),
    (["start", "batch", "nope:*", "short", "web"], nothing),
    (["stop", "web"], nothing),
    (["stop", "batch"], nothing),
    (["stop", "nope"], nothing),
    (["stop", "api:*"], nothing),
    (["stop", "nope:*"], nothing),
    (["stop", "all"], nothing),
    (["stop", "web", "api:*", "batch"], failing),
    (["stop", "all"], failing),
    (["restart", "web"], nothing),
    (["restart", "batch"], nothing),
    (["restart", "api:*"], nothing),
    (["restart", "api:*", "web", "batch", "broken"], nothing),
    (["restart", "all"], nothing),
    (["restart", "nope"], nothing),
    (["restart", "nope:*"], nothing),
    (["restart", "nope", "web", "nope:*"], nothing),
    (["restart", "short", "gone"], nothing),
    (["signal", "HUP", "web"], nothing),
    (["signal USR1 web"], nothing),
    (["signal", "NOPE", "web"], nothing),
    (["signal", "99", "web"], nothing),
    (["signal", "HUP", "batch"], nothing),
    (["signal", "HUP", "nope"], nothing),
    (["signal", "HUP", "api:*", "web"], nothing),
    (["signal", "HUP", "nope:*"], nothing),
    (["signal", "HUP", "all"], nothing),
    (["signal", "HUP", "web"], failing),
    (["tail", "web"], nothing),
    (["tail", "-7", "web"], nothing),
    (["tail", "web", "stderr"], nothing),
    (["tail", "web", "STDOUT"], text_beyond_ascii),
    (["tail", "nope"], nothing),
    (["tail", "web"], failing),
    (["tail", "web", "nonsense"], nothing),
    (["tail", "-x", "web"], nothing),
    (["tail", "-f"], nothing),
    (["maintail"], nothing),
    (["maintail", "-5"], nothing),
    (["maintail", "-x"], nothing),
    (["maintail", "x"], nothing),
    (["maintail"], no_main_log),
    (["clear", "web"], nothing),
    (["clear", "nope", "web", "api:api_00"], nothing),
    (["clear", "api:*"], nothing),
    (["clear", "all"], nothing),
    (["clear", "web"], failing),
    (["avail"], nothing),
    (["avail"], in_shutdown),
    (["reread"], nothing),
    (["reread"], changes),
    (["reread"], broken_config),
    (["reread"], in_shutdown),
    (["update"], nothing),
    (["update"], changes),
    (["update"], unstoppable),
    (["update"], in_shutdown),
    (["update", "new"], changes),
    (["update", "all"], changes),
    (["update", "nope", "web"], changes),
    (["add", "new"], changes),
    (["add", "web", "nope"], changes),
    (["add", "web"], changes),
    (["add"], changes),
    (["add", "new"], in_shutdown),
    (["remove", "batch"], nothing),
    (["remove", "web", "nope", "batch"], nothing),
    (["remove"], nothing),
    (["shutdown"], nothing),
    (["shutdown"], in_shutdown),
    (["reload"], nothing),
    (["reload"], in_shutdown),
    (["version"], nothing),
    (["open", "foo"], nothing),
    (["open", "https://localhost"], nothing),
    (["fg", "nope"], nothing),
    (["fg", "batch"], nothing),
    (["fg", "web", "batch"], nothing),
    (["help", "nonsense"], nothing),
    (["nonsense"], nothing),
    (["nonsense", "web"], nothing),
    (["!ls"], nothing),
    (["quit"], nothing),
    (["exit"], nothing),
    (["EOF"], nothing),
]


@pytest.mark.parametrize("own", [False, True], ids=["as supervisord", "as tmd"])
@pytest.mark.parametrize(("arguments", "prepare"), SAME, ids=lambda value: getattr(value, "__name__", str(value)))
def test_same_bytes_and_exit_code(
    arguments: list[str], prepare: Prepare, own: bool, tmp_path: Path, real_client: RealClient, tmctl: Tmctl
) -> None:
    with FakeDaemon(tmp_path / "same.sock") as daemon:
        prepare(daemon)
        expected = real_client.run("-s", daemon.url, *arguments)
    # A tmd answers an update in its own words where a group changed: its processes are not all stopped.
    own = own and not (arguments[0] == "update" and prepare in (changes, unstoppable))
    with FakeDaemon(tmp_path / "same.sock", own=own, dialect="supervisor") as daemon:
        prepare(daemon)
        assert tmctl("-s", daemon.url, *arguments).outcome == expected


FIRST_LINE_SAME: list[tuple[list[str], Prepare]] = [
    (["start"], nothing),
    (["stop"], nothing),
    (["restart"], nothing),
    (["clear"], nothing),
    (["signal", "HUP"], nothing),
    (["tail"], nothing),
    (["tail", "-1", "web", "stdout", "x"], nothing),
    (["maintail", "-1", "x"], nothing),
    (["avail", "x"], nothing),
    (["reload", "x"], nothing),
    (["reread", "x"], nothing),
    (["shutdown", "x"], nothing),
    (["version", "x"], nothing),
    (["fg"], nothing),
]


@pytest.mark.parametrize(
    ("arguments", "prepare"), FIRST_LINE_SAME, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_same_complaint_and_exit_code_before_the_help(
    arguments: list[str], prepare: Prepare, fake: FakeDaemon, real_client: RealClient, tmctl: Tmctl
) -> None:
    real_text, real_code = real_client.run("-s", fake.url, *arguments)
    text, code = tmctl("-s", fake.url, *arguments).outcome
    assert (text.splitlines()[0], code) == (real_text.splitlines()[0], real_code)
    assert text.splitlines()[1].startswith(arguments[0])


UNREACHABLE = (
    *("status", "pid", "start web", "stop web", "restart web", "signal HUP web", "tail web", "maintail"),
    *("clear web", "version", "fg web", "shutdown", "tail", "start"),
)


@pytest.mark.parametrize("line", UNREACHABLE)
@pytest.mark.parametrize("url", ["unix:///nowhere/at/all.sock", "http://127.0.0.1:1"])
def test_same_text_without_a_server(line: str, url: str, real_client: RealClient, tmctl: Tmctl) -> None:
    ran = tmctl("-s", url, *line.split())
    assert ran.outcome == real_client.run("-s", url, *line.split())
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("line", ["avail", "reread", "update", "add x", "remove x", "reload"])
@pytest.mark.parametrize("url", ["unix:///nowhere/at/all.sock", "http://127.0.0.1:1"])
def test_a_clean_line_where_supervisor_shows_an_exception(
    line: str, url: str, real_client: RealClient, tmctl: Tmctl
) -> None:
    text, code = real_client.run("-s", url, *line.split())
    assert text.startswith("error: <class")
    why = "no such file" if url.startswith("unix") else "refused connection"
    assert tmctl("-s", url, *line.split()).outcome == (f"error: {url} {why}\n", code)


def test_first_table_of_help_is_supervisors(fake: FakeDaemon, real_client: RealClient, tmctl: Tmctl) -> None:
    text, _ = real_client.run("-s", fake.url, "help")
    assert tmctl("-s", fake.url, "help").out.startswith(text)


@pytest.mark.parametrize(
    "typed", ["", "pid\nversion", "status web\n\n\npid\n", "nonsense\nquit\npid\n", "start\nexit\n"]
)
def test_piped_lines_give_the_same_text(typed: str, fake: FakeDaemon, tmp_path: Path) -> None:
    config = tmp_path / "ctl.conf"
    config.write_text(f"[supervisorctl]\nserverurl = {fake.url}\n")
    script = Path(sys.executable).with_name("supervisorctl")
    real = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), "-c", str(config)],
        input=typed.encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    ours = run_tmctl("-c", str(config), stdin=typed.encode(), home=tmp_path)
    assert (_without_help(ours.stdout), ours.returncode) == (_without_help(real.stdout), real.returncode)


def _without_help(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if not line.startswith(b"start ")]

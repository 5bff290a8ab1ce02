"""What commands do beyond Supervisor's: own methods of a tmd, JSON, causes and remedies."""

import os
import re
from pathlib import Path

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon, Process, fault
from tmctl.commands import COMMANDS, columns
from tmctl.reference import commands_page


def test_pause_and_resume_are_signals_in_other_words(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", fake.url, "pause", "web", "batch", "nope").outcome == (
        "web: paused\nbatch: ERROR (not running)\nnope: ERROR (no such process)\n",
        1,
    )
    assert tmctl("-s", fake.url, "resume", "api:*").outcome == ("api:api_00: resumed\napi:api_01: resumed\n", 0)
    assert tmctl("-s", fake.url, "pause", "all").code == 0
    assert ("supervisor.signalProcess", ("web", "STOP")) in fake.calls
    assert ("supervisor.signalProcessGroup", ("api", "CONT")) in fake.calls
    assert ("supervisor.signalAllProcesses", ("STOP",)) in fake.calls


def test_pause_without_a_name_shows_its_help(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "pause")
    assert (ran.code, ran.out.splitlines()[0]) == (1, "Error: pause requires a process name")


def test_restart_is_one_job_of_a_tmd(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", own_fake.url, "restart", "web", "web", "nope", "batch")
    assert ran.out.splitlines()[-1] == "batch: started"
    assert [name for name in own_fake.methods_called() if "restart" in name or "stop" in name or "start" in name] == [
        "taskmaster.restartProcesses"
    ]
    assert ("taskmaster.restartProcesses", (["web", "batch"], True)) in own_fake.calls


def test_restart_of_nothing_known_asks_for_nothing(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", own_fake.url, "restart", "nope").code == 1
    assert "taskmaster.restartProcesses" not in own_fake.methods_called()


def test_an_interrupted_restart_says_that_it_goes_on(
    own_fake: FakeDaemon, tmctl: Tmctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tmctl.client import Client

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "wait", interrupted)
    ran = tmctl("-s", own_fake.url, "restart", "web")
    assert (ran.outcome, ran.err) == (("", 130), "the restart goes on in the daemon\n")


def changed(daemon: FakeDaemon) -> None:
    daemon.changes = (["new"], ["api", "batch"], ["web"])
    daemon.available = ["new"]


def test_update_of_a_tmd_touches_what_changed_and_says_so(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    changed(own_fake)
    lines = ["web: stopped", "web: removed process group", "api: updated process group", "batch: updated process group"]
    assert tmctl("-s", own_fake.url, "update").outcome == ("\n".join([*lines, "new: added process group", ""]), 0)
    assert own_fake.methods_called() == ["supervisor.reloadConfig", "taskmaster.update"]
    ran = tmctl("-s", own_fake.url, "update", "-v", "api")
    assert ran.out.splitlines() == [
        "api: updated process group",
        "  web_02: removed",
        "  web_00: restarted",
        "  web_01: changed in place",
    ]
    assert own_fake.calls[-1] == ("taskmaster.update", (["api"],))


def test_update_with_only_unknown_or_unchanged_names_applies_nothing(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    changed(own_fake)
    assert tmctl("-s", own_fake.url, "update", "nope", "gone").outcome == ("ERROR: no such group: nope\n", 1)
    assert "taskmaster.update" not in own_fake.methods_called()


def test_update_with_a_broken_configuration(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    own_fake.reread_fault = fault("CANT_REREAD", "line 1\nline 2")
    assert tmctl("-s", own_fake.url, "update").outcome == ("ERROR: CANT_REREAD: line 1\nline 2\n", 1)


def test_reread_of_another_file_sends_its_absolute_path(
    own_fake: FakeDaemon, fake: FakeDaemon, tmctl: Tmctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own_fake.changes = (["new"], [], [])
    assert tmctl("-s", own_fake.url, "reread", "--config", "my file.yaml").outcome == ("new: available\n", 0)
    assert tmctl("-s", own_fake.url, "reread", "--config=other.yaml").code == 0
    paths = [params for name, params in own_fake.calls if name == "taskmaster.reread"]
    assert paths == [(f"{tmp_path}/my file.yaml",), (f"{tmp_path}/other.yaml",)]
    ran = tmctl("-s", fake.url, "reread", "--config", "x.yaml")
    assert ran.outcome == ("ERROR: cannot read 'x.yaml': this server keeps to its own file (it is not tmd)\n", 1)


def test_reload_of_a_native_configuration_shows_what_changed(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", own_fake.url, "reload").outcome == ("No config updates to processes\n", 0)
    changed(own_fake)
    text = "api: changed\nbatch: changed\nnew: available\nweb: disappeared\n"
    assert tmctl("-s", own_fake.url, "reload").outcome == (text, 0)
    assert "supervisor.restart" not in own_fake.methods_called()


def test_summary_and_list(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "summary", "api", "web", "nope")
    assert ran.outcome == ("nope: ERROR (no such process)\napi FATAL 1/3, RUNNING 2/3\nweb RUNNING 1/1\n", 3)
    fake.processes = [Process("web", f"web_{n}", "RUNNING") for n in range(3)]
    assert tmctl("-s", fake.url, "summary").outcome == ("web RUNNING 3/3\n", 0)
    assert tmctl("-s", fake.url, "list").outcome == ("web:web_0\nweb:web_1\nweb:web_2\n", 0)
    assert tmctl("-s", "unix:///nowhere", "summary").code == 4


# -- JSON --


@pytest.mark.parametrize("place", ["before", "after"])
def test_status_as_json_has_the_exit_code_of_the_text(place: str, fake: FakeDaemon, tmctl: Tmctl) -> None:
    words = ["--json", "status", "web", "nope"] if place == "before" else ["status", "web", "nope", "--json"]
    ran = tmctl("-s", fake.url, *words)
    assert ran.code == 4
    assert ran.document["errors"] == ["nope: ERROR (no such process)"]
    (web,) = ran.document["processes"]
    assert {key: web[key] for key in ("name", "group", "process", "state", "pid", "uptime_s", "description")} == {
        "name": "web",
        "group": "web",
        "process": "web",
        "state": "RUNNING",
        "pid": 1004,
        "uptime_s": 3723,
        "description": "pid 1004, uptime 1:02:03",
    }


def test_json_of_everything_that_shows_something(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    changed(own_fake)

    def document(*words: str) -> object:
        return tmctl("--json", "-s", own_fake.url, *words).document

    assert document("pid") == {"pid": 4242}
    assert document("pid", "web", "nope") == {
        "processes": [{"name": "web", "pid": 1004}],
        "errors": ["No such process nope"],
    }
    assert document("list") == {"processes": [each.namespec for each in own_fake.processes]}
    assert document("summary", "api") == {
        "groups": [{"name": "api", "running": 2, "total": 3, "states": {"FATAL": 1, "RUNNING": 2}}]
    }
    assert document("version") == {
        "version": "4.3.0",
        "server": {"name": "tmd", "version": "0.1.0", "dialect": "native", "config": "/etc/taskmaster.yaml"},
    }
    avail = tmctl("--json", "-s", own_fake.url, "avail").document["processes"][0]
    assert (avail["name"], avail["process"], avail["inuse"]) == ("api:api_00", "api_00", True)
    assert document("reread") == {"added": ["new"], "changed": ["api", "batch"], "removed": ["web"]}
    detail = {"added": [], "removed": ["web_02"], "restarted": ["web_00"], "live": ["web_01"], "kept": ["web_01"]}
    assert document("update", "api") == {"added": [], "changed": [{"name": "api", **detail}], "removed": []}
    assert document("tail", "web") == {"text": "web says hello\nand goes on\n"}
    assert document("shutdown") == {"shutdown": True}
    assert document("nonsense") == {"errors": ["*** Unknown syntax: nonsense"]}
    assert document("start") == {"errors": ["Error: start requires a process name"]}


def test_json_of_results(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("restart", "web", "nope", "x:*", "--json", "-s", own_fake.url)
    assert ran.code != 0
    ran = tmctl("-s", own_fake.url, "restart", "web", "nope", "x:*", "--json")

    def result(name: str, done: str | None, error: str | None, code: int) -> dict[str, object]:
        return {"name": name, "ok": error is None, "result": done, "error": error, "fault": code}

    unknown = [result("nope", None, "no such process", 10), result("x", None, "no such group", 10)]
    assert ran.document == {
        "results": [result("web", "stopped", None, 80), *unknown, result("web", "started", None, 80), *unknown]
    }


def test_version_of_a_supervisord_as_json(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("--json", "-s", fake.url, "version").document == {"version": "4.3.0", "server": None}


def test_json_without_a_server(tmctl: Tmctl) -> None:
    ran = tmctl("--json", "-s", "unix:///nowhere.sock", "avail")
    assert (ran.document, ran.code) == ({"errors": ["error: unix:///nowhere.sock no such file"]}, 1)
    ran = tmctl("--json", "-s", "unix:///nowhere.sock", "status")
    assert (ran.document, ran.code) == ({"errors": ["unix:///nowhere.sock no such file"]}, 4)


@pytest.mark.parametrize("line", ["help", "fg web", "quit", "tail -f web"])
def test_what_has_no_json_says_so(line: str, fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("--json", "-s", fake.url, *line.split())
    assert ran.code == 2
    assert ran.document["errors"]


@pytest.mark.parametrize(
    ("line", "document"),
    [
        ("start all", {"results": []}),
        ("stop all", {"results": []}),
        ("clear all", {"results": []}),
        ("restart all", {"results": []}),
        ("update", {"added": [], "changed": [], "removed": []}),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_nothing_to_do_is_an_empty_list(
    line: str, document: dict[str, object], own: bool, tmp_path: Path, tmctl: Tmctl
) -> None:
    with FakeDaemon(tmp_path / "s", own=own) as daemon:
        daemon.processes.clear()
        assert tmctl("--json", "-s", daemon.url, *line.split()).document == document


# -- causes and remedies --


def test_nothing_runs(tmctl: Tmctl, tmp_path: Path) -> None:
    config = tmp_path / "t.yaml"
    config.write_text("taskmaster: {socket: s.sock, pidfile: p.pid}\n")
    ran = tmctl("-c", str(config), "status")
    assert ran.outcome == (f"unix://{tmp_path}/s.sock no such file\n", 4)
    assert ran.err == f"no daemon is running here (start one with: tmd -c {config})\n"


def test_the_socket_vanished_though_the_daemon_lives(tmctl: Tmctl, tmp_path: Path) -> None:
    config = tmp_path / "t.yaml"
    config.write_text("taskmaster: {socket: s.sock, pidfile: p.pid}\n")
    (tmp_path / "p.pid").write_text(f"{os.getpid()}\n")
    ran = tmctl("-c", str(config), "start", "web")
    assert ran.outcome == (f"unix://{tmp_path}/s.sock no such file\n", 7)
    assert (
        f"the daemon runs (pid {os.getpid()}, from {tmp_path}/p.pid) but its socket {tmp_path}/s.sock is gone"
        in ran.err
    )


def test_a_dead_pid_is_nobody(tmctl: Tmctl, tmp_path: Path) -> None:
    config = tmp_path / "t.yaml"
    config.write_text("taskmaster: {socket: s.sock, pidfile: p.pid}\n")
    (tmp_path / "p.pid").write_text("4194305\n")
    assert "no daemon is running" in tmctl("-c", str(config), "status").err


def test_the_configuration_points_elsewhere(tmctl: Tmctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "x.conf"
    config.write_text("[supervisorctl]\nserverurl=unix:///nowhere.sock\n")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    with FakeDaemon(tmp_path / "tmd.sock") as daemon:
        ran = tmctl("-c", str(config), "status")
    assert ran.err == f"a daemon listens on {daemon.url}, but {config} points elsewhere (use -s {daemon.url})\n"


def test_a_leftover_socket(tmctl: Tmctl, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    ran = tmctl("-s", f"unix://{tmp_path}/dead.sock", "status")
    assert ran.outcome == (f"unix://{tmp_path}/dead.sock refused connection\n", 4)
    assert "the socket is a leftover" in ran.err


def test_no_permission_names_owner_and_mode(tmp_path: Path) -> None:
    import errno

    from tmctl.config import Surroundings, Target
    from tmctl.connection import Unreachable, parse_url
    from tmctl.diagnose import explain

    path = tmp_path / "s.sock"
    path.touch(0o600)
    address = parse_url(f"unix://{path}")
    around = Surroundings({}, 1000, str(tmp_path), "/")
    text = explain(Unreachable(address.url, errno.EACCES, "permission denied"), address, Target(address.url), around)
    assert re.match(rf"no permission on {path} \(owner \S+, mode 0600\): run tmctl as that user", text)


def test_a_timeout_and_the_unforeseen_have_a_remedy(tmp_path: Path) -> None:
    import errno

    from tmctl.config import Surroundings, Target
    from tmctl.connection import Unreachable, parse_url
    from tmctl.diagnose import explain

    address = parse_url("http://127.0.0.1:1")
    around = Surroundings({}, 1000, str(tmp_path), "/")
    target = Target(address.url, source="-s")
    assert "does not answer" in explain(Unreachable(address.url, errno.ETIMEDOUT, ""), address, target, around)
    assert "try again" in explain(Unreachable(address.url, errno.ECONNRESET, ""), address, target, around)
    assert "the -s flag" in explain(Unreachable(address.url, 0, "unknown host"), address, target, around)


# -- authentication and other refusals --


def test_a_401_is_told_once_and_asked_once(tmp_path: Path, tmctl: Tmctl) -> None:
    with FakeDaemon(tmp_path / "s", password="secret") as daemon:
        assert tmctl("-s", daemon.url, "status").outcome == ("Server requires authentication\n", 1)
        assert daemon.requests == 1
        assert tmctl("-s", daemon.url, "-u", "me", "-p", "wrong", "pid").code == 1
        assert tmctl("-s", daemon.url, "-u", "me", "-p", "secret", "pid").outcome == ("4242\n", 0)


def test_the_password_may_come_from_the_environment(
    tmp_path: Path, tmctl: Tmctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMCTL_USERNAME", "me")
    monkeypatch.setenv("TMCTL_PASSWORD", "secret")
    with FakeDaemon(tmp_path / "s", password="secret") as daemon:
        monkeypatch.setenv("TMCTL_SERVERURL", daemon.url)
        assert tmctl("pid").outcome == ("4242\n", 0)


def test_faults_without_words_of_their_own_are_clean_lines(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.shutting_down = True
    assert tmctl("-s", fake.url, "status").outcome == ("error: the daemon is shutting down (SHUTDOWN_STATE)\n", 1)
    fake.shutting_down, fake.no_namespace = False, True
    ran = tmctl("-s", fake.url, "start", "web")
    assert ran.code == 3
    assert ran.out.startswith("Sorry, supervisord responded but did not recognize the supervisor namespace ")
    assert tmctl("-s", fake.url, "status").code == 4
    assert tmctl("-s", fake.url, "avail").outcome == (
        "error: the server does not know this command (UNKNOWN_METHOD)\n",
        1,
    )


def test_an_unknown_outcome_of_a_start_shows_the_servers_words(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.processes = [Process("web", "web", "STOPPED", "FAILED"), Process("x", "x", "STOPPED")]
    assert tmctl("-s", fake.url, "start", "web", "x").outcome == ("web: ERROR (FAILED: web)\nx: started\n", 1)


def test_a_slip_is_answered_with_the_nearest_command(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "stauts")
    assert (ran.out, ran.err) == ("*** Unknown syntax: stauts\n", "did you mean 'status'?\n")


def test_a_defect_is_a_line_too(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.raw_reply = b"<methodResponse><params><param><value><int>3</int></value></param></params></methodResponse>"
    ran = tmctl("-s", fake.url, "avail")
    assert ran.code == 1
    assert "Traceback" not in ran.out + ran.err


# -- help and the reference --


def test_every_command_has_help(fake: FakeDaemon, tmctl: Tmctl) -> None:
    for command in COMMANDS:
        ran = tmctl("-s", fake.url, "help", command.name)
        assert ran.code == 0
        assert ran.out.startswith(command.name)


def test_the_words_of_the_contract_are_all_commands() -> None:
    wanted = "add alert-test alerts attach avail clear exit fg help list logs maintail open pause pid pools quit reload"
    wanted += " remove reread restart resume shutdown signal start status stop summary tail top update upgrade version"
    wanted += " why"
    assert sorted(command.name for command in COMMANDS) == wanted.split()


def test_columns_run_down() -> None:
    assert columns(["a", "bb", "c"], 6) == ["a   c", "bb"]
    assert columns([], 10) == []


def test_the_reference_page_has_every_command_flag_and_code() -> None:
    page = commands_page()
    for command in COMMANDS:
        assert f"### {command.name}\n" in page
    for words in ("`-s, --serverurl URL`", "| 141 |", "TMCTL_CONFIG", "`uptime_s`"):
        assert words in page

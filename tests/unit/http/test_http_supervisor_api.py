"""`supervisor.*`: results, faults and their order, as Supervisor has them."""

import signal
import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import NOW, FakeDaemon, changed, group_of, spec_of
from tmd.config.plan import Plan
from tmd.config.settings import Autorestart, Settings
from tmd.daemon.surface import Result
from tmd.http.described import describe, uptime
from tmd.http.supervisor_api import signal_number
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.methods import METHODS
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState, ProcessState
from tmd.wire.structs import CONFIG_INFO, PROCESS_INFO

WEB, IDLE, A, B = ProcessId("web", "web"), ProcessId("idle", "idle"), ProcessId("g", "a"), ProcessId("g", "b")


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon(tmp_path)
    daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    daemon.add(group_of("idle", spec_of("idle"), priority=5))
    daemon.add(group_of("g", spec_of("b", "g"), spec_of("a", "g", priority=1)))
    return daemon


@pytest.fixture
def ask(daemon: FakeDaemon) -> Asker:
    return Asker(daemon)


# --- the daemon ---------------------------------------------------------------------------------------------------


def test_versions_and_identity(ask: Asker) -> None:
    assert ask("getAPIVersion") == ask("getVersion") == "3.0"
    assert ask("getSupervisorVersion") == "4.3.0"
    assert ask("getIdentification") == "supervisor"
    assert ask("getPID") == 4242


@pytest.mark.parametrize(("state", "shown"), [(DaemonState.RUNNING, (1, "RUNNING")), (DaemonState.FATAL, (2, "FATAL"))])
def test_the_daemons_state(daemon: FakeDaemon, ask: Asker, state: DaemonState, shown: tuple[int, str]) -> None:
    daemon.state = state
    assert ask("getState") == {"statecode": shown[0], "statename": shown[1]}


@pytest.mark.parametrize("method", ["shutdown", "restart"])
def test_ending_answers_at_once_and_refuses_all_else(daemon: FakeDaemon, ask: Asker, method: str) -> None:
    assert ask(method) is True
    assert daemon.asked == [(method,)]
    for name, wanted in METHODS.items():
        params = ["x"] * wanted.required
        if name.startswith("supervisor.") and name != "supervisor.sendRemoteCommEvent":
            assert ask.fault(name, *params) == "6 SHUTDOWN_STATE"
    assert ask("sendRemoteCommEvent", "k", "d") is True
    assert ask("system.methodSignature", "supervisor.getPID") == ["int"]
    assert ask("taskmaster.getVersion")["name"] == "tmd"
    assert ask.fault("taskmaster.update") == "6 SHUTDOWN_STATE"


def test_an_unknown_method_and_a_wrong_count_are_told_before_the_shutdown(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.state = DaemonState.SHUTDOWN
    assert ask.fault("supervisor.nope") == "1 UNKNOWN_METHOD"
    assert ask.fault("getPID", 1) == "2 INCORRECT_PARAMETERS"


def test_reread_tells_names(daemon: FakeDaemon, ask: Asker) -> None:
    old, new = group_of("c"), group_of("c", priority=1)
    daemon.plan = Plan(added=(group_of("n2"), group_of("n1")), changed=(changed(old, new),), removed=("r",))
    assert ask("reloadConfig") == [[["n2", "n1"], ["c"], ["r"]]]
    assert daemon.asked == [("reread", None)]


def test_groups_come_and_go(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("addProcessGroup", "new") is True
    assert ask("removeProcessGroup", "g") is True
    assert ask.fault("addProcessGroup", "g") == "90 ALREADY_ADDED: g"
    assert ask.fault("removeProcessGroup", "x") == "10 BAD_NAME: x"


# --- arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getPID", (1,)),
        ("startProcess", ()),
        ("startProcess", ("web", True, 1)),
        ("startProcess", (5,)),
        ("startProcess", ([],)),
        ("startProcess", (b"\xff",)),
        ("startProcess", ("web", [])),
        ("readLog", (0,)),
        ("readLog", ("x", 0)),
        ("readLog", (0, None)),
        ("readLog", (float("nan"), 0)),
        ("sendRemoteCommEvent", ("x", 1)),
        ("system.multicall", ("x",)),
        ("taskmaster.update", ([1],)),
    ],
)
def test_wrong_arguments(ask: Asker, method: str, params: tuple[Any, ...]) -> None:
    assert ask.fault(method, *params) == "2 INCORRECT_PARAMETERS"


def test_arguments_as_clients_send_them(daemon: FakeDaemon, ask: Asker) -> None:
    Path(daemon.mainlog or "").write_text("hello")
    assert ask("readLog", "1", 2.0) == "el"
    ask("startAllProcesses", 0)
    ask("startAllProcesses", None)
    ask("startAllProcesses")
    assert [asked[2] for asked in daemon.asked] == [False, False, True]


# --- start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "id_"), [("idle", IDLE), ("idle:idle", IDLE), ("g:a", A)])
def test_start_one(daemon: FakeDaemon, ask: Asker, name: str, id_: ProcessId) -> None:
    assert ask("startProcess", name) is True
    assert daemon.asked == [("start", [id_], True)]
    assert ask.fault("startProcess", name) == f"60 ALREADY_STARTED: {name}"


@pytest.mark.parametrize("name", ["nope", "g", "g:nope", "nope:a", "nope:*", "nope:", "", ":", "web:web:web"])
def test_unknown_names(ask: Asker, name: str) -> None:
    for method, more in (
        ("startProcess", ()),
        ("stopProcess", ()),
        ("signalProcess", ("TERM",)),
        ("getProcessInfo", ()),
    ):
        assert ask.fault(method, name, *more) == f"10 BAD_NAME: {name}"


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Result(IDLE, Fault.NO_FILE, "can't find command '/bin/idle'"), "20 NO_FILE: can't find command '/bin/idle'"),
        (Result(IDLE, Fault.NOT_EXECUTABLE, "why"), "21 NOT_EXECUTABLE: why"),
        (Result(IDLE, Fault.SPAWN_ERROR, "idle"), "50 SPAWN_ERROR: idle:idle"),
        (Result(IDLE, Fault.ABNORMAL_TERMINATION), "40 ABNORMAL_TERMINATION: idle:idle"),
        (
            Result(IDLE, Fault.FAILED, "idle is in an unknown process state"),
            "30 FAILED: idle is in an unknown process state",
        ),
    ],
)
def test_starts_that_fail(daemon: FakeDaemon, ask: Asker, result: Result, text: str) -> None:
    daemon.outcomes[IDLE] = result
    assert ask.fault("startProcess", "idle:idle") == text


@pytest.mark.parametrize(
    ("method", "params"), [("startProcess", ("g:*",)), ("startProcess", ("g:",)), ("startProcessGroup", ("g",))]
)
def test_start_a_group_by_priority(daemon: FakeDaemon, ask: Asker, method: str, params: tuple[str]) -> None:
    daemon.outcomes[B] = Result(B, Fault.SPAWN_ERROR)
    assert ask(method, *params, False) == [
        {"name": "a", "group": "g", "status": 80, "description": "OK"},
        {"name": "b", "group": "g", "status": 50, "description": "SPAWN_ERROR: g:b"},
    ]
    assert daemon.asked == [("start", [A, B], False)]


def test_start_all_skips_what_runs_and_goes_by_priority(daemon: FakeDaemon, ask: Asker) -> None:
    assert [item["name"] for item in ask("startAllProcesses")] == ["idle", "a", "b"]
    assert daemon.asked == [("start", [IDLE, A, B], True)]
    assert ask("startAllProcesses") == []
    assert ask("startProcessGroup", "g") == []


@pytest.mark.parametrize("method", ["startProcessGroup", "stopProcessGroup"])
def test_a_group_is_named_without_a_star(ask: Asker, method: str) -> None:
    assert ask.fault(method, "g:*") == "10 BAD_NAME: g:*"


def test_a_start_that_takes_time_is_pending(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.hold = True
    pending = ask("startProcess", "idle")
    daemon.held[0].resolve([Result(IDLE, Fault.ABNORMAL_TERMINATION)])
    with pytest.raises(RpcFault, match="ABNORMAL_TERMINATION: idle"):
        pending.outcome()


# --- stop ---------------------------------------------------------------------------------------------------------


def test_stop_one(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("stopProcess", "web", False) is True
    assert daemon.asked == [("stop", [WEB], False)]
    assert ask.fault("stopProcess", "web:web") == "70 NOT_RUNNING: web:web"


def test_stop_groups_and_all_skip_what_rests(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.change("a", "g", state=ProcessState.BACKOFF)
    assert ask("stopProcess", "g:*") == [{"name": "a", "group": "g", "status": 80, "description": "OK"}]
    assert [item["name"] for item in ask("stopAllProcesses")] == ["web"]
    assert ask("stopProcessGroup", "g") == []


# --- signal -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["HUP", "hup", "SIGHUP", " sighup ", "1", 1])
def test_signals_by_name_and_number(daemon: FakeDaemon, ask: Asker, wanted: Any) -> None:
    assert ask("signalProcess", "web", wanted) is True
    assert daemon.asked == [("signal", [WEB], 1)]


@pytest.mark.parametrize("wanted", ["NOPE", "", "99999", -1, 65, None, [], "SIG", "__class__", "9.5"])
def test_bad_signals(ask: Asker, wanted: Any) -> None:
    assert ask.fault("signalProcess", "web", wanted) == f"11 BAD_SIGNAL: {wanted}"


def test_real_time_signals_and_zero_are_signals() -> None:
    assert signal_number("RTMIN") == signal.SIGRTMIN
    assert signal_number(str(signal.SIGRTMIN + 1)) == signal.SIGRTMIN + 1
    assert signal_number(0) == 0


def test_the_name_is_looked_at_before_the_signal_and_the_signal_before_the_state(ask: Asker) -> None:
    assert ask.fault("signalProcess", "nope", "nope") == "10 BAD_NAME: nope"
    assert ask.fault("signalProcess", "idle", "nope") == "11 BAD_SIGNAL: nope"
    assert ask.fault("signalProcess", "idle", "") == "11 BAD_SIGNAL: "
    assert ask.fault("signalProcess", "idle", "HUP") == "70 NOT_RUNNING: idle"


def test_signal_groups_and_all(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.change("a", "g", state=ProcessState.STOPPING)
    assert [item["name"] for item in ask("signalProcess", "g:*", "USR1")] == ["a"]
    assert [item["name"] for item in ask("signalProcessGroup", "g", 10)] == ["a"]
    assert [item["name"] for item in ask("signalAllProcesses", "USR1")] == ["a", "web"]
    assert ask("signalAllProcesses", "nope")[1] == {
        "name": "web", "group": "web", "status": 11, "description": "BAD_SIGNAL: nope",
    }  # fmt: skip
    assert [item["description"] for item in ask("signalAllProcesses", "")] == ["BAD_SIGNAL: "] * 2


# --- information --------------------------------------------------------------------------------------------------


def test_process_info_has_every_key_and_type(daemon: FakeDaemon, ask: Asker) -> None:
    info = ask("getProcessInfo", "web")
    assert list(info) == [field.name for field in PROCESS_INFO]
    types = {"int": int, "string": str, "boolean": bool}
    assert {name: type(value) for name, value in info.items()} == {f.name: types[f.type] for f in PROCESS_INFO}
    assert info == {
        "name": "web", "group": "web", "start": int(NOW) - 3661, "stop": 0, "now": int(NOW), "state": 20,
        "statename": "RUNNING", "spawnerr": "", "exitstatus": 0, "logfile": f"{daemon.directory}/web.out",
        "stdout_logfile": f"{daemon.directory}/web.out", "stderr_logfile": f"{daemon.directory}/web.err",
        "pid": 100, "description": "pid 100, uptime 1:01:01",
        "paused": False, "starts": 1, "stopped_by_hand": False, "autorestart": "unexpected",
    }  # fmt: skip


def test_all_process_info_is_the_same_sorted(ask: Asker) -> None:
    everything = ask("getAllProcessInfo")
    assert [(info["group"], info["name"]) for info in everything] == [
        ("g", "a"),
        ("g", "b"),
        ("idle", "idle"),
        ("web", "web"),
    ]
    assert everything[3] == ask("getProcessInfo", "web")


def test_times_beyond_32_bits_are_capped(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.change("web", start=2.0**33, now=2.0**34, exitstatus=-1)
    info = ask("getProcessInfo", "web")
    assert (info["start"], info["now"], info["exitstatus"]) == (2**31 - 1, 2**31 - 1, -1)


def test_markup_and_control_characters_in_names_and_errors_arrive(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.add(group_of("<x>", spec_of("&%s", "<x>")), ProcessState.FATAL)
    daemon.change("&%s", "<x>", spawnerr="bad <b> \x1b%d", stdout_logfile="/a&b")
    info = ask("getProcessInfo", "<x>:&%s")
    assert (info["name"], info["spawnerr"], info["logfile"]) == ("&%s", "bad <b> \ufffd%d", "/a&b")


def test_whole_groups_have_no_info(ask: Asker) -> None:
    assert ask.fault("getProcessInfo", "g:*") == "10 BAD_NAME: g:*"


def _supervisors_description(view: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
    info = {
        "state": int(view.state), "start": int(view.start), "stop": int(view.stop), "now": int(view.now),
        "pid": view.pid, "spawnerr": view.spawnerr, "name": view.id.process,
    }  # fmt: skip
    return str(SupervisorNamespaceRPCInterface(None)._interpretProcessInfo(info))


@pytest.mark.parametrize("state", list(ProcessState))
@pytest.mark.parametrize("spawnerr", ["", "Exited too quickly"])
@pytest.mark.parametrize("start", [0.0, NOW - 59.9, NOW - 86_399, NOW - 86_400, NOW - 3 * 86_400.5, NOW + 100])
def test_descriptions_are_supervisors(daemon: FakeDaemon, state: ProcessState, spawnerr: str, start: float) -> None:
    daemon.change("web", state=state, spawnerr=spawnerr, start=start, stop=NOW - 5, pid=7)
    view = daemon.table[WEB]
    assert describe(view) == _supervisors_description(view)


def test_a_paused_process_says_so(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.change("web", paused=True)
    assert ask("getProcessInfo", "web")["description"] == "pid 100, uptime 1:01:01, paused"
    assert ask("getProcessInfo", "web")["paused"] is True


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0:00:00"), (61, "0:01:01"), (86_400, "1 day, 0:00:00"), (190_000, "2 days, 4:46:40")]
)
def test_uptime(seconds: int, text: str) -> None:
    assert uptime(seconds) == text


def test_config_info(daemon: FakeDaemon, ask: Asker) -> None:
    spec = spec_of("z", "later", exitcodes=(0, 2), startsecs=2.5, uid=1000, stdout_logfile="/l", stderr_logfile=None,
                   autorestart=Autorestart.ALWAYS, environment={"SECRET": "x"})  # fmt: skip
    daemon.available = Settings(
        dialect=daemon.settings.dialect, daemon=daemon.settings.daemon,
        groups=(daemon.specs["web"], group_of("later", spec, priority=7)),
        shadowed=(group_of("web", spec_of("a", "web")),),
    )  # fmt: skip
    shadow, web, later = ask("getAllConfigInfo")
    assert set(later) == {field.name for field in CONFIG_INFO}
    assert (shadow["name"], web["name"], later["name"]) == ("a", "web", "z")
    assert (later["inuse"], web["inuse"], shadow["inuse"]) == (False, True, True)
    assert later["exitcodes"] == [0, 2]
    assert (later["startsecs"], web["startsecs"]) == (2.5, 1)
    assert (later["uid"], web["uid"]) == (1000, "none")
    assert (later["stdout_logfile"], later["stderr_logfile"]) == ("/l", "none")
    assert (web["stdout_logfile"], shadow["stdout_logfile"]) == (f"{daemon.directory}/web.out", "auto")
    assert (later["autorestart"], later["group_prio"], later["process_prio"]) == ("always", 7, 999)
    assert (web["directory"], web["serverurl"], web["stopsignal"]) == ("none", "none", 15)
    assert "SECRET" not in str(later)


def test_a_changed_spec_is_described_as_asked_for(daemon: FakeDaemon, ask: Asker) -> None:
    new = group_of("web", spec_of("web", startsecs=5))
    daemon.available = msgspec.structs.replace(daemon.settings, groups=(new,))
    assert ask("getAllConfigInfo")[0]["stdout_logfile"] == "auto"


# --- stdin, events, logs ------------------------------------------------------------------------------------------


def test_stdin_takes_text_and_bytes(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("sendProcessStdin", "web", "é\n") is True
    assert ask("sendProcessStdin", "web:web", b"\xff\0") is True
    assert daemon.asked == [("send_stdin", WEB, b"\xc3\xa9\n"), ("send_stdin", WEB, b"\xff\0")]


def test_stdin_refusals_come_in_order(ask: Asker) -> None:
    assert ask.fault("sendProcessStdin", "nope", 5) == "2 INCORRECT_PARAMETERS: 5"
    assert ask.fault("sendProcessStdin", "nope", None) == "2 INCORRECT_PARAMETERS: None"
    assert ask.fault("sendProcessStdin", "g:*", "x") == "10 BAD_NAME: g:*"
    assert ask.fault("sendProcessStdin", "idle:idle", "x") == "70 NOT_RUNNING: idle:idle"


def test_remote_events(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("sendRemoteCommEvent", "kind", "dätä") is True
    assert daemon.asked == [("remote_event", "kind", "dätä")]


def test_clearing_logs(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("clearLog") is True
    assert ask("clearProcessLogs", "idle") is True
    assert ask("clearProcessLog", "g:a") is True
    daemon.outcomes[A] = Result(A, Fault.FAILED)
    assert ask.fault("clearProcessLogs", "g:a") == "30 FAILED: g:a"
    assert ask.fault("clearProcessLogs", "g:*") == "10 BAD_NAME: g:*"
    assert [(item["name"], item["status"], item["description"]) for item in ask("clearAllProcessLogs")] == [
        ("idle", 80, "OK"), ("a", 30, "FAILED: g:a"), ("b", 80, "OK"), ("web", 80, "OK"),
    ]  # fmt: skip


def test_a_log_that_is_not_there(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.change("web", stderr_logfile="")
    missing = f"{daemon.directory}/web.out"
    assert ask.fault("readProcessStdoutLog", "web", 0, 0) == f"20 NO_FILE: {missing}"
    assert ask.fault("readProcessStderrLog", "web", 0, 0) == "20 NO_FILE"
    assert ask.fault("readLog", 0, 0).startswith("20 NO_FILE")
    daemon.mainlog = None
    assert ask.fault("readMainLog", 0, 0) == "20 NO_FILE"
    assert ask("tailProcessStdoutLog", "web", 0, 10) == ["", 0, False]
    assert ask("tailProcessStderrLog", "web", 0, 10) == ["", 0, False]
    assert ask.fault("tailProcessLog", "g:*", 0, 10) == "10 BAD_NAME: g:*"


def test_channels_are_not_mixed_up(daemon: FakeDaemon, ask: Asker) -> None:
    (daemon.directory / "web.out").write_bytes(b"out\xff\x1b")
    (daemon.directory / "web.err").write_bytes(b"err")
    assert ask("readProcessStdoutLog", "web", 0, 0) == ask("readProcessLog", "web", 0, 0) == "out\ufffd\ufffd"
    assert ask("readProcessStderrLog", "web", 0, 0) == "err"
    assert (
        ask("tailProcessStdoutLog", "web", 0, 9) == ask("tailProcessLog", "web", 0, 9) == ["out\ufffd\ufffd", 5, False]
    )
    assert ask("tailProcessStderrLog", "web", 0, 9) == ["err", 3, False]


def test_a_callers_own_text_is_repeated_in_part_only(ask: Asker) -> None:
    assert len(ask.fault("getProcessInfo", "x" * 100_000)) < 250
    assert len(ask.fault("signalProcess", "web", "x" * 100_000)) < 250
    assert len(ask.fault("sendProcessStdin", "web", ["x"] * 100_000)) < 250
    assert len(ask.fault("startProcess", "x" * 100_000 + ":*")) < 250

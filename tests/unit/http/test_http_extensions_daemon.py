"""The daemon object: what an extension sees of the daemon, what it can do, and what it cannot."""

import configparser
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import NOW, FakeDaemon, group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.config.settings import Autorestart, ServerSpec
from tmd.daemon.surface import Result
from tmd.http import own_thread
from tmd.http.daemon_object import DaemonObject
from tmd.http.own_thread import OwnThread
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState, ProcessState

WEB, IDLE = ProcessId("web", "web"), ProcessId("g", "idle")


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon(tmp_path)
    daemon.add(group_of("web", spec_of("web", environment={"A": "1"}), priority=2), ProcessState.RUNNING)
    daemon.add(group_of("g", spec_of("idle", "g", autorestart=Autorestart.NEVER), priority=1))
    return daemon


@pytest.fixture
def supervisord(daemon: FakeDaemon) -> DaemonObject:
    made = DaemonObject(daemon, Asker(daemon).rpc)
    made.loaded()
    return made


def test_groups_and_processes_are_what_they_are_now(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    groups = supervisord.process_groups
    assert list(groups) == ["g", "web"]
    assert len(groups) == 2
    assert "nope" not in groups
    assert groups.get("nope") is None
    group = groups["web"]
    assert (group.config.name, group.config.priority) == ("web", 2)
    assert [config.name for config in group.config.process_configs] == ["web"]
    process = group.processes["web"]
    assert process.group is group
    assert (process.pid, process.state, process.get_state()) == (100, 20, 20)
    assert (process.laststart, process.laststop) == (NOW - 3661, 0)
    assert (process.spawnerr, process.exitstatus) == (None, 0)
    assert not process.killing
    assert not process.administrative_stop
    assert group.get_unstopped_processes()[0].pid == 100
    assert groups["g"].get_unstopped_processes() == []
    assert repr(process) == "<process web, RUNNING>"
    daemon.change("web", state=ProcessState.STOPPING, spawnerr="odd", exitstatus=3, stopped_by_hand=True)
    assert (process.state, process.spawnerr, process.exitstatus) == (40, "odd", 3)
    assert process.killing
    assert process.administrative_stop
    daemon.add(group_of("late", spec_of("late")))
    assert "late" in groups


def test_what_has_gone_is_as_if_never_started(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    group = supervisord.process_groups["web"]
    process = group.processes["web"]
    del daemon.table[WEB], daemon.specs["web"]
    assert (process.pid, process.state, process.laststart, process.laststop) == (0, 0, 0, 0)
    assert (process.spawnerr, process.exitstatus, process.administrative_stop) == (None, 0, False)
    assert process.config.command == "/bin/web"
    assert group.config.name == "web"
    with pytest.raises(KeyError):
        supervisord.process_groups["web"]


def test_settings_of_a_process_have_supervisors_names(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    config = supervisord.process_groups["web"].processes["web"].config
    assert (config.name, config.command, config.priority, config.exitcodes) == ("web", "/bin/web", 999, [0])
    assert config.stdout_logfile == str(daemon.directory / "web.out")
    assert config.autorestart == "unexpected"
    assert supervisord.process_groups["g"].processes["idle"].config.autorestart is False
    config.environment["A"] = "2"
    assert config.environment == {"A": "1"}
    assert config.options is supervisord.options
    assert supervisord.process_groups["web"].processes["web"].get_execv_args() == ("/bin/web", ["/bin/web"])
    with pytest.raises(AttributeError, match="after_setuid"):
        config.after_setuid()


def test_nothing_can_be_set(supervisord: DaemonObject) -> None:
    process = supervisord.process_groups["web"].processes["web"]
    for thing, name in (
        (supervisord, "stopping"),
        (supervisord, "anything"),
        (supervisord.options, "mood"),
        (supervisord.options, "identifier"),
        (process, "state"),
        (process, "pid"),
        (process.config, "command"),
        (process.group.config, "priority"),
    ):
        with pytest.raises(AttributeError):
            setattr(thing, name, 1)
    process.group.config.process_configs.clear()
    assert process.group.config.process_configs
    with pytest.raises(TypeError):
        supervisord.process_groups["x"] = 1  # type: ignore[index]
    with pytest.raises(TypeError, match="not what make_process returned"):
        process.group.processes["x"] = process


def test_while_extensions_are_loaded_the_groups_are_those_to_come(daemon: FakeDaemon) -> None:
    daemon.settings = daemon.available
    groups = list(daemon.specs)
    daemon.specs.clear()
    daemon.table.clear()
    supervisord = DaemonObject(daemon, Asker(daemon).rpc)
    assert sorted(supervisord.process_groups) == sorted(groups)
    assert supervisord.process_groups["web"].processes["web"].state == 0
    with pytest.raises(KeyError):
        supervisord.process_groups["web"].processes["nope"]
    supervisord.loaded()
    assert not supervisord.process_groups


def test_options_are_those_of_the_daemon(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    servers = (
        ServerSpec(section="unix_http_server", family="unix", file="/run/s"),
        ServerSpec(section="inet_http_server", family="inet", host="h", port=9001, username="u", password="p"),
    )
    daemon.settings = msgspec.structs.replace(daemon.settings, servers=servers)
    options = supervisord.options
    assert (options.identifier, options.loglevel, options.nodaemon) == ("supervisor", 20, False)
    assert (options.logfile, options.mood, options.get_pid()) == (daemon.mainlog, 1, 4242)
    assert (options.configfile, options.here) == ("/etc/taskmaster.yaml", "/etc")
    assert options.serverurl == "unix:///run/s"
    unix, inet = options.server_configs
    assert (unix["file"], unix["section"]) == ("/run/s", "unix_http_server")
    assert (inet["host"], inet["port"], inet["username"], inet["password"]) == ("h", 9001, "u", "p")
    assert sorted(config.name for config in options.process_group_configs) == ["g", "web"]
    with pytest.raises(AttributeError, match="httpservers"):
        options.httpservers()
    assert (supervisord.get_state(), supervisord.stopping) == (1, False)
    daemon.state = DaemonState.SHUTDOWN
    assert (supervisord.get_state(), options.mood, supervisord.stopping) == (-1, -1, True)


def test_the_logger_fills_in_as_supervisors_does(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    logger = supervisord.options.logger
    for name in ("critical", "error", "warn", "info", "debug", "trace", "blather"):
        getattr(logger, name)("100% %(what)s", what="x")
        getattr(logger, name)("100%")
    logger.info("%(what)s is %(missing)s", what="x")
    logger.log(35, "between")
    logger.log(0, "below")
    levels = ("CRIT", "ERRO", "WARN", "INFO", "DEBG", "TRAC", "BLAT")
    assert [level for level, _ in daemon.logged[:14]] == [level for level in levels for _ in range(2)]
    assert daemon.logged[1] == ("CRIT", "100%")
    assert daemon.logged[14:] == [
        ("INFO", "%(what)s is %(missing)s {'what': 'x'}"),
        ("WARN", "between"),
        ("BLAT", "below"),
    ]
    assert logger.level == 20


def test_verbs_of_a_process_go_the_way_of_the_methods(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    web = supervisord.process_groups["web"].processes["web"]
    idle = supervisord.process_groups["g"].processes["idle"]
    idle.spawn()
    web.signal("HUP")
    web.write("ä")
    web.removelogs()
    web.stop()
    web.transition()
    web.stop_report()
    assert daemon.asked == [
        ("start", [IDLE], False),
        ("signal", [WEB], 1),
        ("send_stdin", WEB, b"\xc3\xa4"),
        ("clear_logs", [WEB]),
        ("stop", [WEB], False),
    ]
    with pytest.raises(RpcFault, match="NOT_RUNNING: web"):
        web.stop()
    daemon.outcomes[WEB] = Result(WEB, Fault.NO_FILE, "/bin/web")
    with pytest.raises(RpcFault, match="NO_FILE: /bin/web"):
        web.spawn()


def test_programs_can_be_added_and_removed(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    assert supervisord.add_program("g", "n", {"command": "/bin/n", "autostart": False, "startsecs": 0}) == ["g:n"]
    assert daemon.asked == [("add_program", "g", "n", {"command": "/bin/n", "autostart": "false", "startsecs": "0"})]
    supervisord.remove_process("g", "n")
    assert list(supervisord.process_groups["g"].processes) == ["idle"]
    with pytest.raises(RpcFault, match="must be one value"):
        supervisord.add_program("g", "n", {"command": ["a"]})


def test_programs_can_be_added_as_supervisors_objects_are(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    parser = configparser.RawConfigParser()
    parser.read_dict({"program:n": {"command": "/bin/n", "numprocs": "2"}, "program:bad": {"numprocs": "1"}})
    group = supervisord.process_groups["g"]
    configs = supervisord.options.processes_from_section(parser, "program:n", "g")
    assert [config.name for config in configs] == ["n_0", "n_1"]
    assert daemon.asked == []
    for config in configs:
        config.create_autochildlogs()
        group.processes[config.name] = config.make_process(group)
    assert daemon.asked == [("add_program", "g", "n", {"command": "/bin/n", "numprocs": "2"})]
    assert list(group.processes) == ["idle", "n_0", "n_1"]
    del group.processes["n_0"]
    assert daemon.asked[1:] == [("remove_process", ProcessId("g", "n_0"))]
    with pytest.raises(ValueError, match="does not specify a command"):
        supervisord.options.processes_from_section(parser, "program:bad", "g")
    with pytest.raises(TypeError):
        supervisord.process_groups["web"].processes["n_0"] = configs[0].make_process()
    with pytest.raises(ValueError, match="is there already"):
        group.processes["idle"].config.make_process(group)


def test_groups_come_and_go(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    assert not supervisord.add_process_group(supervisord.options.process_group_configs[0])
    assert supervisord.add_process_group("new")
    assert not supervisord.remove_process_group("web")
    assert supervisord.remove_process_group("g")
    with pytest.raises(RpcFault, match="BAD_NAME"):
        supervisord.remove_process_group("nope")
    assert daemon.asked == [("add_group", "new"), ("remove_group", "g"), ("remove_group", "nope")]


def test_events_go_out_and_come_in_until_the_end(daemon: FakeDaemon, supervisord: DaemonObject) -> None:
    heard: list[tuple[str, str]] = []
    supervisord.emit("DEPLOYED", "version:7")
    assert daemon.asked == [("emit", "DEPLOYED", "version:7")]
    unsubscribe = supervisord.subscribe(lambda name, payload: heard.append((name, payload)))
    supervisord.subscribe(lambda name, payload: heard.append((name, "again")))
    for tell in daemon.subscribers:
        tell("X", "y")
    assert heard == [("X", "y"), ("X", "again")]
    unsubscribe()
    unsubscribe()
    assert len(daemon.subscribers) == 1
    (tell,) = daemon.subscribers
    supervisord.close()
    tell("X", "z")
    assert len(heard) == 2
    assert daemon.subscribers == []


# --- threads --------------------------------------------------------------------------------------------------


def in_thread(work: Any) -> Any:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as why:  # noqa: BLE001 - handed to the test
            outcome.append(why)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return outcome[0]


def test_in_another_thread_a_verb_is_done_in_the_daemons_own(serving: Serving) -> None:
    daemon, where = serving.daemon, []
    supervisord = serving.in_loop(lambda: DaemonObject(daemon, serving.rpc))
    supervisord.loaded()

    def emit(_name: str, _payload: str) -> bool:
        where.append(threading.current_thread().name)
        return False

    daemon.emit = emit  # type: ignore[method-assign,assignment]
    assert in_thread(lambda: supervisord.emit("X")) is False
    assert where == ["serving"]
    assert in_thread(lambda: supervisord.call("supervisor.getPID")) == 4242
    assert in_thread(supervisord.process_groups["g"].processes["a"].stop).code is Fault.NOT_RUNNING
    assert in_thread(lambda: supervisord.process_groups["web"].processes["web"].pid) == 100


def test_functions_are_called_later_in_the_daemons_thread_and_not_after_its_end(serving: Serving) -> None:
    supervisord = serving.in_loop(lambda: DaemonObject(serving.daemon, serving.rpc))
    called = threading.Event()
    never: list[int] = []
    supervisord.call_later(0.01, called.set)
    assert called.wait(5)
    posted = threading.Event()
    supervisord.post(posted.set)
    assert posted.wait(5)
    cancel = supervisord.call_later(100, lambda: never.append(1))
    assert serving.daemon.timers
    cancel()
    assert not serving.daemon.timers
    serving.in_loop(supervisord.close)
    supervisord.post(lambda: never.append(2))
    serving.in_loop(lambda: None)
    assert never == []


def test_work_of_its_own_thread_is_an_operation(serving: Serving) -> None:
    class RPCError(Exception):
        code, text = 230, "theirs"

    def fail() -> None:
        raise RPCError

    supervisord = serving.in_loop(lambda: DaemonObject(serving.daemon, serving.rpc))
    results: list[Any] = []
    done = threading.Event()

    def take(operation: Any) -> None:
        results.append(operation.fault.text if operation.fault else operation.value)
        if len(results) == 2:
            done.set()

    supervisord.in_worker(lambda: 7).then(take)
    supervisord.in_worker(fail).then(take)
    assert done.wait(5)
    assert sorted(map(str, results)) == ["7", "theirs"]


def test_a_daemon_that_does_not_get_round_to_it_blocks_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_thread, "HAND_OVER_S", 0.01)
    mine = OwnThread(lambda callback: None)
    assert mine.run(lambda: 1) == 1
    assert "did not get round to it within 0.01 s" in str(in_thread(lambda: mine.run(lambda: 1)))


def test_what_changes_while_it_is_read_is_read_again_in_the_daemons_thread(serving: Serving) -> None:
    mine = serving.in_loop(lambda: OwnThread(serving.loop.post))

    def read() -> str:
        if threading.current_thread().name != "serving":
            raise RuntimeError("dictionary changed size during iteration")
        return "read"

    assert mine.look(read) == "read"


def test_what_ends_another_thread_does_not_end_the_daemons(serving: Serving) -> None:
    own = serving.in_loop(lambda: OwnThread(serving.loop.post))
    seen: list[str] = []

    def leave() -> None:
        raise SystemExit(threading.current_thread().name)

    def ask() -> None:
        try:
            own.run(leave)
        except SystemExit as why:
            seen.append(str(why))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(20)
    assert seen == ["serving"]


def test_a_callback_that_fails_keeps_no_other_from_the_outcome(serving: Serving) -> None:
    daemon = serving.daemon
    daemon.hold = True
    supervisord = serving.in_loop(lambda: DaemonObject(daemon, serving.rpc))
    supervisord.loaded()
    heard: list[str] = []

    def fail(_: Any) -> None:
        heard.append("first")
        raise SystemExit("callback")

    def stop() -> None:
        promise = supervisord.call("supervisor.stopProcess", "web:web")
        promise.then(fail)
        promise.then(lambda it: heard.append(str(it())))
        daemon.held[0].then(lambda _: heard.append("our own"))
        daemon.held[0].resolve([Result(WEB)])

    serving.in_loop(stop)
    assert heard == ["first", "True", "our own"]
    done = threading.Event()

    def work() -> None:
        work = supervisord.in_worker(lambda: "worked")
        work.then(fail)
        work.then(lambda it: heard.append(it.value))
        work.then(lambda _: done.set())

    serving.in_loop(work)
    assert done.wait(5)
    assert heard[3:] == ["first", "worked"]
    assert [text.splitlines()[-1] for text in daemon.errors] == ["SystemExit: callback"] * 2

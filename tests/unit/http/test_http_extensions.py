"""Extensions: how they are made, what becomes a method, what goes in and out."""

import threading
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support import eventually
from tests.unit.http import plugins_for_tests as plugins
from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import FakeDaemon, group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.config.settings import ExtensionSpec
from tmd.daemon.surface import Result, StartRefused
from tmd.http.deferred import NOT_DONE_YET, Deferreds
from tmd.http.extensions import Extensions, load_extensions, signature_in
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState, ProcessState

HERE = "tests.unit.http.plugins_for_tests"


def extension(name: str = "x", factory: str = f"{HERE}:Echo", **options: str) -> ExtensionSpec:
    return ExtensionSpec(name=name, factory=factory, options=options)


def give(daemon: FakeDaemon, *specs: ExtensionSpec) -> None:
    daemon.settings = msgspec.structs.replace(daemon.settings, rpcinterfaces=specs)


class Loader:
    """Loads extensions into a fake daemon; closes them after the test."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon
        self.ask = Asker(daemon)
        self.loaded: list[Extensions] = []

    def __call__(self, *specs: ExtensionSpec) -> Asker:
        give(self.daemon, *specs)
        self.loaded.append(load_extensions(self.daemon, self.ask.rpc))
        return self.ask


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon(tmp_path)
    daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    return daemon


@pytest.fixture
def load(daemon: FakeDaemon) -> Any:
    loader = Loader(daemon)
    yield loader
    for loaded in loader.loaded:
        loaded.close()


# --- being made -----------------------------------------------------------------------------------------------


def test_a_factory_gets_the_daemon_and_the_options_as_text(load: Loader) -> None:
    ask = load(extension(colour="red"), extension("y", colour="blue"))
    assert ask("x.option", "colour") == "red"
    assert ask("y.option", "colour") == "blue"
    assert load.daemon.logged == [
        ("INFO", "RPC interface 'x' initialized"),
        ("INFO", "RPC interface 'y' initialized"),
    ]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (extension(factory=f"{HERE}:explode"), f"'{HERE}:explode' raised ValueError: no good"),
        (extension(factory=f"{HERE}:leave"), f"'{HERE}:leave' raised SystemExit: 3"),
        (extension(factory=f"{HERE}:Echo", **{"not a word": "1"}), ""),
        (extension(factory=f"{HERE}:Additional", extra="1"), f"'{HERE}:Additional' raised TypeError: "),
        (extension(factory=f"{HERE}:not_callable"), f"'{HERE}:not_callable' cannot be called (its type is int)"),
        (extension(factory=f"{HERE}:interrupt"), f"'{HERE}:interrupt' raised KeyboardInterrupt"),
        (extension(factory=f"{HERE}:Unlisted"), "its methods cannot be listed: SystemExit: not to be looked at"),
        (extension(factory=f"{HERE}:nobody"), f"cannot resolve '{HERE}:nobody': AttributeError: "),
        (extension(factory="no.such.module:x"), "cannot resolve 'no.such.module:x': ModuleNotFoundError: "),
        (extension("system"), "'system.' begins the names of our own methods"),
        (extension("taskmaster"), "'taskmaster.' begins the names of our own methods"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(load: Loader, spec: ExtensionSpec, reason: str) -> None:
    if not reason:
        assert load(spec)("x.option", "not a word") == "1"
        return
    with pytest.raises(StartRefused) as refused:
        load(spec)
    assert str(refused.value).startswith(f"cannot load [rpcinterface:{spec.name}]: {reason}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("method", ["supervisor.restart", "supervisor.shutdown", "taskmaster.reload"])
def test_a_factory_cannot_end_the_daemon_that_makes_it(load: Loader, method: str) -> None:
    with pytest.raises(StartRefused) as refused:
        load(extension(factory=f"{HERE}:end", method=method))
    assert f"FAILED: cannot call {method} while extensions are being made" in str(refused.value)
    assert load.daemon.asked == []
    load(extension())
    plugins.MADE[-1].supervisord.call(method)
    assert load.daemon.asked[0][0] == method.partition(".")[2]


def test_a_factory_that_returns_none_makes_an_extension_without_methods(load: Loader) -> None:
    ask = load(extension(factory=f"{HERE}:nothing"))
    assert not [name for name in ask("system.listMethods") if name.startswith("x.")]
    assert load.daemon.logged == [
        ("WARN", f"[rpcinterface:x] has no methods: '{HERE}:nothing' returned None"),
        ("INFO", "RPC interface 'x' initialized"),
    ]


def test_the_traceback_of_a_failed_factory_is_in_the_log(load: Loader) -> None:
    with pytest.raises(StartRefused):
        load(extension(factory=f"{HERE}:explode"))
    assert "Traceback" in load.daemon.errors[0]
    assert "in explode" in load.daemon.errors[0]


# --- methods --------------------------------------------------------------------------------------------------


def test_public_methods_of_the_class_can_be_called_and_nothing_else(load: Loader) -> None:
    ask = load(extension())
    assert ask("x.undocumented", "a") == "a"
    assert ask("x.of_the_class") == "Echo"
    for name in (
        "_secret",
        "helper",
        "bound",
        "supervisord",
        "exploding",
        "static",
        "partial",
        "nope",
        "__init__",
        "echo.x",
        "",
    ):
        assert ask.fault(f"x.{name}") == "1 UNKNOWN_METHOD"
    listed = ask("system.listMethods")
    assert listed == sorted(listed)
    assert [name for name in listed if name.startswith("x.")] == [
        "x.echo", "x.fail", "x.give", "x.later", "x.of_the_class", "x.operate", "x.option", "x.through",
        "x.undocumented",
    ]  # fmt: skip


def test_help_and_signature_come_from_the_docstring(load: Loader) -> None:
    ask = load(extension())
    assert ask("system.methodHelp", "x.echo").startswith("Return the arguments.")
    assert ask("system.methodSignature", "x.echo") == ["array", "string", "int"]
    assert ask("system.methodHelp", "x.undocumented") == ""
    assert ask.fault("system.methodSignature", "x.undocumented") == "4 SIGNATURE_UNSUPPORTED"


def test_signatures_are_read_as_supervisor_reads_them() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from supervisor.xmlrpc import RPCError, SystemNamespaceRPCInterface
    for text in (
        "@return int",
        "Text\n  @param string a  b c\n  @param\tint b\n  more @param no no\n@return array x",
        "@return",
        "@param",
        "@return int\n@return string again",
        "@param struct",
        "",
    ):

        class Namespace:
            def method(self) -> None: ...

        Namespace.method.__doc__ = text
        real: Any = SystemNamespaceRPCInterface([("ns", Namespace())])
        try:
            expected = real.methodSignature("ns.method")
        except RPCError:
            expected = None
        assert signature_in(text) == expected, text


def test_methods_of_the_namespace_supervisor_add_to_ours_and_replace_them(load: Loader) -> None:
    ask = load(extension("supervisor", f"{HERE}:Additional"))
    assert ask("supervisor.getPID") == 1
    assert ask("supervisor.getMore") == "more"
    assert ask("supervisor.getAPIVersion") == "3.0"
    assert ask("system.listMethods").count("supervisor.getPID") == 1


@pytest.mark.filterwarnings("ignore")
def test_methods_inherited_from_supervisor_are_answered_by_ours(load: Loader) -> None:
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    ask = load(extension("base", factory), extension("supervisor", factory))
    assert ask("base.getPID") == ask("supervisor.getPID") == 4242
    assert ask("base.stopProcess", "web") is True
    assert load.daemon.asked == [("stop", [("web", "web")], True)]
    assert ask.fault("base.getProcessInfo", "nope") == "10 BAD_NAME: nope"


def test_a_call_while_the_daemon_stops_is_the_extensions_own_business(load: Loader) -> None:
    ask = load(extension())
    load.daemon.state = DaemonState.SHUTDOWN
    assert ask("x.undocumented", "a") == "a"
    assert ask.fault("supervisor.getPID") == "6 SHUTDOWN_STATE"
    assert ask("system.listMethods")


# --- arguments and results ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("bytes", b"\x00\xff"),
        ("moment", "20260102T03:04:05"),
        ("nested", {"a": [1, {"b": [b"x", 2.5]}]}),
    ],
)
def test_results_arrive_as_they_are(load: Loader, what: str, seen: Any) -> None:
    value = load(extension())("x.give", what)
    if what == "nested":
        value["a"][1]["b"][0] = value["a"][1]["b"][0].data
    assert getattr(value, "data", getattr(value, "value", value)) == seen


@pytest.mark.parametrize("what", ["none", "huge", "object", "keys", "set", "class", "generator"])
def test_what_cannot_be_sent_is_an_error_in_the_log(serving: Serving, what: str) -> None:
    with loaded(serving, extension()):
        status, _ = serving.post(xmlrpc.client.dumps((what,), "x.give").encode())
        assert status == 500
        assert "x.give() failed" in serving.daemon.errors[0]


def test_arguments_arrive_as_they_were_sent(serving: Serving) -> None:
    moment = xmlrpc.client.DateTime("20260102T03:04:05")
    with loaded(serving, extension()), serving.proxy() as proxy:
        assert proxy.x.echo(1, "a", [1.5, {"k": True}]) == [1, "a", [1.5, {"k": True}]]
        (returned,) = proxy.x.echo(xmlrpc.client.Binary(b"\xff"))
        assert returned.data == b"\xff"
        assert proxy.x.echo(moment) == [moment]
        with pytest.raises(xmlrpc.client.Fault, match="INCORRECT_PARAMETERS"):
            proxy.x.echo(xmlrpc.client.DateTime("20269902T03:04:05"))


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("ours", "10 BAD_NAME: x"),
        ("theirs", "230 NOT_IN_WHITELIST: x"),
        ("library", "7 seven"),
        ("type", "2 INCORRECT_PARAMETERS"),
        ("unnamed", "77 UNKNOWN: x"),
        ("unmade", "30 FAILED: Unmade was raised without code and text"),
    ],
)
def test_faults_reach_the_caller(load: Loader, how: str, fault: str) -> None:
    assert load(extension()).fault("x.fail", how) == fault


def test_wrong_arguments_are_a_fault_and_leave_a_trace(load: Loader) -> None:
    ask = load(extension())
    assert ask.fault("x.undocumented") == "2 INCORRECT_PARAMETERS"
    assert ask.fault("x.undocumented", 1, 2) == "2 INCORRECT_PARAMETERS"
    assert "TypeError" in load.daemon.traces[-1]


@pytest.mark.parametrize("how", ["value", "codeless", "exit", "interrupt", "generator", "mute"])
def test_any_other_exception_is_http_500_with_a_traceback(serving: Serving, how: str) -> None:
    with loaded(serving, extension()), serving.proxy() as proxy:
        status, _ = serving.post(xmlrpc.client.dumps((how,), "x.fail").encode())
        assert status == 500
        assert proxy.x.undocumented("and all goes on") == "and all goes on"
    assert "Traceback" in serving.daemon.errors[0]


def test_multicall_takes_extensions_too(serving: Serving) -> None:
    calls = [
        {"methodName": "x.later", "params": [2, "done"]},
        {"methodName": "x.fail", "params": ["theirs"]},
        {"methodName": "x.fail", "params": ["value"]},
        {"methodName": "supervisor.getPID"},
        {"methodName": "x.fail", "params": ["exit"]},
        {"methodName": "x.fail", "params": ["mute"]},
        {"methodName": "x.fail", "params": ["unmade"]},
    ]
    with loaded(serving, extension()), serving.proxy() as proxy:
        results = proxy.system.multicall(calls)
    assert results[0] == "done"
    assert results[1] == {"faultCode": 230, "faultString": "NOT_IN_WHITELIST: x"}
    assert results[2] == {"faultCode": 30, "faultString": "FAILED: <class 'ValueError'>:broken"}
    assert results[3] == 4242
    assert results[4] == {"faultCode": 30, "faultString": "FAILED: <class 'SystemExit'>:0"}
    assert results[5]["faultString"].endswith(".Mute'>:")
    assert results[6]["faultCode"] == 30


# --- results that come later ----------------------------------------------------------------------------------


class loaded:  # noqa: N801
    """Extensions in a serving daemon, made in the loop's thread; entering gives the last one that was made."""

    def __init__(self, serving: Serving, *specs: ExtensionSpec) -> None:
        self._serving, self._specs = serving, specs

    def __enter__(self) -> Any:
        give(self._serving.daemon, *self._specs)
        self.extensions = self._serving.in_loop(lambda: load_extensions(self._serving.daemon, self._serving.rpc))
        return plugins.MADE[-1] if plugins.MADE else None

    def __exit__(self, *_why: object) -> None:
        self._serving.in_loop(self.extensions.close)


@pytest.mark.parametrize(("end", "times"), [("yes", 0), (["a", 1], 3)])
def test_a_function_is_asked_until_it_has_a_result(serving: Serving, end: Any, times: int) -> None:
    with loaded(serving, extension()) as echo, serving.proxy() as proxy:
        assert proxy.x.later(times, end) == end
        assert echo.asked == times + 1


def test_a_late_fault_is_a_fault_and_a_late_error_is_none(serving: Serving) -> None:
    with loaded(serving, extension()), serving.proxy() as proxy:
        with pytest.raises(xmlrpc.client.Fault) as fault:
            proxy.x.later(2, "fault")
        assert (fault.value.faultCode, fault.value.faultString) == (230, "late")
        # a TypeError is the caller's fault only while the call is made
        for times, end in ((5, "error"), (8, "exit")):  # it counts on
            assert serving.post(xmlrpc.client.dumps((times, end), "x.later").encode())[0] == 500
    assert "TypeError: late" in serving.daemon.errors[0]
    assert "SystemExit: late" in serving.daemon.errors[1]


@pytest.mark.filterwarnings("ignore")
def test_supervisors_own_sign_is_understood(daemon: FakeDaemon) -> None:
    from supervisor.http import NOT_DONE_YET as THEIRS

    asked: list[float] = []
    daemon.call_later = lambda delay_s, callback: asked.append(delay_s) or (lambda: None)  # type: ignore[method-assign,func-returns-value]
    for value in (THEIRS, THEIRS()):
        assert not Deferreds(daemon).wait(lambda value=value: value).operation.done  # type: ignore[misc]
    assert asked == [0.05, 0.05]


@pytest.mark.parametrize(("delay", "used"), [(1, 1.0), ("x", 0.05), (0, 0.005), (float("nan"), 0.005), (9e9, 60.0)])
def test_how_often_it_is_asked_is_its_own_wish(daemon: FakeDaemon, delay: Any, used: float) -> None:
    asked: list[float] = []
    daemon.call_later = lambda delay_s, callback: asked.append(delay_s) or (lambda: None)  # type: ignore[method-assign,func-returns-value]

    def function() -> Any:
        return NOT_DONE_YET

    function.delay = delay  # type: ignore[attr-defined]
    Deferreds(daemon).wait(function)
    assert asked == [used]


def test_an_operation_is_waited_for(serving: Serving) -> None:
    with loaded(serving, extension()) as echo, serving.proxy() as proxy:
        serving.loop.post(lambda: echo.operation.resolve(["x"]))
        assert proxy.x.operate() == ["x"]


def test_who_waits_while_the_daemon_ends_gets_an_answer(serving: Serving) -> None:
    context = loaded(serving, extension())
    with context as echo, serving.proxy() as proxy:

        def abandon() -> None:
            eventually(lambda: echo.asked > 2)
            serving.in_loop(context.extensions.abandon)

        thread = threading.Thread(target=abandon)
        thread.start()
        with pytest.raises(xmlrpc.client.Fault, match="SHUTDOWN_STATE"):
            proxy.x.later(10**9)
        thread.join()
        asked = echo.asked
        assert not serving.daemon.timers
    assert echo.asked == asked


def test_a_method_of_ours_that_waits_can_be_handed_on(serving: Serving) -> None:
    serving.daemon.hold = True
    done: list[Any] = []
    with loaded(serving, extension()), serving.proxy() as proxy:
        thread = threading.Thread(target=lambda: done.append(proxy.x.through("supervisor.stopProcess", "web")))
        thread.start()
        eventually(lambda: serving.daemon.held)
        serving.loop.post(lambda: serving.daemon.held[0].resolve([Result(ProcessId("web", "web"))]))
        thread.join(5)
    assert done == [True]


def test_a_method_of_ours_gives_plain_values(load: Loader) -> None:
    ask = load(extension())
    call: Callable[..., Any] = plugins.MADE[-1].supervisord.call
    info = call("supervisor.getProcessInfo", "web")
    assert info["statename"] == "RUNNING"
    assert call("supervisor.getAllProcessInfo") == [info]
    assert call("supervisor.getPID") == 4242
    assert call("x.echo", b"a") == [b"a"]
    with pytest.raises(RpcFault) as fault:
        call("supervisor.getProcessInfo", "nope")
    assert fault.value.code is Fault.BAD_NAME
    assert ask("x.through", "supervisor.getAPIVersion") == "3.0"

"""`system.*`: introspection, and many calls in one."""

import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import FakeDaemon, group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.daemon.surface import Result
from tmd.http import system_api
from tmd.http.system_api import MAX_CALLS
from tmd.wire.methods import METHODS
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon(tmp_path)
    daemon.add(group_of("web", spec_of("web")), ProcessState.RUNNING)
    return daemon


@pytest.fixture
def ask(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> Asker:
    monkeypatch.setattr(system_api, "SLICE_S", 60)  # there is no loop here to go on in
    return Asker(daemon)


def call(name: Any, *params: Any) -> dict[str, Any]:
    return {"methodName": name, "params": list(params)}


def test_methods_list_and_describe_themselves(ask: Asker) -> None:
    assert ask("system.listMethods") == sorted(METHODS)
    assert ask("system.methodSignature", "supervisor.startProcess") == ["boolean", "string", "boolean"]
    assert ask("system.methodHelp", "supervisor.startProcess").startswith("Start a process")
    for method in ("system.methodHelp", "system.methodSignature"):
        assert ask.fault(method, "supervisor.nope") == "4 SIGNATURE_UNSUPPORTED"


def test_every_method_of_the_table_has_a_handler(ask: Asker) -> None:
    for name, method in METHODS.items():
        assert ask.fault(name, *range(len(method.params) + 1)) == "2 INCORRECT_PARAMETERS"


def test_multicall_returns_bare_values_and_faults(ask: Asker) -> None:
    results = ask(
        "system.multicall",
        [
            call("supervisor.getPID"),
            {"methodName": "supervisor.getAPIVersion"},
            call("supervisor.getProcessInfo", "nope"),
            call("supervisor.nope"),
            {"params": []},
            call("system.multicall", []),
            call("supervisor.getPID", 1),
            "no struct",
            {"methodName": "supervisor.getPID", "params": "x"},
            call(["a"]),
            call("supervisor.startProcess", None),
            call("supervisor.getAllProcessInfo"),
        ],
    )
    faults = [(value["faultCode"], value["faultString"]) for value in results[2:11]]
    assert results[:2] == [4242, "3.0"]
    assert faults == [
        (10, "BAD_NAME: nope"),
        (1, "UNKNOWN_METHOD"),
        (2, "INCORRECT_PARAMETERS: No methodName"),
        (2, "INCORRECT_PARAMETERS: Recursive system.multicall forbidden"),
        (2, "INCORRECT_PARAMETERS"),
        (2, "INCORRECT_PARAMETERS: a call is a struct"),
        (2, "INCORRECT_PARAMETERS"),
        (2, "INCORRECT_PARAMETERS"),
        (2, "INCORRECT_PARAMETERS"),
    ]
    assert results[11][0]["name"] == "web"
    assert ask("system.multicall", []) == []


def test_a_handler_that_raises_is_logged_and_keeps_no_other_call_back(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.table = None  # type: ignore[assignment]
    results = ask("system.multicall", [call("supervisor.getProcessInfo", "web"), call("supervisor.getPID")])
    assert results[0]["faultCode"] == 30
    assert results[0]["faultString"].startswith("FAILED: <class 'AttributeError'>:'NoneType'")
    assert results[1] == 4242
    assert "AttributeError" in daemon.errors[0]


def test_the_number_of_calls_is_bounded(ask: Asker) -> None:
    assert ask.fault("system.multicall", [{}] * (MAX_CALLS + 1)).startswith("2 INCORRECT_PARAMETERS: ")


def test_a_call_that_waits_keeps_the_next_back(serving: Serving) -> None:
    daemon = serving.daemon
    daemon.hold = True
    with (
        serving.proxy() as proxy,
        _in_thread(
            lambda: proxy.system.multicall(
                [
                    call("supervisor.stopProcess", "web"),
                    call("supervisor.startProcess", "idle"),
                    call("supervisor.getPID"),
                ]
            )
        ) as outcome,
    ):
        eventually(lambda: daemon.held)
        assert [asked[0] for asked in daemon.asked] == ["stop"]
        serving.loop.post(lambda: daemon.held[0].resolve([Result(ProcessId("web", "web"))]))
        eventually(lambda: len(daemon.held) == 2)
        serving.loop.post(lambda: daemon.held[1].resolve([]))
        assert outcome() == [True, True, 4242]


def test_a_thousand_calls_leave_room_for_others(serving: Serving) -> None:
    for number in range(200):
        serving.daemon.add(group_of(f"g{number}", spec_of(f"p{number}")))
    calls = [call("supervisor.getAllProcessInfo")] * 100
    with (
        serving.proxy() as proxy,
        serving.proxy() as other,
        _in_thread(lambda: proxy.system.multicall(calls)) as outcome,
    ):
        slowest = 0.0
        eventually(lambda: len(serving.server) >= 1)
        for _ in range(20):
            began = time.monotonic()
            assert other.supervisor.getPID() == 4242
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 0.6  # unsliced it would be the whole multicall, more than a second
        assert len(outcome()) == 100


def test_results_are_bounded(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    from tmd.http import system_api

    monkeypatch.setattr(system_api, "MAX_RESULT_BYTES", 2000)
    with serving.proxy() as proxy:
        results = proxy.system.multicall([call("supervisor.getAllProcessInfo")] * 3)
    assert isinstance(results[0], list)
    assert results[2]["faultCode"] == 30


class _in_thread:  # noqa: N801
    """Runs a call in a thread; entering gives a function that waits for its value."""

    def __init__(self, work: Callable[[], Any]) -> None:
        import threading

        self._values: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._values.append(work()))

    def __enter__(self) -> Callable[[], Any]:
        self._thread.start()
        return self._join

    def _join(self) -> Any:
        self._thread.join(60)
        return self._values[0]

    def __exit__(self, *_why: object) -> None:
        self._thread.join(60)


def test_the_standard_multicall_object_sees_what_supervisor_gives(serving: Serving) -> None:
    with serving.proxy() as proxy:
        multi = xmlrpc.client.MultiCall(proxy)
        multi.supervisor.getPID()
        with pytest.raises(ValueError, match="unexpected type in multicall result"):
            multi()[0]

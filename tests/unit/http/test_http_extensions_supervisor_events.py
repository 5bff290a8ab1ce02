"""`supervisor.events` in the daemon: subscriptions hear what happens, notifications reach our listeners."""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import FakeDaemon, group_of, spec_of
from tmd.http.daemon_object import DaemonObject
from tmd.http.supervisor_events import MODULE, connect, forget_subscriptions
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.states import ProcessState

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from supervisor import events


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    daemon = FakeDaemon(tmp_path)
    daemon.add(group_of("g", spec_of("web", "g")), ProcessState.RUNNING)
    events.clear()
    supervisord = DaemonObject(daemon, Asker(daemon).rpc)
    supervisord.loaded()
    connect(supervisord)
    yield daemon
    supervisord.close()
    forget_subscriptions()
    assert events.callbacks == []


@pytest.fixture
def heard() -> list[Any]:
    heard: list[Any] = []
    events.subscribe(events.Event, heard.append)
    return heard


def tell(daemon: FakeDaemon, name: str, payload: str) -> None:
    for subscriber in daemon.subscribers:
        subscriber(name, payload)


def test_what_happens_is_told_in_supervisors_objects(daemon: FakeDaemon) -> None:
    heard: list[Any] = []
    events.subscribe(events.ProcessStateEvent, heard.append)
    tell(daemon, "PROCESS_STATE_EXITED", "processname:web groupname:g from_state:RUNNING expected:0 pid:100")
    tell(daemon, "SUPERVISOR_STATE_CHANGE_RUNNING", "")
    (event,) = heard
    assert type(event) is events.ProcessStateExitedEvent
    assert event.payload() == "processname:web groupname:g from_state:RUNNING expected:0 pid:100"
    assert (event.process.config.name, event.process.group.config.name) == ("web", "g")
    assert (event.from_state, event.expected, event.pid) == (20, False, 100)
    assert event.extra_values == [("expected", 0), ("pid", 100)]


def test_events_of_every_kind_have_what_their_constructors_give(daemon: FakeDaemon, heard: list[Any]) -> None:
    tell(daemon, "PROCESS_LOG_STDOUT", "processname:web groupname:g pid:100 channel:stdout\na:b\nc")
    tell(daemon, "PROCESS_COMMUNICATION_STDERR", "processname:gone groupname:gone pid:9\nhi")
    tell(daemon, "PROCESS_GROUP_ADDED", "groupname:g\n")
    tell(daemon, "REMOTE_COMMUNICATION", "type:t\nsome data")
    tell(daemon, "SUPERVISOR_STATE_CHANGE_STOPPING", "")
    log, communication, group, remote, stopping = heard
    assert (log.data, log.pid, log.channel, log.process.pid) == ("a:b\nc", 100, "stdout", 100)
    assert (communication.data, communication.pid, communication.process) == ("hi", 9, None)
    assert group.group == "g"
    assert (remote.type, remote.data) == ("t", "some data")
    assert events.getEventNameByType(type(stopping)) == "SUPERVISOR_STATE_CHANGE_STOPPING"
    assert [event.payload() for event in heard][2:] == ["groupname:g\n", "type:t\nsome data", ""]


def test_what_is_notified_reaches_listeners_once(daemon: FakeDaemon, heard: list[Any]) -> None:
    class Deployed(events.Event):  # type: ignore[misc]
        def payload(self) -> str:
            return "version:7"

    class Unregistered(events.Event):  # type: ignore[misc]
        pass

    def emit(name: str, payload: str) -> bool:
        tell(daemon, name, payload)
        return True

    daemon.emit = emit  # type: ignore[method-assign]
    emitted: list[tuple[str, str]] = []
    daemon.subscribers.append(lambda name, payload: emitted.append((name, payload)))
    events.register("DEPLOYED", Deployed)
    try:
        events.notify(Deployed())
        events.notify(Unregistered())
    finally:
        del events.EventTypes.DEPLOYED
    assert emitted == [("DEPLOYED", "version:7")]
    assert [type(event) for event in heard] == [Deployed, Unregistered]


def test_an_event_that_was_dropped_is_not_waited_for(daemon: FakeDaemon, heard: list[Any]) -> None:
    class Remote(events.RemoteCommunicationEvent):  # type: ignore[misc]
        def payload(self) -> str:
            return "type:t\nd"

    def drop(_name: str, _payload: str) -> bool:
        return False

    def refuse(_name: str, _payload: str) -> bool:
        raise RpcFault(Fault.INCORRECT_PARAMETERS)

    events.register("REMOTE", Remote)
    try:
        daemon.emit = drop  # type: ignore[method-assign,assignment]
        events.notify(Remote("t", "d"))
        daemon.emit = refuse  # type: ignore[method-assign,assignment]
        with pytest.raises(RpcFault):
            events.notify(Remote("t", "d"))
        heard.clear()
        tell(daemon, "REMOTE", "type:t\nd")
    finally:
        del events.EventTypes.REMOTE
    assert len(heard) == 1, "it is another one of the same looks, and told"


def test_without_the_module_nothing_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, MODULE)
    daemon = FakeDaemon(tmp_path)
    connect(DaemonObject(daemon, Asker(daemon).rpc))
    forget_subscriptions()
    assert daemon.subscribers == []
    assert MODULE not in sys.modules

"""Which notices are events, what they say, and the envelope: to the character what Supervisor's listeners parse."""

import io

import pytest
from supervisor import childutils

from tmd.core.events import Event, envelope, event_of, text_of, tick
from tmd.core.inputs import ExitStatus
from tmd.core.notices import (
    ConfigRejected,
    ConfigReloaded,
    DaemonRunning,
    DaemonStopping,
    EventEmitted,
    EventsDropped,
    GroupAdded,
    GroupChanged,
    GroupRemoved,
    ListenerStuck,
    LogDropped,
    Notice,
    ProcessAdded,
    ProcessBackoff,
    ProcessCommunicated,
    ProcessExited,
    ProcessFatal,
    ProcessKilled,
    ProcessPaused,
    ProcessRemoved,
    ProcessResumed,
    ProcessRunning,
    ProcessSaid,
    ProcessSpared,
    ProcessSpawned,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
    RemoteCommunicated,
)
from tmd.wire.events import EVENT_TYPES, TICK_PERIODS
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

ID = ProcessId("shop", "cat_0")
WHO = "processname:cat_0 groupname:shop"
CODE_1 = ExitStatus(code=1)

EVENTS: list[tuple[Notice, str, str]] = [
    (ProcessStarting(ID, S.STOPPED, 0), "PROCESS_STATE_STARTING", f"{WHO} from_state:STOPPED tries:0"),
    (ProcessStarting(ID, S.BACKOFF, 2), "PROCESS_STATE_STARTING", f"{WHO} from_state:BACKOFF tries:2"),
    (ProcessRunning(ID, S.STARTING, 71), "PROCESS_STATE_RUNNING", f"{WHO} from_state:STARTING pid:71"),
    (
        ProcessBackoff(ID, S.STARTING, 1, "no", None, None, None),
        "PROCESS_STATE_BACKOFF",
        f"{WHO} from_state:STARTING tries:1",
    ),
    (ProcessStopping(ID, S.RUNNING, 71), "PROCESS_STATE_STOPPING", f"{WHO} from_state:RUNNING pid:71"),
    (ProcessStopped(ID, S.STOPPING, 71, CODE_1), "PROCESS_STATE_STOPPED", f"{WHO} from_state:STOPPING pid:71"),
    (ProcessStopped(ID, S.BACKOFF, 0, None), "PROCESS_STATE_STOPPED", f"{WHO} from_state:BACKOFF pid:0"),
    (
        ProcessExited(ID, S.RUNNING, True, 71, CODE_1, 3.0, False),
        "PROCESS_STATE_EXITED",
        f"{WHO} from_state:RUNNING expected:1 pid:71",
    ),
    (
        ProcessExited(ID, S.RUNNING, False, 71, CODE_1, 3.0, True),
        "PROCESS_STATE_EXITED",
        f"{WHO} from_state:RUNNING expected:0 pid:71",
    ),
    (ProcessFatal(ID, S.BACKOFF, 4, "no"), "PROCESS_STATE_FATAL", f"{WHO} from_state:BACKOFF"),
    (ProcessUnknown(ID, S.RUNNING, "EPERM"), "PROCESS_STATE_UNKNOWN", f"{WHO} from_state:RUNNING"),
    (ProcessSaid(ID, 71, "stdout", b"a\nb\n"), "PROCESS_LOG_STDOUT", f"{WHO} pid:71 channel:stdout\na\nb\n"),
    (
        ProcessSaid(ID, 71, "stderr", b"\x88\n"),
        "PROCESS_LOG_STDERR",
        f"{WHO} pid:71 channel:stderr\nUndecodable: b'\\x88\\n'",
    ),
    (ProcessCommunicated(ID, 71, "stdout", "é".encode()), "PROCESS_COMMUNICATION_STDOUT", f"{WHO} pid:71\né"),
    (
        ProcessCommunicated(ID, 71, "stderr", b"\xff"),
        "PROCESS_COMMUNICATION_STDERR",
        f"{WHO} pid:71\nUndecodable: b'\\xff'",
    ),
    (RemoteCommunicated("typé", "x\ny"), "REMOTE_COMMUNICATION", "type:typé\nx\ny"),
    (EventEmitted("MY_OWN", "what it says"), "MY_OWN", "what it says"),
    (GroupAdded("shop"), "PROCESS_GROUP_ADDED", "groupname:shop\n"),
    (GroupRemoved("shop"), "PROCESS_GROUP_REMOVED", "groupname:shop\n"),
    (DaemonRunning(), "SUPERVISOR_STATE_CHANGE_RUNNING", ""),
    (DaemonStopping(), "SUPERVISOR_STATE_CHANGE_STOPPING", ""),
]

NOT_EVENTS: list[Notice] = [
    ProcessAdded(ID),
    ProcessRemoved(ID),
    ProcessSpawned(ID, 71),
    ProcessKilled(ID, 71, 1.0),
    ProcessPaused(ID, 71),
    ProcessResumed(ID, 71),
    ProcessSpared(ID),
    GroupChanged("shop"),
    ConfigReloaded("/x", (), (), ()),
    ConfigRejected("/x", ()),
    LogDropped("x", 1, "no"),
    ListenerStuck(ID, "TICK_5", 300.0),
    EventsDropped("pool", 1, "no"),
]


@pytest.mark.parametrize(("notice", "name", "payload"), EVENTS)
def test_a_notice_that_is_an_event(notice: Notice, name: str, payload: str) -> None:
    assert event_of(notice) == Event(name, payload)


@pytest.mark.parametrize("notice", NOT_EVENTS)
def test_a_notice_that_no_listener_hears_of(notice: Notice) -> None:
    assert event_of(notice) is None


def test_every_type_that_happens_is_made_of_something() -> None:
    abstract = set(EVENT_TYPES.values())
    made = {name for _, name, _ in EVENTS} | set(TICK_PERIODS)
    assert {name for name in EVENT_TYPES if name not in abstract} <= made


def test_a_tick() -> None:
    assert tick("TICK_5", 1700000005) == Event("TICK_5", "when:1700000005")


def test_text_that_is_not_utf_8_is_shown_as_python_writes_it() -> None:
    assert text_of("é\n".encode()) == "é\n"
    assert text_of(b"\x88\n") == "Undecodable: b'\\x88\\n'"


def test_the_envelope_counts_characters() -> None:
    event = Event("REMOTE_COMMUNICATION", "type:typé\ndaéta0")
    assert (
        envelope(event, identifier="sup", serial=7, pool="mail", poolserial=3)
        == (
            "ver:3.0 server:sup serial:7 pool:mail poolserial:3 eventname:REMOTE_COMMUNICATION len:16\n"
            "type:typé\ndaéta0"
        ).encode()
    )


def test_an_envelope_is_what_supervisors_own_reader_reads() -> None:
    event = Event("PROCESS_STATE_EXITED", f"{WHO} from_state:RUNNING expected:0 pid:71")
    stdin = io.StringIO(envelope(event, identifier="sup", serial=0, pool="p", poolserial=0).decode())
    stdout = io.StringIO()
    headers, payload = childutils.listener.wait(stdin, stdout)
    assert stdout.getvalue() == "READY\n"
    assert headers == {
        "ver": "3.0",
        "server": "sup",
        "serial": "0",
        "pool": "p",
        "poolserial": "0",
        "eventname": "PROCESS_STATE_EXITED",
        "len": str(len(payload)),
    }
    assert childutils.get_headers(payload)["expected"] == "0"


def test_what_cannot_be_encoded_keeps_the_length_true() -> None:
    data = envelope(Event("X", "a\ud800b"), identifier="sup", serial=0, pool="p", poolserial=0)
    assert data.endswith(b"len:3\na?b")

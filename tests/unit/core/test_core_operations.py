"""Operations: from notices to outcomes."""

import pytest

from tmd.core.inputs import ExitStatus
from tmd.core.notices import (
    DaemonStopping,
    GroupAdded,
    Notice,
    ProcessBackoff,
    ProcessExited,
    ProcessFatal,
    ProcessKilled,
    ProcessRemoved,
    ProcessRunning,
    ProcessSpared,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
)
from tmd.core.operations import Awaiting
from tmd.wire.faults import Fault
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

P, Q = ProcessId("g", "p"), ProcessId("q", "q")
OK = ExitStatus(code=0)

STARTING = ProcessStarting(P, S.STOPPED, 0)
RUNNING = ProcessRunning(P, S.STARTING, 7)
BACKOFF = ProcessBackoff(P, S.STARTING, 1, "no", None, None, 1.0)
FATAL = ProcessFatal(P, S.BACKOFF, 1, "no")
STOPPING = ProcessStopping(P, S.RUNNING, 7)
STOPPED = ProcessStopped(P, S.STOPPING, 7, OK)
STOPPED_TO_RESTART = ProcessStopped(P, S.STOPPING, 7, OK, restarts=True)
EXITED = ProcessExited(P, S.RUNNING, True, 7, OK, 1.0, restarts=False)
EXITED_TO_RESTART = ProcessExited(P, S.RUNNING, False, 7, OK, 1.0, restarts=True)
UNKNOWN = ProcessUnknown(P, S.RUNNING, "Operation not permitted")
REMOVED, SPARED = ProcessRemoved(P), ProcessSpared(P)


@pytest.mark.parametrize(
    ("kind", "notices", "fault", "detail"),
    [
        ("start", [STARTING, RUNNING], Fault.SUCCESS, ""),
        ("start", [STARTING, BACKOFF], Fault.SPAWN_ERROR, "g:p"),
        ("start", [STARTING, FATAL], Fault.SPAWN_ERROR, "g:p"),
        ("start", [STARTING, STOPPING, STOPPED], Fault.ABNORMAL_TERMINATION, "g:p"),
        ("start", [STARTING, STOPPING, STOPPED_TO_RESTART, STARTING, RUNNING], Fault.SUCCESS, ""),
        ("start", [STARTING, EXITED], Fault.ABNORMAL_TERMINATION, "g:p"),
        ("start", [REMOVED], Fault.ABNORMAL_TERMINATION, "g:p"),
        ("start", [STARTING, UNKNOWN], Fault.FAILED, "Operation not permitted"),
        ("start", [SPARED, STARTING, RUNNING], Fault.SUCCESS, ""),
        ("stop", [STOPPING, STOPPED], Fault.SUCCESS, ""),
        ("stop", [ProcessStopped(P, S.BACKOFF, 0, None)], Fault.SUCCESS, ""),
        ("stop", [STOPPING, STOPPED_TO_RESTART], Fault.SUCCESS, ""),
        ("stop", [RUNNING, EXITED_TO_RESTART, STARTING, BACKOFF, FATAL], Fault.SUCCESS, ""),
        ("stop", [EXITED], Fault.SUCCESS, ""),
        ("stop", [REMOVED], Fault.SUCCESS, ""),
        ("stop", [STOPPING, UNKNOWN], Fault.FAILED, "Operation not permitted"),
        ("stop", [SPARED], Fault.FAILED, "g:p"),
        ("restart", [STOPPING, STOPPED_TO_RESTART, STARTING, RUNNING], Fault.SUCCESS, ""),
        ("restart", [STARTING, RUNNING], Fault.SUCCESS, ""),
        ("restart", [STOPPING, STOPPED_TO_RESTART, STARTING, BACKOFF], Fault.SPAWN_ERROR, "g:p"),
        ("restart", [STOPPING, STOPPED], Fault.ABNORMAL_TERMINATION, "g:p"),
        ("restart", [STOPPING, UNKNOWN], Fault.FAILED, "Operation not permitted"),
    ],
)
def test_the_outcome_comes_with_the_last_notice_and_not_before(
    kind: str, notices: list[Notice], fault: Fault, detail: str
) -> None:
    awaiting = Awaiting(kind, [P])  # type: ignore[arg-type]
    for notice in notices[:-1]:
        awaiting.hear(notice)
        assert not awaiting.done
    awaiting.hear(notices[-1])
    assert awaiting.done
    assert awaiting.results == [(P, fault, detail)]


def test_results_come_in_the_order_of_completion_and_once() -> None:
    awaiting = Awaiting("start", [P, Q])
    awaiting.hear(ProcessRunning(Q, S.STARTING, 8))
    awaiting.hear(EXITED.__class__(Q, S.RUNNING, True, 8, OK, 1.0, False))
    assert not awaiting.done
    awaiting.hear(RUNNING)
    awaiting.hear(FATAL)
    assert awaiting.results == [(Q, Fault.SUCCESS, ""), (P, Fault.SUCCESS, "")]


def test_what_does_not_concern_it_is_not_heard() -> None:
    awaiting = Awaiting("stop", [P])
    for notice in (DaemonStopping(), GroupAdded("g"), ProcessKilled(P, 7, 1.0), ProcessRemoved(Q), STARTING):
        awaiting.hear(notice)
    assert not awaiting.done


def test_outcomes_that_no_notice_tells() -> None:
    awaiting = Awaiting("start", [P, Q])
    awaiting.settle(P, Fault.NO_FILE, "/bin/p")
    awaiting.settle(P, Fault.SUCCESS)
    awaiting.abandon(Fault.SHUTDOWN_STATE)
    assert awaiting.done
    assert awaiting.results == [(P, Fault.NO_FILE, "/bin/p"), (Q, Fault.SHUTDOWN_STATE, "")]


def test_nobody_to_wait_for_is_done_from_the_start() -> None:
    assert Awaiting("stop", []).done

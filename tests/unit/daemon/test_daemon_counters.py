"""What is counted of each process, notice by notice."""

import pytest

from tmd.core import notices as n
from tmd.core.gauge import EXIT_KINDS, RESTART_REASONS, Counts
from tmd.core.inputs import ExitStatus, StopCause
from tmd.daemon.bus import Told
from tmd.daemon.counters import Counters
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

WEB = ProcessId("web", "web")
CODE_0, CODE_3, KILLED = ExitStatus(code=0, cpu_s=0.5), ExitStatus(code=3, cpu_s=0.5), ExitStatus(signal=9, cpu_s=0.5)


class Stage:
    def __init__(self) -> None:
        self.spent: dict[int, float] = {}
        self.counters = Counters(lambda id_, pid: self.spent.get(pid, 0.0))
        self.pid = 100
        self.hear(n.ProcessAdded(WEB))

    def hear(self, *notices: n.Notice) -> None:
        for notice in notices:
            self.counters.hear(Told(1, 0.0, 0.0, notice))

    def spawn(self, *, again: bool = False) -> None:
        self.pid += 1
        self.hear(n.ProcessStarting(WEB, S.STOPPED, 0, again), n.ProcessSpawned(WEB, self.pid))

    def exit(self, status: ExitStatus, *, expected: bool, restarts: bool) -> None:
        self.hear(n.ProcessExited(WEB, S.RUNNING, expected, self.pid, status, 5.0, restarts))

    def stop(self, *, restarts: bool, cause: StopCause = "asked", status: ExitStatus | None = KILLED) -> None:
        pid = self.pid if status is not None else 0
        self.hear(n.ProcessStopped(WEB, S.STOPPING, pid, status, restarts, cause))

    @property
    def counts(self) -> Counts:
        return self.counters.of(WEB)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_stranger_has_counted_nothing(stage: Stage) -> None:
    assert stage.counters.of(ProcessId("no", "body")) == Counts()
    assert stage.counters.log_bytes(ProcessId("no", "body"), "stdout") == 0


def test_the_first_start_is_no_restart(stage: Stage) -> None:
    stage.spawn()
    assert (stage.counts.starts, stage.counts.restarts, stage.counts.last_exit) == (1, {}, None)


@pytest.mark.parametrize(
    ("status", "expected", "kind", "last", "reason"),
    [
        (CODE_0, True, "expected", 0, "exited"),
        (CODE_3, False, "unexpected", 3, "unexpected"),
        (KILLED, False, "signal", 137, "unexpected"),
        (ExitStatus(), False, "unexpected", None, "unexpected"),
    ],
)
def test_an_end_by_itself_and_the_restart_after_it(
    stage: Stage, status: ExitStatus, expected: bool, kind: str, last: int | None, reason: str
) -> None:
    stage.spawn()
    stage.exit(status, expected=expected, restarts=True)
    assert stage.counts.exits == {kind: 1}
    assert stage.counts.last_exit == last
    assert stage.counts.restarts == {}, "not before it happens"
    stage.spawn()
    assert stage.counts.restarts == {reason: 1}
    assert stage.counts.starts == 2


def test_a_start_by_hand_after_an_end_is_no_restart(stage: Stage) -> None:
    stage.spawn()
    stage.exit(CODE_0, expected=True, restarts=False)
    stage.spawn()
    assert stage.counts.restarts == {}


@pytest.mark.parametrize(
    ("cause", "reason"),
    [("asked", "asked"), ("restart", "asked"), ("changed", "changed"), ("listener", "listener"), ("poststart", "hook")],
)
def test_a_stop_for_a_restart_is_counted_by_its_cause(stage: Stage, cause: StopCause, reason: str) -> None:
    stage.spawn()
    stage.stop(restarts=True, cause=cause)
    stage.spawn()
    assert stage.counts.exits == {"stopped": 1}
    assert stage.counts.restarts == {reason: 1}


def test_a_restart_that_stops_many_before_it_starts_them_is_one(stage: Stage) -> None:
    stage.spawn()
    stage.stop(restarts=False, cause="restart")
    stage.spawn()
    assert stage.counts.restarts == {"asked": 1}


def test_a_restart_of_what_is_down_is_one_if_it_ever_ran(stage: Stage) -> None:
    stage.spawn(again=True)
    assert stage.counts.restarts == {}, "this was the first start"
    stage.exit(CODE_0, expected=True, restarts=False)
    stage.spawn(again=True)
    assert stage.counts.restarts == {"asked": 1}
    stage.stop(restarts=False)
    stage.spawn(again=True)
    assert stage.counts.restarts == {"asked": 2}
    stage.stop(restarts=False, cause="restart")
    stage.spawn(again=True)
    assert stage.counts.restarts == {"asked": 3}, "not twice"


def test_a_stop_and_a_later_start_are_no_restart(stage: Stage) -> None:
    stage.spawn()
    stage.stop(restarts=False)
    stage.spawn()
    assert stage.counts.restarts == {}


def test_ends_before_it_counts_as_started_are_failures_until_it_is_given_up(stage: Stage) -> None:
    for _ in range(2):
        stage.spawn()
        stage.hear(n.ProcessBackoff(WEB, S.STARTING, 1, "too quickly", stage.pid, CODE_3, 5.0))
    assert stage.counts.exits == {"failed": 2}
    assert stage.counts.restarts == {"failed": 1}
    stage.hear(n.ProcessFatal(WEB, S.BACKOFF, 2, "too quickly"))
    stage.spawn()
    assert stage.counts.restarts == {"failed": 1}, "somebody started it by hand"


def test_a_spawn_that_failed_is_no_end_of_a_life(stage: Stage) -> None:
    stage.hear(n.ProcessBackoff(WEB, S.STARTING, 1, "no such file", None, None, 5.0))
    assert stage.counts.spawn_failures == 1
    assert stage.counts.exits == {}
    assert stage.counts.last_exit is None


def test_a_stop_while_it_waits_for_its_next_try_leaves_no_restart_behind(stage: Stage) -> None:
    stage.hear(n.ProcessBackoff(WEB, S.STARTING, 1, "no such file", None, None, 5.0))
    stage.stop(restarts=False, status=None)
    stage.spawn()
    assert stage.counts.restarts == {}
    assert stage.counts.exits == {}


def test_processor_time_of_lives_adds_up_and_never_falls_behind_what_was_shown(stage: Stage) -> None:
    stage.spawn()
    stage.exit(CODE_0, expected=True, restarts=True)
    assert stage.counts.ended_cpu_s == 0.5
    stage.spawn()
    stage.spent[stage.pid] = 2.0
    stage.exit(CODE_0, expected=True, restarts=True)
    assert stage.counts.ended_cpu_s == 2.5, "the sample knew of children that others have inherited"


def test_output_is_counted_over_lives_by_stream(stage: Stage) -> None:
    stage.counters.tally(WEB, "stdout").count += 10
    stage.counters.tally(WEB, "stdout").count += 5
    stage.counters.tally(WEB, "stderr").count += 1
    assert stage.counters.log_bytes(WEB, "stdout") == 15
    assert stage.counters.log_bytes(WEB, "stderr") == 1


def test_losses_of_logs_add_up(stage: Stage) -> None:
    stage.hear(n.LogDropped("/log", 10, "disk full"), n.LogDropped("/log", 5, "disk full"))
    assert stage.counters.log_losses == {"/log": 15}


def test_a_process_that_goes_and_comes_back_begins_anew(stage: Stage) -> None:
    stage.spawn()
    stage.counters.tally(WEB, "stdout").count += 10
    stage.exit(CODE_0, expected=True, restarts=True)
    stage.hear(n.ProcessRemoved(WEB), n.ProcessAdded(WEB))
    stage.spawn()
    assert stage.counts == Counts(starts=1)
    assert stage.counters.log_bytes(WEB, "stdout") == 0


def test_all_that_is_counted_is_among_the_kinds_that_are_shown() -> None:
    assert set(RESTART_REASONS) == {"exited", "unexpected", "failed", "asked", "changed", "listener", "hook"}
    assert set(EXIT_KINDS) == {"expected", "unexpected", "signal", "stopped", "failed"}


def test_what_an_earlier_daemon_counted_goes_on(stage: Stage) -> None:
    stage.counters.restore(WEB, Counts(starts=7, restarts={"exited": 2}))
    stage.spawn()
    stage.exit(CODE_3, expected=False, restarts=True)
    stage.spawn()
    assert (stage.counts.starts, stage.counts.restarts) == (9, {"exited": 2, "unexpected": 1})

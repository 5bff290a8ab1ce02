"""Figures of programs: taken while somebody looks, and not a moment longer."""

import os
from collections.abc import Callable

import pytest

from tests.unit.daemon.virtual import VirtualClock
from tmd.core.gauge import Gauge
from tmd.core.usage import Usage
from tmd.daemon.gauges import EVERY_S, KEPT, LINGER_S, Gauges, Measured, Sample
from tmd.daemon.surface import Operation
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId

WEB = ProcessId("web", "web")
IDLE = ProcessId("idle", "idle")


class Stage:
    """Gauges over a table of pids; samples come when `answer` is called, or at once."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.pids = {WEB: os.getpid(), IDLE: 0}
        self.at_once = True
        self.asked: list[tuple[Callable[[], Sample], Operation[Sample]]] = []
        self.samples = 0
        self.reports: list[str] = []
        self.gauges = Gauges(
            loop=self.clock,  # type: ignore[arg-type]
            wall=self.clock.now,
            pids=lambda: self.pids,
            pid=lambda id_: self.pids.get(id_, 0),
            ask=self._ask,
            report=self.reports.append,
        )

    def _ask(self, work: Callable[[], Sample]) -> Operation[Sample]:
        self.samples += 1
        self.asked.append((work, Operation()))
        operation = self.asked[-1][1]
        if self.at_once:
            self.answer()
        return operation

    def answer(self) -> None:
        work, operation = self.asked.pop(0)
        operation.resolve(work())


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nobody_looks_and_nothing_happens(stage: Stage) -> None:
    stage.clock.advance(3600)
    assert (stage.samples, stage.clock.armed) == (0, 0)


def test_somebody_looks_and_there_is_a_sample_at_once_and_every_two_seconds(stage: Stage) -> None:
    end = stage.gauges.watch()
    assert stage.samples == 1
    stage.clock.advance(5 * EVERY_S)
    assert stage.samples == 6
    end()
    end()
    stage.clock.advance(3600)
    assert stage.samples == 6
    assert stage.clock.armed == 0


def test_two_who_look_cost_no_more_than_one_and_the_last_one_ends_it(stage: Stage) -> None:
    first, second = stage.gauges.watch(), stage.gauges.watch()
    stage.clock.advance(2 * EVERY_S)
    assert stage.samples == 3
    first()
    first()
    stage.clock.advance(EVERY_S)
    assert stage.samples == 4
    second()
    stage.clock.advance(60)
    assert stage.samples == 4


def test_a_sample_tells_of_the_whole_tree_and_of_the_daemon(stage: Stage) -> None:
    stage.gauges.fresh()
    gauge, own = stage.gauges.of(WEB), stage.gauges.own()
    assert gauge is not None
    assert own is not None
    assert gauge.rss_bytes >= own.rss_bytes > 1_000_000
    assert gauge.processes >= 1
    assert gauge.at == stage.clock.time
    assert stage.gauges.of(IDLE) is None


def test_fresh_is_one_sample_for_all_who_ask_meanwhile_and_for_half_a_second(stage: Stage) -> None:
    stage.at_once = False
    first, second = stage.gauges.fresh(), stage.gauges.fresh()
    assert not first.done
    assert stage.samples == 1
    stage.answer()
    assert first.done
    assert second.done
    stage.clock.advance(0.4)
    assert stage.gauges.fresh().done
    assert stage.samples == 1
    stage.clock.advance(0.2)
    assert not stage.gauges.fresh().done
    assert stage.samples == 2


def test_a_sample_that_takes_long_is_not_overtaken_by_the_next(stage: Stage) -> None:
    stage.at_once = False
    stage.gauges.watch()
    stage.clock.advance(10 * EVERY_S)
    assert stage.samples == 1
    stage.answer()
    stage.clock.advance(EVERY_S)
    assert stage.samples == 2


def test_a_life_that_is_over_shows_nothing_also_when_its_sample_comes_late(stage: Stage) -> None:
    stage.at_once = False
    stage.gauges.fresh()
    pid, stage.pids[WEB] = stage.pids[WEB], 0
    stage.answer()
    assert stage.gauges.of(WEB) is None
    assert stage.gauges.spent(WEB, pid) >= 0
    stage.pids[WEB] = pid + 1
    assert stage.gauges.of(WEB) is None


def test_processor_time_that_was_told_of_a_life_is_known_by_its_pid(stage: Stage) -> None:
    gauge = Gauge(at=0, cpu_percent=0, cpu_s=7.5, rss_bytes=0, threads=0, fds=0, processes=0)
    stage.at_once = False
    stage.gauges.fresh()
    _, operation = stage.asked.pop()
    operation.resolve(Sample({WEB: Measured(77, gauge, Usage(0, 7.5, 0, {}))}, None))
    assert stage.gauges.spent(WEB, 77) == 7.5
    assert stage.gauges.spent(WEB, 78) == 0
    assert stage.gauges.spent(IDLE, 77) == 0


def test_the_history_is_bounded_and_whole(stage: Stage) -> None:
    end = stage.gauges.watch()
    stage.clock.advance(EVERY_S * (KEPT + 10))
    history = stage.gauges.history(WEB)
    assert len(history) == KEPT
    assert [gauge.at for gauge in history] == sorted(gauge.at for gauge in history)
    assert history[-1] == stage.gauges.of(WEB)
    assert isinstance(history[-1].rss_bytes, int)
    assert stage.gauges.history(IDLE) == ()
    end()


def test_the_history_outlives_a_moment_without_anybody_and_no_more(stage: Stage) -> None:
    stage.gauges.watch()()
    stage.clock.advance(LINGER_S / 2)
    assert len(stage.gauges.history(WEB)) == 1
    end = stage.gauges.watch()
    stage.clock.advance(LINGER_S)
    assert len(stage.gauges.history(WEB)) > 20
    end()
    stage.clock.advance(LINGER_S + 1)
    assert stage.gauges.history(WEB) == ()
    assert stage.clock.armed == 0


def test_a_sample_that_somebody_asked_for_once_makes_no_history(stage: Stage) -> None:
    stage.gauges.fresh()
    assert stage.gauges.history(WEB) == ()


def test_the_history_of_a_process_that_is_gone_goes(stage: Stage) -> None:
    stage.gauges.watch()
    del stage.pids[WEB]
    stage.clock.advance(EVERY_S)
    assert stage.gauges.history(WEB) == ()


def test_who_wants_to_know_is_told_of_each_sample(stage: Stage) -> None:
    told: list[float] = []
    end = stage.gauges.on_sample(lambda: told.append(stage.clock.time))
    stage.clock.advance(10)
    assert told == [], "to want to know does not make any be taken"
    stage.gauges.watch()
    stage.clock.advance(EVERY_S)
    assert told == [1010.0, 1010.0 + EVERY_S]
    end()
    end()
    stage.clock.advance(EVERY_S)
    assert len(told) == 2


def test_trouble_is_told_once_and_keeps_nobody_waiting(stage: Stage) -> None:
    stage.at_once = False
    for _ in range(2):
        operation = stage.gauges.fresh()
        stage.asked.pop()[1].refuse(RpcFault(Fault.FAILED, "no /proc here"))
        assert operation.done
        assert operation.fault is None
    assert stage.reports == ["cannot measure what programs use: no /proc here"]
    stage.gauges.fresh()
    stage.answer()
    stage.clock.advance(1)
    stage.gauges.fresh()
    stage.asked.pop()[1].refuse(RpcFault(Fault.FAILED, "no /proc here"))
    assert len(stage.reports) == 2


def test_the_end_takes_the_timers_with_it(stage: Stage) -> None:
    stage.gauges.watch()
    stage.gauges.close()
    assert stage.clock.armed == 0

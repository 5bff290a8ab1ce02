"""From the notices about a process to its ends."""

from typing import Any

from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core import notices as n
from tmd.core.ends import RELAYED_S, Course, End, Rules, alike, between, fold, folded, rules_of
from tmd.core.inputs import ExitStatus, LastWords
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

P = ProcessId("g", "p")
RULES = Rules(startretries=2)


def heard(*told: tuple[float, n.Notice], course: Course | None = None) -> list[End]:
    """Return what a course makes of notices; wall time is monotonic time plus 1000."""
    course = course or Course()
    answers = [course.hear(notice, at, at + 1000, RULES) for at, notice in told]
    return [end for end in answers if end is not None]


def spawned(at: float = 0.0, pid: int = 7) -> tuple[float, n.Notice]:
    return at, n.ProcessSpawned(P, pid)


def exited(at: float, status: ExitStatus, **fields: Any) -> tuple[float, n.Notice]:
    facts = {"expected": False, "restarts": False} | fields
    return at, n.ProcessExited(P, S.RUNNING, pid=7, status=status, uptime_s=at, **facts)


def backoff(at: float, tries: int, status: ExitStatus | None = None, reason: str = "") -> tuple[float, n.Notice]:
    pid = None if status is None else 7
    return at, n.ProcessBackoff(P, S.STARTING, tries, reason, pid, status, at + tries)


def stopped(at: float, status: ExitStatus | None, **fields: Any) -> tuple[float, n.Notice]:
    return at, n.ProcessStopped(P, S.STOPPING, 7 if status else 0, status, **fields)


def test_an_end_has_what_there_is_to_say() -> None:
    words = LastWords(b"out", b"err")
    (end,) = heard(spawned(), exited(60, ExitStatus(signal=11, core=True, last_words=words), restarts=True))
    assert end == End(
        at=1060, how="exited", rules=RULES, pid=7, started_at=1000, uptime_s=60, signal=11, core=True, then="restart",
        stdout=b"out", stderr=b"err",
    )  # fmt: skip
    (end,) = heard(spawned(), exited(1, ExitStatus(code=3), expected=True))
    assert (end.code, end.signal, end.expected, end.then) == (3, None, True, "rest")


def test_starts_that_fail_until_it_is_given_up() -> None:
    ends = heard(
        spawned(), backoff(0.5, 1, ExitStatus(code=1)), (1, n.ProcessStarting(P, S.BACKOFF, 1)),
        backoff(2, 2, reason="no such thing"), backoff(5, 3, reason="no such thing"),
        (5, n.ProcessFatal(P, S.BACKOFF, 3, "no such thing")),
    )  # fmt: skip
    first, second, third, given_up = ends
    assert (first.how, first.tries, first.then, first.retry_at, first.code, first.uptime_s) == (
        "too_soon", 1, "retry", 1001.5, 1, 0.5,
    )  # fmt: skip
    assert (second.how, second.reason, second.pid, second.started_at) == ("not_started", "no such thing", 0, 0)
    assert (given_up.at, given_up.then, given_up.retry_at, given_up.tries) == (third.at, "fatal", 0, 3)


def test_tries_that_others_end() -> None:
    _, quiesced = heard(backoff(1, 1, reason="x"), (2, n.ProcessFatal(P, S.BACKOFF, 1, "x")))
    assert (quiesced.at, quiesced.then) == (1001, "quiesced")
    _, unwanted = heard(backoff(1, 1, reason="x"), stopped(2, None, cause="asked"))
    assert (unwanted.at, unwanted.then, unwanted.cause) == (1001, "stopped", "asked")


def test_a_stop_keeps_its_cause_and_what_it_took() -> None:
    course = Course()
    told = [spawned(), (50.0, n.ProcessKilled(P, 7, 10.0)), (60.0, n.ProcessKilled(P, 7, 20.0))]
    told += [stopped(61, ExitStatus(signal=9), cause="shutdown")]
    (end,) = heard(*told, course=course)
    assert (end.how, end.cause, end.ignored_s, end.then) == ("stopped", "shutdown", 10.0, "rest")
    assert not end.killed_from_outside
    (end,) = heard(spawned(70, 8), stopped(71, ExitStatus(code=0), restarts=True), course=course)
    assert (end.ignored_s, end.then, end.uptime_s) == (None, "restart", 1)


def test_a_signal_somebody_asked_for_is_not_from_outside() -> None:
    course = Course()
    heard(spawned(), course=course)
    course.relayed(9, 0)
    (end,) = heard(exited(1, ExitStatus(signal=9)), course=course)
    assert end.relayed
    assert not end.killed_from_outside
    (end,) = heard(spawned(2), exited(3, ExitStatus(signal=9)), course=course)
    assert end.killed_from_outside


def test_a_signal_somebody_asked_for_and_another_death() -> None:
    course = Course()
    heard(spawned(), course=course)
    course.relayed(1, 0)
    (end,) = heard(exited(1, ExitStatus(signal=9)), course=course)
    assert end.killed_from_outside


def test_a_signal_somebody_asked_for_long_before_is_not_what_it_died_of() -> None:
    course = Course()
    heard(spawned(0), course=course)
    course.relayed(15, 1.0)
    (end,) = heard(exited(1 + RELAYED_S + 0.1, ExitStatus(signal=15)), course=course)
    assert not end.relayed


def test_a_stop_is_not_the_work_of_an_earlier_signal_of_that_number() -> None:
    course = Course()
    heard(spawned(0), course=course)
    course.relayed(15, 1.0)
    (end,) = heard((2, n.ProcessStopped(P, S.STOPPING, 5, ExitStatus(signal=15))), course=course)
    assert (end.how, end.relayed, end.as_asked) == ("stopped", False, True)


def test_a_stop_whose_signal_is_sigkill_comes_from_nobody_else() -> None:
    rules = Rules(stopsignal=9)
    end = End(at=1, how="stopped", signal=9, rules=rules)
    assert not end.killed_from_outside
    assert End(at=1, how="stopped", signal=9).killed_from_outside, "and not SIGTERM, which it was to get"


def test_what_goes_on() -> None:
    course = Course()
    assert not course.alive
    heard(spawned(5), (6, n.ProcessUnknown(P, S.RUNNING, "not permitted")), course=course)
    assert (course.alive, course.started_at, course.trouble) == (True, 1005, "not permitted")
    heard(exited(7, ExitStatus(code=0)), course=course)
    assert not course.alive


def test_notices_that_end_nothing() -> None:
    assert heard((1, n.ProcessFatal(P, S.BACKOFF, 1, "x")), stopped(2, None)) == []
    assert heard((1, n.ProcessRunning(P, S.STARTING, 7)), (2, n.ProcessStopping(P, S.RUNNING, 7))) == []


def test_rules_are_those_of_the_settings() -> None:
    spec = ProcessSpec(
        name="p", group="g", program="p", command="p", autorestart=Autorestart.NEVER, exitcodes=(0, 2), startsecs=2.5,
        startretries=7, stopsignal=2, stopwaitsecs=3,
    )  # fmt: skip
    assert rules_of(spec) == Rules(Autorestart.NEVER, (0, 2), 2.5, 7, 2, 3)


def end(at: float, **fields: Any) -> End:
    return End(at=at, **{"how": "exited", "code": 1, **fields})


def test_ends_that_differ_in_time_and_output_only_are_alike() -> None:
    assert alike(end(1, stderr=b"x", pid=3, uptime_s=2, tries=1), end(2, then="restart"))
    for other in ({"code": 2}, {"signal": 9}, {"how": "too_soon"}, {"ignored_s": 1.0}, {"oom": "yes"}, {"reason": "x"}):
        assert not alike(end(1), end(1, **other))
    assert folded(end(1), end(2)) == end(2, more=1, since=1)
    assert folded(end(1, more=3, since=0.5), end(2, more=1, since=1.5)) == end(2, more=5, since=0.5)
    assert folded(end(1), end(2, code=2)) is None


def test_neighbours_that_are_alike_are_folded() -> None:
    ends = [end(6), end(5), end(4, code=2), end(3), end(2, more=4, since=1)]
    assert fold(ends) == [end(6, more=1, since=5), end(4, code=2), end(3, more=5, since=1)]
    assert fold([]) == []


def test_not_over_a_start_of_the_daemon() -> None:
    assert fold([end(6), end(5), end(4)], [5.5]) == [end(6), end(5, more=1, since=4)]
    assert between(end(4), end(6), [7, 6, 5, 4]) == [6, 5]

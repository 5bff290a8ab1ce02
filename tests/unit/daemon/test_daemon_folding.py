"""Lines that come again and again: the first as they are, then their number once a minute; none is lost."""

import re

import pytest

from tests.unit.daemon.virtual import VirtualClock
from tmd.daemon.folding import AT_ONCE, EVERY_S, KINDS, Folding, kind_of
from tmd.daemon.mainlog import MainLog
from tmd.wire.levels import Level


class Log:
    """A main log that folds, in virtual time."""

    def __init__(self, level: Level = Level.INFO) -> None:
        self.clock = VirtualClock()
        self.lines: list[str] = []
        self.log = MainLog(level, [lambda level, _line, text: self.lines.append(f"{level.name} {text}")], lambda: 0.0)
        self.log.fold(self.clock.now, self.clock.call_later)

    def take(self) -> list[str]:
        lines, self.lines[:] = list(self.lines), []
        return lines


@pytest.fixture
def log() -> Log:
    return Log()


def test_the_first_are_written_and_the_others_counted(log: Log) -> None:
    for number in range(500):
        log.log.info(f"spawned: 'web' with pid {number}")
        log.clock.advance(0.1)
    assert log.take() == [f"INFO spawned: 'web' with pid {number}" for number in range(AT_ONCE)]
    log.clock.advance(EVERY_S)
    assert log.take() == ["INFO spawned: 'web' with pid 499 (repeated 490 times in 60 s)"]
    assert log.clock.armed == 1
    log.clock.advance(EVERY_S)
    assert (log.take(), log.clock.armed) == ([], 0), "nothing wakes up for what is quiet"
    log.log.info("spawned: 'web' with pid 7")
    assert log.take() == ["INFO spawned: 'web' with pid 7"]


def test_what_goes_on_has_one_line_a_minute(log: Log) -> None:
    for number in range(3000):
        log.log.warn(f"killing 'web' ({number}) with SIGKILL")
        log.clock.advance(0.1)
    lines = log.take()
    assert len(lines) == AT_ONCE + 4
    counts = [int(found[1]) for line in lines if (found := re.search(r"\(repeated (\d+) times in \d+ s\)$", line))]
    log.log.close()
    (last,) = log.take()
    assert sum(counts) + AT_ONCE + int(re.search(r"repeated (\d+) times", last)[1]) == 3000  # type: ignore[index]


def test_lines_of_several_kinds_are_told_apart(log: Log) -> None:
    for _ in range(AT_ONCE):
        for text in ("exited: web1 (exit status 1)", "exited: web1 (exit status 2)", "exited: web2 (exit status 1)"):
            log.log.warn(text)
            log.log.info(text)
    assert len(log.take()) == 6 * AT_ONCE


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("spawned: 'web' with pid 123", "spawned: 'web' with "),
        ("killing 'web' (123) with SIGKILL", "killing 'web'  with SIGKILL"),
        ("pid 1 and (pid 2) and pid 34 (5) too", " and () and   too"),
        ("the rapid 7 of pid 8", "the rapid 7 of "),
        ("exited: web (exit status 1; not expected)", "exited: web (exit status 1; not expected)"),
        ("a pid that is none, and () neither", "a pid that is none, and () neither"),
    ],
)
def test_only_the_number_of_a_process_makes_no_difference(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_slow_repetitions_are_no_flood(log: Log) -> None:
    for _ in range(100):
        log.log.info("spawned: 'web' with pid 1")
        log.clock.advance(EVERY_S / AT_ONCE + 0.1)
    assert len(log.take()) == 100


@pytest.mark.parametrize("level", [Level.ERRO, Level.CRIT])
def test_errors_are_always_written(log: Log, level: Level) -> None:
    for _ in range(100):
        log.log.log(level, "a callback failed")
    assert len(log.take()) == 100


def test_who_wants_details_gets_all(log: Log) -> None:
    log = Log(Level.DEBG)
    for _ in range(100):
        log.log.info("again")
    assert len(log.take()) == 100


def test_at_the_end_all_is_told(log: Log) -> None:
    for _ in range(AT_ONCE + 1):
        log.log.info("again")
    log.take()
    log.clock.advance(2)
    log.log.close()
    assert log.take() == ["INFO again (repeated once in 2 s)"]
    assert log.clock.armed == 0
    log.log.info("again")
    assert log.take() == ["INFO again"], "what comes after it is written"


def test_of_too_many_kinds_none_is_folded_and_memory_is_bounded() -> None:
    clock = VirtualClock()
    folding = Folding(clock.now, clock.call_at, lambda *_: None)
    texts = [f"program {number}" for number in range(3 * KINDS)]
    assert not any(folding.folds(Level.INFO, text) for _ in range(AT_ONCE) for text in texts)
    assert folding.folds(Level.INFO, texts[0])
    assert not folding.folds(Level.INFO, texts[-1])
    assert len(folding._counts) <= KINDS

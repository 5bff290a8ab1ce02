"""What a result means: built in, or a result handler of somebody's own."""

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tmd.config.settings import DEFAULT_RESULT_HANDLER
from tmd.core.events import Event
from tmd.core.listener import Verdict
from tmd.daemon.judges import HandedEvent, NumberedEvent, find_judge

EVENT = NumberedEvent("TICK_5", "when:5", 7)


class RejectEvent(Exception):
    """Named as Supervisor's."""


class Later(RejectEvent):
    pass


class Own(BaseException):
    pass


@pytest.fixture
def seen() -> Iterator[list[tuple[HandedEvent, bytes]]]:
    """Make handlers importable as `handlers_of_a_test`; return what the good one was called with."""
    calls: list[tuple[HandedEvent, bytes]] = []

    def accept(event: HandedEvent, result: bytes) -> None:
        calls.append((event, result))

    def raising(error: BaseException) -> object:
        def handler(event: HandedEvent, result: bytes) -> None:
            raise error

        return handler

    module = ModuleType("handlers_of_a_test")
    vars(module).update(
        accept=accept,
        reject=raising(RejectEvent()),
        later=raising(Later()),
        fail=raising(KeyError("what")),
        leave=raising(SystemExit(3)),
        interrupt=raising(KeyboardInterrupt()),
        generator=raising(GeneratorExit()),
        own=raising(Own("mine")),
    )
    sys.modules[module.__name__] = module
    yield calls
    del sys.modules[module.__name__]


def judge(name: str, event: Event = EVENT, result: bytes = b"OK") -> tuple[Verdict, list[str]]:
    said: list[str] = []
    return find_judge(f"handlers_of_a_test:{name}", said.append, lambda: 0.0)(event, result), said


@pytest.mark.parametrize(
    ("result", "verdict"), [(b"OK", Verdict.ACCEPTED), (b"OK\n", Verdict.REJECTED), (b"", Verdict.REJECTED)]
)
def test_the_built_in_one_wants_ok_and_nothing_else(result: bytes, verdict: Verdict) -> None:
    assert find_judge(DEFAULT_RESULT_HANDLER, pytest.fail, lambda: 0.0)(EVENT, result) is verdict


def test_a_handler_sees_the_event_and_the_result(seen: list[tuple[HandedEvent, bytes]]) -> None:
    assert judge("accept", result=b"\xff") == (Verdict.ACCEPTED, [])
    ((event, result),) = seen
    assert (event.name, event.serial, event.payload(), result) == ("TICK_5", 7, "when:5", b"\xff")


@pytest.mark.parametrize("name", ["reject", "later"])
@pytest.mark.usefixtures("seen")
def test_an_exception_of_the_name_rejects(name: str) -> None:
    assert judge(name) == (Verdict.REJECTED, [])


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("fail", "KeyError: 'what'"),
        ("leave", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("generator", "GeneratorExit"),
        ("own", "Own: mine"),
    ],
)
@pytest.mark.usefixtures("seen")
def test_any_other_exception_is_a_failure_that_is_told_with_its_traceback(name: str, word: str) -> None:
    verdict, (said,) = judge(name)
    assert verdict is Verdict.ERROR
    assert said.startswith(f"result handler 'handlers_of_a_test:{name}' failed:\nTraceback")
    assert word in said


@pytest.mark.usefixtures("seen")
def test_a_handler_that_is_not_there_leaves_the_built_in_one() -> None:
    said: list[str] = []
    found = find_judge("handlers_of_a_test:nothing", said.append, lambda: 0.0)
    assert found(EVENT, b"OK") is Verdict.ACCEPTED
    assert len(said) == 1
    assert "cannot use a result handler" in said[0]


@pytest.mark.usefixtures("seen")
def test_a_handler_that_always_fails_leaves_one_traceback_a_minute() -> None:
    said: list[str] = []
    now = 0.0
    found = find_judge("handlers_of_a_test:fail", said.append, lambda: now)
    for second in range(61):
        now = float(second)
        assert found(EVENT, b"OK") is Verdict.ERROR
    first, again = said
    assert first.startswith("result handler 'handlers_of_a_test:fail' failed:\nTraceback")
    assert again.startswith(
        "result handler 'handlers_of_a_test:fail' failed (60 times since this was last told):\nTraceback"
    )

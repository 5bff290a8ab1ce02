"""Work that may block, off the loop."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support import eventually
from tmd.daemon.surface import Operation, completed
from tmd.daemon.workers import NO_THREAD, Workers
from tmd.wire.faults import Fault, RpcFault


class Posted(list[Callable[[], None]]):
    """A loop that runs what was posted when asked."""

    def turn(self) -> bool:
        while self:
            self.pop(0)()
        return True


@pytest.fixture
def posted() -> Posted:
    return Posted()


@pytest.fixture
def workers(posted: Posted) -> Iterator[Workers]:
    workers = Workers(posted.append)
    yield workers
    workers.close()


def outcome(operation: Operation[object], posted: Posted) -> Operation[object]:
    eventually(lambda: posted.turn() and operation.done)
    return operation


def test_the_value_comes_back_on_the_loop(workers: Workers, posted: Posted) -> None:
    operation: Operation[object] = workers.run(lambda: threading.current_thread().name)
    eventually(lambda: posted)
    assert not operation.done
    assert outcome(operation, posted).value == "tmd-worker"


class Mute(BaseException):
    def __str__(self) -> str:
        raise ValueError("no text")


def fail_with(error: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RpcFault(Fault.NO_FILE, "x"), "NO_FILE: x"),
        (FileNotFoundError(2, "No such file"), "FAILED: [Errno 2] No such file"),
        (ValueError("odd"), "FAILED: ValueError: odd"),
        (SystemExit(3), "FAILED: SystemExit: 3"),
        (KeyboardInterrupt(), "FAILED: KeyboardInterrupt"),
        (Mute(), "FAILED: Mute: (it cannot say what)"),
    ],
)
def test_failures_become_faults_and_cost_no_thread(
    workers: Workers, posted: Posted, error: BaseException, text: str
) -> None:
    for _ in range(4):  # more often than there are threads
        operation = outcome(workers.run(fail_with(error)), posted)
        assert operation.fault is not None
        assert operation.fault.text == text
    assert outcome(workers.run(lambda: 1), posted).value == 1


def test_threads_are_bounded_and_everything_is_done(workers: Workers, posted: Posted) -> None:
    gate = threading.Event()
    running: list[str] = []

    def work() -> str:
        running.append(threading.current_thread().name)
        gate.wait(10)
        return "done"

    operations = [workers.run(work) for _ in range(10)]
    eventually(lambda: len(running) == 2)
    gate.set()
    eventually(lambda: posted.turn() and all(operation.done for operation in operations))
    assert [operation.value for operation in operations] == ["done"] * 10


class Threads:
    """Of the system: gives as many as are `left`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
        self.left = left
        start = threading.Thread.start

        def start_or_not(thread: threading.Thread) -> None:
            if not self.left:
                raise RuntimeError("can't start new thread")
            self.left -= 1
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_not)


def test_without_a_thread_work_is_refused_until_there_is_one(
    workers: Workers, posted: Posted, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Threads(monkeypatch, 0)
    for _ in range(5):  # more often than there would be threads
        operation: Operation[object] = workers.run(lambda: 1)
        assert operation.fault is not None
        assert operation.fault.text == f"FAILED: {NO_THREAD}"
    threads.left = 1
    assert outcome(workers.run(lambda: 1), posted).value == 1


def test_the_one_thread_there_is_does_all_the_work(
    workers: Workers, posted: Posted, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Threads(monkeypatch, 1)
    operations = [workers.run(threading.get_ident) for _ in range(10)]
    eventually(lambda: posted.turn() and all(operation.done for operation in operations))
    assert len({operation.value for operation in operations}) == 1
    assert threads.left == 0


def test_an_end_without_threads(posted: Posted, monkeypatch: pytest.MonkeyPatch) -> None:
    Threads(monkeypatch, 0)
    workers = Workers(posted.append)
    workers.run(lambda: 1)
    workers.close()


def test_an_answer_after_the_loop_ended_is_dropped() -> None:
    def refuse(_: Callable[[], None]) -> None:
        raise RuntimeError("the loop has ended")

    workers = Workers(refuse)
    operation = workers.run(lambda: 1)
    workers.close()
    assert not operation.done


def test_an_operation_has_one_outcome() -> None:
    operation: Operation[int] = Operation()
    seen: list[int | None] = []
    operation.then(lambda done: seen.append(done.value))
    operation.resolve(1)
    operation.resolve(2)
    operation.refuse(RpcFault(Fault.FAILED))
    operation.then(lambda done: seen.append(done.value))
    assert seen == [1, 1]
    assert operation.fault is None
    assert completed("x").value == "x"

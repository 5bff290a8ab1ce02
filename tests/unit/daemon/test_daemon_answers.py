"""Reading what a listener says: in one go what belongs together, slowly what makes no sense."""

import os
from collections.abc import Callable, Iterator

import pytest

from tmd.daemon.answers import CHUNK_BYTES, HANG_UP_S, NONSENSE_BYTES, PAUSE_S, Answers
from tmd.posix.loop import Loop
from tmd.posix.pipes import output_pipe


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


class Mouth:
    """The pipe of a listener and what was read from it."""

    def __init__(self, loop: Loop, sensible: bool = True) -> None:
        self.loop, self.sensible = loop, sensible
        self.heard: list[bytes] = []
        self.until: Callable[[], bool] = lambda: bool(self.heard)
        self.reader, self.writer = output_pipe()
        os.set_blocking(self.writer, False)
        self.hang_ups = 0
        self.answers = Answers(loop, self.reader, self.said, self.hung_up)

    def said(self, data: bytes) -> bool:
        self.heard.append(data)
        if self.until():
            self.loop.stop()
        return self.sensible

    def hung_up(self) -> None:
        self.hang_ups += 1

    def fill(self) -> bool:
        """Write until it is full; return False."""
        try:
            while True:
                os.write(self.writer, b"x" * 4096)
        except BlockingIOError:
            return False


def test_two_writes_in_a_row_are_one_answer(loop: Loop) -> None:
    mouth = Mouth(loop)

    def answer() -> None:
        os.write(mouth.writer, b"RESULT 2\n")
        loop.call_soon(lambda: os.write(mouth.writer, b"OKREADY\n") and None)

    loop.call_later(0.01, answer)
    loop.run()
    assert mouth.heard == [b"RESULT 2\nOKREADY\n"]
    mouth.answers.close()
    os.close(mouth.writer)


def test_silence_wakes_nobody_up(loop: Loop) -> None:
    mouth = Mouth(loop)
    os.write(mouth.writer, b"READY\n")
    loop.run()
    before = loop.figures["wakeups"]
    loop.call_later(0.1, loop.stop)
    loop.run()
    assert loop.figures["wakeups"] == before + 1
    mouth.answers.close()
    os.close(mouth.writer)


def test_nonsense_is_read_a_little_now_and_then(loop: Loop) -> None:
    mouth = Mouth(loop, sensible=False)
    mouth.until = mouth.fill
    mouth.fill()
    loop.call_later(10 * PAUSE_S, loop.stop)
    loop.run()
    assert 2 <= len(mouth.heard) <= 11
    assert all(len(data) <= NONSENSE_BYTES for data in mouth.heard[1:])
    assert loop.figures["wakeups"] < 60
    mouth.answers.close()
    os.close(mouth.writer)


def test_a_mind_that_clears_up_is_read_at_once_again(loop: Loop) -> None:
    mouth = Mouth(loop, sensible=False)
    os.write(mouth.writer, b"what?")
    loop.run()
    mouth.sensible = True
    for word in (b"one", b"two", b"three"):
        os.write(mouth.writer, word)
        loop.run()
    assert mouth.heard == [b"what?", b"one", b"two", b"three"]
    mouth.answers.close()
    os.close(mouth.writer)


def test_the_last_words_are_read_and_the_pipe_of_nobody_is_closed(loop: Loop) -> None:
    mouth = Mouth(loop)
    os.write(mouth.writer, b"RESULT 2\nOK")
    os.close(mouth.writer)
    assert mouth.answers.finish() is None
    assert mouth.heard == [b"RESULT 2\nOK"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(mouth.reader)


def test_a_pipe_that_a_descendant_holds_is_given_back(loop: Loop) -> None:
    mouth = Mouth(loop)
    os.write(mouth.writer, b"last")
    assert mouth.answers.finish() == mouth.reader
    assert mouth.heard == [b"last"]
    os.close(mouth.reader)
    os.close(mouth.writer)


def test_a_descendant_that_never_ends_talking_does_not_keep_the_last_words_from_ending(loop: Loop) -> None:
    mouth = Mouth(loop)
    mouth.until = mouth.fill
    mouth.fill()
    assert mouth.answers.finish() == mouth.reader
    assert sum(map(len, mouth.heard)) <= 2 * CHUNK_BYTES
    os.close(mouth.reader)
    os.close(mouth.writer)


def test_a_closed_stdout_is_let_go_of(loop: Loop) -> None:
    mouth = Mouth(loop)
    os.close(mouth.writer)
    loop.call_later(0.05, loop.stop)
    loop.run()
    assert loop.figures["wakeups"] <= 4
    assert mouth.heard == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(mouth.reader)
    mouth.answers.close()


def test_a_failure_of_the_one_who_hears_does_not_end_the_hearing(loop: Loop) -> None:
    errors: list[str] = []
    loop.on_error = errors.append
    mouth = Mouth(loop)

    def fail() -> bool:
        if len(mouth.heard) == 1:
            raise ValueError("not this one")
        return True

    mouth.until = fail
    os.write(mouth.writer, b"one")
    loop.call_later(0.02, lambda: os.write(mouth.writer, b"two"))
    loop.run()
    assert mouth.heard == [b"one", b"two"]
    assert len(errors) == 1
    mouth.answers.close()
    os.close(mouth.writer)


def test_a_closed_stdout_is_told_of_a_moment_later_if_nobody_ended(loop: Loop) -> None:
    mouth = Mouth(loop)
    os.write(mouth.writer, b"last")
    os.close(mouth.writer)
    loop.run()
    assert (mouth.heard, mouth.hang_ups) == ([b"last"], 0)
    loop.call_later(HANG_UP_S + 0.1, loop.stop)
    loop.run()
    assert mouth.hang_ups == 1


def test_a_closed_stdout_of_who_has_ended_is_not_told_of(loop: Loop) -> None:
    mouth = Mouth(loop)
    os.close(mouth.writer)
    loop.call_later(0.05, loop.stop)
    loop.run()
    assert mouth.answers.finish() is None
    loop.call_later(HANG_UP_S + 0.1, loop.stop)
    loop.run()
    assert mouth.hang_ups == 0


def test_what_lies_there_can_be_read_at_once_and_reading_goes_on(loop: Loop) -> None:
    mouth = Mouth(loop)
    mouth.until = lambda: len(mouth.heard) == 2
    mouth.answers.read_now()
    assert mouth.heard == []
    os.write(mouth.writer, b"one")
    mouth.answers.read_now()
    assert mouth.heard == [b"one"]
    os.write(mouth.writer, b"two")
    loop.run()
    assert mouth.heard == [b"one", b"two"]
    mouth.answers.close()
    mouth.answers.read_now()
    os.close(mouth.writer)


def test_what_lies_there_can_be_read_while_its_reading_is_awaited(loop: Loop) -> None:
    mouth = Mouth(loop, sensible=False)
    os.write(mouth.writer, b"what?")
    loop.run()
    os.write(mouth.writer, b"READY")
    mouth.answers.read_now()
    assert mouth.heard == [b"what?", b"READY"]
    loop.call_later(3 * PAUSE_S, loop.stop)
    loop.run()
    assert len(mouth.heard) == 2
    mouth.answers.close()
    os.close(mouth.writer)

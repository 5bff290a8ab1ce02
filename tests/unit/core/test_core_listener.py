"""The listener protocol: every step, every way to break it, and the way back."""

import pytest

from tmd.core.listener import (
    MAX_LINE_BYTES,
    MAX_RESULT_BYTES,
    Fell,
    Judged,
    Listener,
    ListenerState,
    Moved,
    Outcome,
    Verdict,
)

ACKNOWLEDGED, READY, BUSY, UNKNOWN = (
    ListenerState.ACKNOWLEDGED,
    ListenerState.READY,
    ListenerState.BUSY,
    ListenerState.UNKNOWN,
)
TO_READY = Moved(ACKNOWLEDGED, READY)
BACK = Moved(UNKNOWN, READY)
PROCESSED: list[Outcome] = [Judged(Verdict.ACCEPTED), Moved(BUSY, ACKNOWLEDGED)]
REJECTED: list[Outcome] = [Judged(Verdict.REJECTED), Moved(BUSY, ACKNOWLEDGED)]


def verdict(result: bytes) -> Verdict:
    if result == b"raise":
        return Verdict.ERROR
    return Verdict.ACCEPTED if result == b"OK" else Verdict.REJECTED


def busy() -> Listener:
    listener = Listener(verdict)
    assert listener.feed(b"READY\n") == [TO_READY]
    listener.gave()
    return listener


def test_the_numbers_are_supervisors() -> None:
    assert (int(ACKNOWLEDGED), int(READY), int(BUSY), int(UNKNOWN)) == (30, 10, 20, 40)


def test_a_correct_listener() -> None:
    listener = Listener(verdict)
    assert listener.state is ACKNOWLEDGED
    for _ in range(3):
        assert listener.feed(b"READY\n") == [Moved(ACKNOWLEDGED, READY)]
        listener.gave()
        assert listener.state is BUSY
        assert listener.feed(b"RESULT 2\nOK") == PROCESSED
    assert (listener.held_bytes, listener.garbage_bytes) == (0, 0)


def test_an_answer_and_the_next_ready_in_one_piece() -> None:
    assert busy().feed(b"RESULT 2\nOKREADY\n") == [*PROCESSED, TO_READY]


@pytest.mark.parametrize("answer", [b"RESULT 4\nFAIL", b"RESULT 0\n", b"RESULT 3\nOK\n"])
def test_any_other_answer_rejects(answer: bytes) -> None:
    listener = busy()
    assert listener.feed(answer + b"READY\n") == [*REJECTED, TO_READY]


def test_an_empty_answer_needs_no_further_word() -> None:
    assert busy().feed(b"RESULT 0\n") == REJECTED


@pytest.mark.parametrize("line", [b"RESULT  2", b"RESULT +2", b"RESULT 2 ", b"RESULT 2\r", b"result 2", b"1234567 2"])
def test_the_length_is_read_as_leniently_as_supervisor_reads_it(line: bytes) -> None:
    assert busy().feed(line + b"\nOK") == PROCESSED


@pytest.mark.parametrize(
    "line",
    [b"RESULT", b"RESULT ", b"RESULT x", b"RESULT -1", b"RESULT 1048577", b"RESULT 2.0", b"", b"hello", b"9" * 1000],
)
def test_a_bad_result_line(line: bytes) -> None:
    listener = busy()
    assert listener.feed(line + b"\n") == [Fell(BUSY, line)]
    assert listener.state is UNKNOWN
    assert listener.feed(b"READY\n") == [BACK]


def test_the_biggest_result() -> None:
    listener = busy()
    assert listener.feed(b"RESULT %d\n" % MAX_RESULT_BYTES) == []
    assert listener.feed(b"x" * (MAX_RESULT_BYTES - 1)) == []
    assert listener.held_bytes == MAX_RESULT_BYTES - 1
    assert listener.feed(b"x") == REJECTED
    assert listener.held_bytes == 0


def test_ready_while_busy_means_it_lost_its_event() -> None:
    listener = busy()
    assert listener.feed(b"READY\n") == [Fell(BUSY, b"READY"), BACK]
    assert listener.state is READY


def test_a_result_line_without_end_is_a_bad_one() -> None:
    listener = busy()
    assert listener.feed(b"R" * MAX_LINE_BYTES) == []
    assert listener.feed(b"R") == [Fell(BUSY, b"R" * MAX_LINE_BYTES)]
    assert listener.held_bytes == 0
    assert listener.feed(b"READY\n") == []  # the end of that line
    assert listener.feed(b"READY\n") == [BACK]


def test_a_long_result_line_is_a_bad_one_in_one_piece_too() -> None:
    assert busy().feed(b"R" * 2000 + b"\nREADY\n") == [Fell(BUSY, b"R" * MAX_LINE_BYTES), BACK]


def test_no_result_is_looked_for_in_a_line_too_long_to_keep() -> None:
    listener = busy()
    listener.feed(b"garbage\n")
    assert listener.feed(b"x" * 1100 + b"RESULT 6\nREADY\n") == [BACK]


def test_a_result_that_cannot_be_judged() -> None:
    listener = busy()
    assert listener.feed(b"RESULT 5\nraise") == [Judged(Verdict.ERROR), Fell(BUSY)]
    assert listener.feed(b"READY\n") == [BACK]


@pytest.mark.parametrize("before", [b"", b"READY\n"])
def test_garbage_where_ready_belongs(before: bytes) -> None:
    listener = Listener(verdict)
    listener.feed(before)
    state = listener.state
    assert listener.feed(b"Loading...\n") == [Fell(state)]
    assert listener.feed(b"more\n not READY\nREADY!\nREADY \nready\n") == []
    assert listener.feed(b"READY\n") == [BACK]


def test_too_little_to_tell() -> None:
    listener = Listener(verdict)
    assert listener.feed(b"hi\n") == []
    assert listener.state is ACKNOWLEDGED
    assert listener.feed(b"REA") == [Fell(ACKNOWLEDGED)]
    assert listener.feed(b"DY\n") == [BACK]


def test_a_stray_newline_after_a_result() -> None:
    assert busy().feed(b"RESULT 2\nOK\nREADY\n") == [*PROCESSED, Fell(ACKNOWLEDGED), BACK]


def test_a_stray_print_before_a_result_costs_no_more_than_that_result() -> None:
    listener = busy()
    assert listener.feed(b"debug: here\nRESULT 2\nOKREADY\n") == [Fell(BUSY, b"debug: here"), BACK]
    assert listener.garbage_bytes == len(b"debug: here\nRESULT 2\nOK")


def test_a_stray_word_before_a_result() -> None:
    assert busy().feed(b"so: RESULT 2\nOKREADY\n") == [Fell(BUSY, b"so: RESULT 2"), BACK]


def test_a_result_shorter_than_said_swallows_what_follows() -> None:
    listener = busy()
    assert listener.feed(b"RESULT 4\nOKREADY\n") == [*REJECTED]
    assert listener.state is ACKNOWLEDGED
    assert listener.feed(b"READY\n") == [Fell(ACKNOWLEDGED), BACK]


def test_an_announced_result_too_long_to_be_one_is_not_stepped_over() -> None:
    listener = busy()
    listener.feed(b"x\nRESULT 9999999\n")
    assert listener.feed(b"READY\n") == [BACK]


def test_an_event_that_could_not_be_given() -> None:
    listener = busy()
    listener.took_back()
    assert listener.state is READY
    listener = busy()
    listener.feed(b"RESULT 2\nOK")
    listener.took_back()
    assert listener.state is ACKNOWLEDGED


def test_half_an_answer_to_an_event_that_was_taken_back_is_forgotten() -> None:
    listener = busy()
    listener.feed(b"RESULT 3\n")
    listener.took_back()
    listener.gave()
    assert listener.feed(b"RESULT 2\nOK") == PROCESSED


def test_a_flood_is_not_kept() -> None:
    listener = Listener(verdict)
    for flood in (b"x" * 65536, b"\n" * 65536, b"RESULT " * 9000, b"RESULT 900000\n" * 4000):
        for _ in range(5):
            listener.feed(flood)
            assert listener.held_bytes <= MAX_LINE_BYTES
    assert listener.garbage_bytes > 1_000_000

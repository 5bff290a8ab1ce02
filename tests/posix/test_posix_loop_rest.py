"""The end of a turn: what is done once for all it has brought, and posts that wake nobody before."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.support import eventually
from tmd.posix.loop import Loop


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def loop(errors: list[str]) -> Iterator[Loop]:
    loop = Loop(on_error=errors.append)
    yield loop
    loop.close()


@pytest.fixture
def said() -> list[str]:
    return []


def test_the_last_of_a_turn_comes_after_all_else_of_it_and_before_the_next(loop: Loop, said: list[str]) -> None:
    def first() -> None:
        loop.call_last(partial(said.append, "last"))
        loop.call_last(partial(said.append, "very last"))
        loop.call_soon(partial(said.append, "next turn"))
        loop.call_soon(loop.stop)

    loop.call_soon(first)
    loop.call_soon(partial(said.append, "soon"))
    loop.post(partial(said.append, "posted"))
    loop.run()
    assert said == ["soon", "posted", "last", "very last", "next turn"]


def test_what_the_last_asks_for_has_its_turn_next_without_a_wait(loop: Loop) -> None:
    turns: list[int] = []

    def again(times: int) -> None:
        turns.append(loop.turn)
        if times:
            loop.call_last(partial(again, times - 1))
        else:
            loop.stop()

    loop.call_later(60.0, loop.stop)
    loop.call_last(partial(again, 3))
    loop.run()
    assert len(turns) == 4, "the loop slept although there was something to do"
    assert [later - turns[0] for later in turns] == [0, 1, 2, 3]


def test_a_last_call_that_raises_is_reported_and_the_others_have_theirs(
    loop: Loop, errors: list[str], said: list[str]
) -> None:
    def fail() -> None:
        raise ValueError("at the very end")

    loop.call_last(fail)
    loop.call_last(partial(said.append, "next"))
    loop.call_last(loop.stop)
    loop.run()
    assert said == ["next"]
    assert "at the very end" in errors[0]


def test_a_loop_that_was_closed_has_nothing_left_for_the_end(loop: Loop) -> None:
    loop.call_last(lambda: None)
    loop.close()
    assert not loop._last


def test_every_turn_ends_with_a_rest(loop: Loop, said: list[str]) -> None:
    rests: list[int] = []

    def rest() -> None:
        said.append("rest")
        rests.append(loop.turn)

    loop.on_rest = rest
    loop.call_soon(lambda: loop.call_last(partial(said.append, "last")))
    loop.call_later(0.005, loop.stop)
    before = loop.turn
    loop.run()
    assert said[:2] == ["last", "rest"]
    assert rests == list(range(before + 1, loop.turn + 1))


def test_a_rest_that_fails_is_reported_and_the_loop_lives(loop: Loop, errors: list[str]) -> None:
    def fail() -> None:
        raise OSError("no rest")

    loop.on_rest = fail
    loop.call_soon(lambda: loop.call_soon(loop.stop))
    loop.run()
    assert len(errors) == 2
    assert "no rest" in errors[1]


Post = Callable[[Loop, Callable[[], object]], None]


def unheard(loop: Loop, callback: Callable[[], object]) -> None:
    loop.post(callback, wake=False)


def woken(loop: Loop, callback: Callable[[], object]) -> None:
    loop.post(callback, wake=False)
    loop.wake()


def taken_along(loop: Loop, callback: Callable[[], object]) -> None:
    loop.post(callback, wake=False)
    loop.post(lambda: None)


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (unheard, ["timer", "posted"]),
        (woken, ["posted", "timer"]),
        (taken_along, ["posted", "timer"]),
        (Loop.post, ["posted", "timer"]),
    ],
)
def test_a_post_may_wait_until_somebody_wakes_the_loop(
    loop: Loop, said: list[str], post: Post, expected: list[str]
) -> None:
    def end() -> None:
        said.append("timer")
        loop.stop()

    loop.call_soon(lambda: post(loop, partial(said.append, "posted")))
    loop.call_later(0.01, end)
    loop.run()
    assert said == expected, "what was accepted is called before run returns, and no sooner than somebody wants"


def test_posts_that_wait_keep_their_order(loop: Loop, said: list[str]) -> None:
    for number in range(3):
        loop.post(partial(said.append, str(number)), wake=False)
    loop.post(loop.stop)
    loop.run()
    assert said == ["0", "1", "2"]


def test_another_thread_wakes_a_sleeping_loop(loop: Loop, said: list[str]) -> None:
    thread = threading.Thread(target=loop.run)
    thread.start()
    loop.post(partial(said.append, "posted"), wake=False)
    loop.wake()
    eventually(lambda: said)
    loop.post(loop.stop)
    thread.join()
    assert said == ["posted"]


def test_to_wake_a_loop_that_has_nothing_to_do_does_nothing(loop: Loop) -> None:
    loop.call_soon(loop.wake)
    loop.call_later(0.05, loop.stop)
    before = loop.turn
    loop.run()
    assert loop.turn - before <= 3
    loop.wake()  # it has ended
    loop.close()
    loop.wake()


def test_what_nobody_will_call_is_refused_whether_it_would_wake_or_not(loop: Loop) -> None:
    loop.call_soon(loop.stop)
    loop.run()
    with pytest.raises(RuntimeError, match="the loop has ended"):
        loop.post(lambda: None, wake=False)

"""The loop: descriptors, timers, posts, and what must never make it spin or die."""

import gc
import os
import selectors
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tmd.posix import limits
from tmd.posix.loop import FORKED, TURN_BOUNDS_S, Loop, Timer


@pytest.fixture
def errors() -> list[str]:
    return []


@pytest.fixture
def loop(errors: list[str]) -> Iterator[Loop]:
    loop = Loop(on_error=errors.append)
    yield loop
    loop.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def run_for(loop: Loop, seconds: float) -> int:
    """Run the loop for a while and return how often it woke up meanwhile."""
    before = loop.figures["wakeups"]
    loop.call_later(seconds, loop.stop)
    loop.run()
    return int(loop.figures["wakeups"] - before)


def each(*acts: Callable[[], object]) -> Callable[[], None]:
    def act_all() -> None:
        for act in acts:
            act()

    return act_all


# --- descriptors --------------------------------------------------------------------------------------------------


def test_a_readable_descriptor_calls_back_until_it_is_read(loop: Loop, pipe: tuple[int, int]) -> None:
    got: list[bytes] = []

    def read() -> None:
        got.append(os.read(pipe[0], 1))
        if len(got) == 3:
            loop.stop()

    loop.watch(pipe[0], readable=read)
    os.write(pipe[1], b"abc")
    loop.run()
    assert got == [b"a", b"b", b"c"]


def test_watching_again_replaces_the_whole_interest(loop: Loop, pipe: tuple[int, int]) -> None:
    calls: list[str] = []
    loop.watch(pipe[1], writable=partial(calls.append, "first"))
    loop.watch(pipe[1], writable=each(partial(calls.append, "second"), loop.stop))
    loop.run()
    assert calls == ["second"]
    loop.watch(pipe[1], readable=partial(calls.append, "readable"))
    run_for(loop, 0.01)
    loop.watch(pipe[1])
    run_for(loop, 0.01)
    assert calls == ["second"]


def test_unwatching_is_idempotent_and_final(loop: Loop, pipe: tuple[int, int]) -> None:
    calls: list[str] = []
    loop.watch(pipe[1], writable=partial(calls.append, "called"))
    loop.unwatch(pipe[1])
    loop.unwatch(pipe[1])
    loop.unwatch(12345)
    assert run_for(loop, 0.01) <= 2
    assert not calls


def test_what_an_earlier_callback_of_the_turn_let_go_of_is_not_served(loop: Loop) -> None:
    """Both are ready at once; whoever comes first closes the other and opens a stranger of the same number."""
    ends = [os.pipe() for _ in range(2)]
    served: list[int] = []
    strangers: list[int] = []

    def serve(mine: int, other: int) -> None:
        served.append(mine)
        loop.unwatch(mine)
        loop.unwatch(other)
        os.close(other)
        stranger = os.dup(mine)
        assert stranger == other
        loop.watch(stranger, readable=partial(strangers.append, stranger))
        loop.call_soon(loop.stop)

    first, second = ends[0][0], ends[1][0]
    loop.watch(first, readable=partial(serve, first, second))
    loop.watch(second, readable=partial(serve, second, first))
    for _, writer in ends:
        os.write(writer, b"x")
    loop._turn()
    assert len(served) == 1
    assert not strangers
    loop.run()
    assert strangers, "the new one is served in its own turn"
    for reader, writer in ends:
        os.close(reader)
        os.close(writer)


def test_an_unwatchable_descriptor_is_refused_at_once(loop: Loop, tmp_path: os.PathLike[str]) -> None:
    file = os.open(os.path.join(tmp_path, "file"), os.O_CREAT | os.O_RDWR)
    with pytest.raises(PermissionError):
        loop.watch(file, readable=lambda: None)
    os.close(file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.watch(file, readable=lambda: None)
    loop.unwatch(file)
    assert run_for(loop, 0.01) <= 2


# --- descriptors closed by mistake ---------------------------------------------------------------------------------


def test_a_closed_descriptor_is_forgotten_by_the_kernel(loop: Loop, pipe: tuple[int, int]) -> None:
    loop.watch(pipe[0], readable=lambda: os.read(pipe[0], 1))
    os.write(pipe[1], b"x" * 100)
    os.close(pipe[0])
    assert run_for(loop, 0.05) <= 2


@pytest.mark.parametrize("swallow", [False, True])
def test_a_descriptor_closed_while_a_duplicate_lives_does_not_spin(
    loop: Loop, errors: list[str], pipe: tuple[int, int], swallow: bool
) -> None:
    def read() -> None:
        try:
            os.read(pipe[0], 1)
        except OSError:
            if not swallow:
                raise

    duplicate = os.dup(pipe[0])
    loop.watch(pipe[0], readable=read)
    os.write(pipe[1], b"x" * 100)
    os.close(pipe[0])
    run_for(loop, 0.3)
    assert "no longer watched" in "".join(errors)
    assert run_for(loop, 0.05) <= 2
    os.close(duplicate)


def test_unwatching_too_late_does_not_spin_and_the_others_are_still_watched(loop: Loop, pipe: tuple[int, int]) -> None:
    duplicate = os.dup(pipe[0])
    loop.watch(pipe[0], readable=lambda: None)
    os.write(pipe[1], b"x")
    os.close(pipe[0])
    loop.unwatch(pipe[0])
    assert run_for(loop, 0.05) < 40
    assert run_for(loop, 0.05) <= 2
    got: list[bytes] = []
    loop.watch(duplicate, readable=each(lambda: got.append(os.read(duplicate, 1)), loop.stop))
    loop.run()
    assert got == [b"x"]
    loop.unwatch(duplicate)
    os.close(duplicate)


@pytest.mark.parametrize("events_differ", [False, True])
def test_a_number_closed_by_mistake_can_be_watched_again(loop: Loop, events_differ: bool) -> None:
    first = os.pipe()
    loop.watch(first[0], readable=lambda: None, writable=(lambda: None) if events_differ else None)
    os.close(first[0])
    os.close(first[1])
    second = os.pipe()
    assert second == first
    got: list[bytes] = []
    loop.watch(second[0], readable=each(lambda: got.append(os.read(second[0], 1)), loop.stop))
    os.write(second[1], b"y")
    loop.run()
    assert got == [b"y"]
    loop.unwatch(second[0])
    os.close(second[0])
    os.close(second[1])


def test_a_callback_that_fails_again_and_again_is_no_longer_asked(
    loop: Loop, errors: list[str], pipe: tuple[int, int]
) -> None:
    def fail() -> None:
        raise OSError("no")

    os.write(pipe[1], b"x")
    loop.watch(pipe[0], readable=fail)
    run_for(loop, 0.05)
    assert len(errors) == 11
    assert "failed 10 times in a row" in errors[-1]
    assert run_for(loop, 0.05) <= 2


# --- timers --------------------------------------------------------------------------------------------------------


def test_timers_fire_in_order_and_never_early(loop: Loop) -> None:
    fired: list[tuple[float, float]] = []
    start = loop.now()

    def fire(delay: float) -> None:
        fired.append((delay, loop.now() - start))

    for delay in (0.03, 0.0002, 0.005, 0.0, 0.0101):
        loop.call_later(delay, partial(fire, delay))
    loop.call_later(0.05, loop.stop)
    loop.run()
    assert [delay for delay, _ in fired] == [0.0, 0.0002, 0.005, 0.0101, 0.03]
    assert all(late >= delay for delay, late in fired)


def test_a_short_timer_neither_spins_nor_oversleeps(loop: Loop) -> None:
    """epoll alone would turn 0.2 ms into a whole one."""
    lateness: list[float] = []

    def arm() -> None:
        due = loop.now() + 0.0002
        loop.call_at(due, lambda: fire(due))

    def fire(due: float) -> None:
        lateness.append(loop.now() - due)
        if len(lateness) == 200:
            loop.stop()
        else:
            arm()

    arm()
    loop.run()
    assert loop.figures["wakeups"] <= 220
    assert sorted(lateness)[100] < 0.0006


def test_a_selector_beyond_the_reach_of_select_still_keeps_time() -> None:
    limits.raise_files(2048)
    crowd = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    loop = Loop()
    try:
        start = loop.now()
        loop.call_later(0.003, loop.stop)
        loop.run()
        assert loop.now() - start >= 0.003
        assert loop.figures["wakeups"] <= 2
    finally:
        loop.close()
        for fd in crowd:
            os.close(fd)


def test_a_cancelled_timer_is_silent_and_wakes_nobody(loop: Loop) -> None:
    fired: list[str] = []
    timers = [loop.call_later(0.001 * n, partial(fired.append, "cancelled")) for n in range(1, 20)]
    for timer in timers:
        timer.cancel()
        timer.cancel()
    assert run_for(loop, 0.05) <= 2
    assert not fired


def test_of_two_timers_due_together_the_first_can_cancel_the_second(loop: Loop) -> None:
    fired: list[str] = []
    when = loop.now() + 0.001
    timers: list[Timer] = []
    loop.call_at(when, each(partial(fired.append, "first"), lambda: timers.pop().cancel()))
    timers.append(loop.call_at(when, partial(fired.append, "second")))
    run_for(loop, 0.01)
    assert fired == ["first"]


def test_many_cancelled_timers_take_no_room(loop: Loop) -> None:
    keep = [loop.call_later(1000, lambda: None) for _ in range(10)]
    for _ in range(20_000):
        loop.call_later(1000, lambda: None).cancel()
    gc.collect()
    assert sum(isinstance(thing, Timer) for thing in gc.get_objects()) < 200
    assert len(keep) == 10


def test_a_deadline_beyond_all_bounds_is_fine_and_nan_is_not(loop: Loop) -> None:
    loop.call_later(float("inf"), lambda: None)
    loop.call_later(1e12, lambda: None)
    assert run_for(loop, 0.01) <= 2
    with pytest.raises(ValueError, match="not a number"):
        loop.call_later(float("nan"), lambda: None)


def test_a_busy_descriptor_starves_neither_timers_nor_posts(loop: Loop, pipe: tuple[int, int]) -> None:
    loop.watch(pipe[1], writable=lambda: None)
    again: list[int] = []

    def repost() -> None:
        again.append(1)
        loop.call_soon(repost)

    loop.call_soon(repost)
    posted: list[int] = []
    loop.call_later(0.01, lambda: loop.post(lambda: posted.append(1)))
    start = loop.now()
    run_for(loop, 0.05)
    assert loop.now() - start < 0.5
    assert again
    assert posted


def test_a_timer_that_rearms_itself_for_now_lets_the_others_in(loop: Loop, pipe: tuple[int, int]) -> None:
    def rearm() -> None:
        loop.call_at(0.0, rearm)

    rearm()
    loop.watch(pipe[1], writable=loop.stop)
    loop.run()


def test_time_comes_from_the_clock_and_readiness_from_the_selector() -> None:
    """A world of its own: a selector that lets the clock jump to the deadline instead of waiting."""
    now = 100.0

    class Patient(selectors.SelectSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            nonlocal now
            now += timeout or 0
            return super().select(0)

    loop = Loop(clock=lambda: now, selector=Patient())
    fired: list[float] = []
    for delay in (3600.0, 50.0, 0.001):
        loop.call_later(delay, lambda: fired.append(loop.now()))
    loop.call_later(4000, loop.stop)
    loop.run()
    loop.close()
    assert fired == pytest.approx([100.001, 150.0, 3700.0])
    assert loop.figures["wakeups"] <= 5


# --- soon, posts, the end ------------------------------------------------------------------------------------------


def test_soon_is_the_next_turn_in_order(loop: Loop) -> None:
    calls: list[str] = []

    def first() -> None:
        calls.append("first")
        loop.call_soon(each(partial(calls.append, "nested"), loop.stop))

    loop.call_soon(first)
    loop.call_soon(partial(calls.append, "second"))
    loop.run()
    assert calls == ["first", "second", "nested"]


def test_posts_of_many_threads_all_arrive_in_the_order_of_each(loop: Loop) -> None:
    got: dict[int, list[int]] = {n: [] for n in range(4)}

    def send(who: int) -> None:
        for n in range(2000):
            loop.post(partial(got[who].append, n))
        loop.post(count_down)

    left = [4]

    def count_down() -> None:
        left[0] -= 1
        if not left[0]:
            loop.stop()

    threads = [threading.Thread(target=send, args=(who,)) for who in got]
    for thread in threads:
        thread.start()
    loop.run()
    for thread in threads:
        thread.join()
    assert all(numbers == list(range(2000)) for numbers in got.values())


def test_what_was_accepted_is_processed_before_run_returns_and_then_refused(loop: Loop) -> None:
    accepted: list[int] = []
    processed: list[int] = []
    refused = threading.Event()

    def storm() -> None:
        n = 0
        try:
            while True:
                loop.post(partial(processed.append, n))
                accepted.append(n)
                n += 1
        except RuntimeError:
            refused.set()

    thread = threading.Thread(target=storm)
    thread.start()
    run_for(loop, 0.02)
    seen = len(processed)
    assert refused.wait(5)
    thread.join()
    assert processed == accepted
    assert len(processed) == seen


def test_a_post_made_while_the_loop_ends_is_refused_not_lost(loop: Loop, errors: list[str]) -> None:
    late: list[int] = []
    loop.post(each(loop.stop, lambda: loop.post(lambda: loop.post(lambda: late.append(1)))))
    loop.run()
    assert not late
    assert "cannot post: the loop has ended" in errors[0]


def test_a_post_wakes_a_sleeping_loop_at_once(loop: Loop) -> None:
    delays: list[float] = []
    asleep = threading.Event()

    def arrive(sent: float, arrived: threading.Event) -> None:
        delays.append(time.monotonic() - sent)
        arrived.set()

    def send() -> None:
        asleep.wait()
        for _ in range(50):
            arrived = threading.Event()
            loop.post(partial(arrive, time.monotonic(), arrived))
            arrived.wait()
        loop.post(loop.stop)

    thread = threading.Thread(target=send)
    thread.start()
    loop.call_soon(asleep.set)
    loop.run()
    thread.join()
    assert sorted(delays)[25] < 0.005


def test_a_loop_can_run_again(loop: Loop) -> None:
    assert run_for(loop, 0.001) >= 1
    with pytest.raises(RuntimeError):
        loop.post(lambda: None)
    got: list[int] = []
    loop.call_soon(each(lambda: loop.post(lambda: got.append(1)), loop.stop))
    loop.run()
    assert got == [1]


def test_close_is_idempotent_and_final(loop: Loop) -> None:
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError):
        loop.post(lambda: None)
    with pytest.raises(RuntimeError):
        loop.run()


def test_a_loop_without_signals_may_live_in_any_thread() -> None:
    fired: list[int] = []

    def live() -> None:
        loop = Loop()
        loop.call_later(0.001, each(lambda: fired.append(1), loop.stop))
        loop.run()
        loop.close()

    thread = threading.Thread(target=live)
    thread.start()
    thread.join(5)
    assert fired == [1]


# --- errors and figures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LookupError, SystemExit, GeneratorExit])
@pytest.mark.parametrize("way", ["soon", "timer", "post", "fd"])
def test_a_callback_that_raises_is_reported_and_the_loop_lives(
    loop: Loop, errors: list[str], pipe: tuple[int, int], way: str, error: type[BaseException]
) -> None:
    def fail() -> None:
        loop.unwatch(pipe[1])
        raise error("the reason")

    ask: dict[str, Callable[[], object]] = {
        "soon": lambda: loop.call_soon(fail),
        "timer": lambda: loop.call_later(0, fail),
        "post": lambda: loop.post(fail),
        "fd": lambda: loop.watch(pipe[1], writable=fail),
    }
    ask[way]()
    run_for(loop, 0.01)
    assert len(errors) == 1
    assert f"{error.__name__}: the reason" in errors[0]
    assert "in fail" in errors[0]
    assert loop.figures["errors"] == 1


@pytest.mark.parametrize("error", [OSError, SystemExit])
def test_even_reporting_an_error_may_fail(loop: Loop, error: type[BaseException]) -> None:
    def refuse(text: str) -> None:
        raise error("disk full")

    loop.on_error = refuse
    loop.call_soon(lambda: 1 // 0)
    run_for(loop, 0.005)
    assert loop.figures["errors"] == 2


def test_errors_go_to_stderr_unless_somebody_wants_them(capsys: pytest.CaptureFixture[str]) -> None:
    loop = Loop()
    loop.call_soon(lambda: 1 // 0)
    run_for(loop, 0.001)
    loop.close()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupt_is_not_swallowed(loop: Loop) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    loop.call_soon(interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run()


def test_an_interrupt_that_cannot_be_from_the_keyboard_is_an_error_like_others(loop: Loop, errors: list[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    loop.on_signal(signal.SIGINT, lambda _: None)
    loop.call_soon(interrupt)
    run_for(loop, 0.005)
    assert "KeyboardInterrupt" in errors[0]


@pytest.mark.parametrize("leave", ["return", "exit"])
def test_a_child_that_a_callback_forked_does_not_run_a_second_loop(leave: str) -> None:
    loop = Loop()
    told: list[int] = []
    reader, writer = os.pipe2(os.O_CLOEXEC)

    def fork() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads, which this child does not touch
            pid = os.fork()
        if pid:
            told.append(pid)
            return
        loop.call_soon(lambda: os.write(writer, b"a second loop"))
        if leave == "exit":
            raise SystemExit(0)

    loop.call_soon(fork)
    run_for(loop, 0.01)
    loop.close()
    assert os.waitstatus_to_exitcode(os.waitpid(told[0], 0)[1]) == FORKED
    os.close(writer)
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_an_idle_loop_never_wakes_up(loop: Loop, pipe: tuple[int, int]) -> None:
    loop.watch(pipe[0], readable=lambda: None)
    loop.call_later(3600, lambda: None)
    assert run_for(loop, 0.3) <= 2


def test_figures_tell_of_the_longest_turn(loop: Loop) -> None:
    def dawdle() -> None:
        until = loop.now() + 0.02
        while loop.now() < until:
            continue

    loop.call_soon(dawdle)
    run_for(loop, 0.001)
    assert 0.02 <= loop.figures["lag_max_s"] < 1
    assert loop.figures["callbacks"] >= 2
    assert len(loop.turns) == len(TURN_BOUNDS_S) + 1
    assert sum(loop.turns) == loop.figures["wakeups"]
    assert sum(loop.turns[2:]) >= 1, "no turn of more than ten milliseconds was counted"

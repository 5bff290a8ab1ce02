"""Processor time of trees, from one look to the next."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmd.core.usage import Usage, look


class Seen(NamedTuple):
    pid: int
    start: float
    own_s: float
    waited_s: float = 0.0


LEADER = Seen(10, 100.0, 1.0)


def test_the_first_look_tells_the_average_since_the_start() -> None:
    usage = look(110.0, Seen(10, 100.0, 4.0, 1.0), [Seen(10, 100.0, 4.0, 1.0)], None)
    assert usage.cpu_s == 5.0
    assert usage.cpu_percent == pytest.approx(50.0)


def test_a_process_that_was_just_started_shows_no_absurd_percentage() -> None:
    new = Seen(10, 100.0, 0.01)
    assert look(100.0, new, [new], None).cpu_percent <= 2.0


def first(*members: Seen, at: float = 200.0) -> Usage:
    return look(at, members[0], members, None)


def test_later_looks_tell_what_was_used_in_between() -> None:
    before = first(Seen(10, 100.0, 1.0), Seen(11, 110.0, 2.0))
    now = [Seen(10, 100.0, 1.5), Seen(11, 110.0, 4.0)]
    usage = look(202.0, now[0], now, before)
    assert usage.cpu_s == pytest.approx(5.5)
    assert usage.cpu_percent == pytest.approx(125.0)


def test_a_child_that_ended_and_was_waited_for_counts_once() -> None:
    before = first(LEADER, Seen(11, 110.0, 2.0))
    now = Seen(10, 100.0, 1.0, 2.5)
    usage = look(202.0, now, [now], before)
    assert usage.cpu_s == pytest.approx(3.5), "its last half second is new, what was seen of it before is not"


def test_a_child_that_came_and_went_between_two_looks_counts_in_full() -> None:
    now = Seen(10, 100.0, 1.0, 0.7)
    assert look(202.0, now, [now], first(LEADER)).cpu_s == pytest.approx(1.7)


def test_a_child_nobody_waited_for_takes_nothing_away() -> None:
    before = first(LEADER, Seen(11, 110.0, 50.0))
    usage = look(202.0, LEADER, [LEADER], before)
    assert usage.cpu_s == before.cpu_s == pytest.approx(51.0)
    assert usage.cpu_percent == 0.0


def test_a_pid_that_was_given_to_another_is_another() -> None:
    before = first(LEADER, Seen(11, 110.0, 50.0))
    now = [LEADER, Seen(11, 201.0, 0.25)]
    assert look(202.0, LEADER, now, before).cpu_s == pytest.approx(51.25)


def test_who_joins_with_a_past_brings_only_what_it_uses_from_then_on() -> None:
    joined = [LEADER, Seen(12, 50.0, 900.0, 100.0)]
    usage = look(202.0, LEADER, joined, first(LEADER))
    assert usage.cpu_percent == 0.0
    later = [LEADER, Seen(12, 50.0, 901.0, 100.0)]
    assert look(204.0, LEADER, later, usage).cpu_percent == pytest.approx(50.0)


def test_another_leader_begins_anew() -> None:
    again = Seen(10, 201.0, 0.1)
    usage = look(202.0, again, [again], first(Seen(10, 100.0, 77.0)))
    assert usage.cpu_s == pytest.approx(0.1)


def test_a_time_that_the_kernel_tells_smaller_than_before_is_no_negative_use() -> None:
    now = Seen(10, 100.0, 0.99)
    usage = look(202.0, now, [now], first(LEADER))
    assert (usage.cpu_s, usage.cpu_percent) == (1.0, 0.0)


STEPS = st.lists(st.sampled_from(["work", "fork", "end", "orphan", "look"]), max_size=60)


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_whatever_a_tree_does_its_time_never_falls_and_is_never_more_than_was_used(
    steps: list[str], random: object
) -> None:
    """Play a tree; `used` is the truth. An orphan's end is told to nobody in the tree."""
    choose = random.choice  # type: ignore[attr-defined]
    now, used, next_pid = 100.0, 0.0, 11
    tree: dict[int, list[float]] = {10: [100.0, 0.0, 0.0, 0.0]}  # start, own, waited, parent
    before: Usage | None = None
    for step in steps:
        now += 0.5
        who = choose(sorted(tree))
        if step == "work":
            tree[who][1] += 0.4
            used += 0.4
        elif step == "fork":
            tree[next_pid] = [now, 0.0, 0.0, who]
            next_pid += 1
        elif step in ("end", "orphan") and who != 10 and not any(one[3] == who for one in tree.values()):
            _, own, waited, parent = tree.pop(who)
            if step == "end":
                tree[int(parent)][2] += own + waited
        elif step == "look":
            members = [Seen(pid, one[0], one[1], one[2]) for pid, one in tree.items()]
            usage = look(now, members[0], members, before)
            assert usage.cpu_percent >= 0
            assert usage.cpu_s <= used + 1e-6
            if before is not None:
                assert usage.cpu_s >= before.cpu_s
            before = usage

"""What the floor of clients counts."""

from tmd.core.traffic import RPC_BOUNDS_S, Histogram, Traffic


def test_a_value_falls_under_the_first_bound_that_is_not_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 99.0):
        histogram.add(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 104.0


def test_a_copy_stays_as_it_is() -> None:
    histogram = Histogram((1.0,))
    copied = histogram.copy()
    histogram.add(0.5)
    assert copied.counts == [0, 0]
    assert copied.total == 0


def test_bounds_rise() -> None:
    assert list(RPC_BOUNDS_S) == sorted(set(RPC_BOUNDS_S))


def test_calls_are_kept_by_method_and_replies_by_status() -> None:
    traffic = Traffic()
    traffic.called("a", 0.1)
    traffic.called("a", 0.2)
    traffic.called("b", 3.0)
    for status in (200, 200, 401):
        traffic.replied(status)
    assert {method: sum(found.counts) for method, found in traffic.rpc.items()} == {"a": 2, "b": 1}
    assert traffic.replies == {200: 2, 401: 1}

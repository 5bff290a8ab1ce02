"""Points in time as people type them."""

from datetime import UTC, datetime

import pytest

from tmctl.log_times import parse_time, stamp

NOW = datetime(2026, 11, 21, 17, 45, 44).timestamp()


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [
        ("10m", 600),
        ("2h", 7200),
        ("90s", 90),
        ("1d12h", 129600),
        ("1h30m15s", 5415),
        ("1.5h", 5400),
        ("1w", 604800),
        ("0s", 0),
    ],
)
def test_a_span_counts_back_from_now(text: str, ago_s: float) -> None:
    assert parse_time(text, NOW) == NOW - ago_s


def test_a_time_of_day_is_the_last_there_was() -> None:
    assert parse_time("14:03", NOW) == datetime(2026, 11, 21, 14, 3).timestamp()
    assert parse_time("14:03:22", NOW) == datetime(2026, 11, 21, 14, 3, 22).timestamp()
    assert parse_time("23:00", NOW) == datetime(2026, 11, 20, 23, 0).timestamp()


def test_a_date_is_local_unless_it_says_otherwise() -> None:
    assert parse_time("2026-11-21T17:45Z", NOW) == datetime(2026, 11, 21, 17, 45, tzinfo=UTC).timestamp()
    assert (
        parse_time("2026-11-21t17:45:10.5+02:00", NOW)
        == datetime(2026, 11, 21, 15, 45, 10, 500000, tzinfo=UTC).timestamp()
    )
    assert parse_time("2026-11-20", NOW) == datetime(2026, 11, 20).timestamp()
    assert parse_time("2026-11-20 08:15", NOW) == datetime(2026, 11, 20, 8, 15).timestamp()


@pytest.mark.parametrize("text", ["", " ", "10", "m", "yesterday", "25:00", "12:61", "2026-13-01", "-5m", "1e9h"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_time(text, NOW)


def test_a_stamp_is_that_of_the_logs() -> None:
    assert stamp(1795262400.1239) == "2026-11-21T12:00:00.123Z"

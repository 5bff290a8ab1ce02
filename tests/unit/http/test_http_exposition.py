"""The two formats of metrics, and which of them a client gets."""

import pytest

from tmd.core.traffic import Histogram
from tmd.http.exposition import Family, Page, escape, labels, number, wants_openmetrics

COUNTER = Family("things_seconds", "counter", "What there is.")


def body(*, openmetrics: bool) -> str:
    page = Page(openmetrics=openmetrics)
    page.family(COUNTER, [(labels(a="b"), 1), (labels(a="c"), 2.5)])
    page.family(Family("empty", "gauge", "Nothing."), [])
    page.family(Family("me", "info", "Who."), [(labels(version="1"), 1)])
    return page.body().decode()


def test_openmetrics_names_the_family_its_unit_and_the_end() -> None:
    assert body(openmetrics=True) == (
        "# HELP things_seconds What there is.\n# TYPE things_seconds counter\n# UNIT things_seconds seconds\n"
        'things_seconds_total{a="b"} 1\nthings_seconds_total{a="c"} 2.5\n'
        '# HELP me Who.\n# TYPE me info\nme_info{version="1"} 1\n# EOF\n'
    )


def test_the_older_format_names_the_samples_and_knows_fewer_kinds() -> None:
    assert body(openmetrics=False) == (
        "# HELP things_seconds_total What there is.\n# TYPE things_seconds_total counter\n"
        'things_seconds_total{a="b"} 1\nthings_seconds_total{a="c"} 2.5\n'
        '# HELP me_info Who.\n# TYPE me_info gauge\nme_info{version="1"} 1\n'
    )


def test_a_histogram_adds_up() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.5, 0.5, 9.0):
        histogram.add(value)
    page = Page(openmetrics=False)
    page.histograms(Family("took", "histogram", "How long."), [("method", 'a"b', histogram)])
    assert page.body().decode().splitlines()[2:] == [
        r'took_bucket{method="a\"b",le="0.1"} 1',
        r'took_bucket{method="a\"b",le="1.0"} 3',
        r'took_bucket{method="a\"b",le="+Inf"} 4',
        r'took_count{method="a\"b"} 4',
        r'took_sum{method="a\"b"} 10.05',
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("web", "web"), ('a"b', r"a\"b"), ("a\\b", r"a\\b"), ("a\nb", r"a\nb"), ('\\"\n', r"\\\"\n"), ("<é>", "<é>")],
)
def test_labels_are_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_what_is_no_text_becomes_a_question_mark() -> None:
    page = Page(openmetrics=False)
    page.family(Family("x", "gauge", "X."), [(labels(a="\udcff"), 1)])
    assert b'a="?"' in page.body()


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (12, "12"), (0.5, "0.5"), (1700000000.25, "1700000000.25"), (1e-7, "1e-07")]
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


@pytest.mark.parametrize(
    ("accept", "newer"),
    [
        (PROMETHEUS, True),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=0.0.1", True),
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.9", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=oops", False),
        (";;,,=;q=", False),
    ],
)
def test_the_newer_format_is_for_who_asks_for_it(accept: str, newer: bool) -> None:
    assert wants_openmetrics(accept) is newer

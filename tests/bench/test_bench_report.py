"""The page, the charts and the verdicts that are made from a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bench import charts, promises, report
from bench.findings import Beside, Competitor, Machine, Measured, Outcome, Run, Summary, summary
from bench.measurements.base import Figure, Promise
from bench.promises import Verdict
from bench.wording import amount, beats, compared, number, times_better

MACHINE = Machine("Linux 6.1, x86_64", "Some Processor", 2, 7.8, "3.11.2", "ext4", 1024, "a tiny program")
FIGURES = (
    Figure("took", "kill to successor", "ms", p99=True),
    Figure("rate", "answers", "1/s", better="more"),
    Figure("lost", "lines lost", "lines", chart=False),
)
PROMISES = (
    Promise("took", 1 / 500),
    Promise("took", 4.0, against=None, statistic="p99"),
    Promise("rate", 50.0),
    Promise("lost", 0.0, against=None, statistic="max"),
)


def one(*values: float) -> Summary:
    found = summary([values])
    assert found is not None
    return found


def measured(
    figures: Mapping[str, Mapping[str, Sequence[float]]],
    absent: Mapping[str, str] | None = None,
    troubles: Mapping[str, str] | None = None,
) -> Measured:
    outcomes = {
        name: Outcome(
            {key: one(*values) for key, values in by_key.items()},
            (troubles[name],) if troubles and name in troubles else (),
            (1.0,),
            Beside(one(50.0, 60.0), one(0.8)),
        )
        for name, by_key in figures.items()
    }
    left_out = ("without 5,000 programs", "1 round instead of 2")
    omitted: dict[str, tuple[str, ...]] = {"pm2": left_out} if "pm2" in outcomes else {}
    return Measured("crash", "Crash & respawn", 3, FIGURES, PROMISES, outcomes, dict(absent or {}), omitted)


def run(*measurements: Measured, quick: bool = False) -> Run:
    names = dict.fromkeys(name for each in measurements for name in each.outcomes)
    subjects = [*(Competitor(name, "1.2", "") for name in names), Competitor("circus", "", "cannot fetch it")]
    began = "2025-01-02 03:04 UTC"
    return Run(1, "bench/run --only crash", began, 600.0, quick, MACHINE, tuple(subjects), measurements)


USUAL = measured(
    {
        "tmd": {"took": [2.0, 2.0, 5.0], "rate": [400.0], "lost": [0.0]},
        "supervisor": {"took": [2000.0], "rate": [10.0], "lost": [0.0]},
        "runit": {"took": [1.5]},
        "pm2": {},
        "limit": {"took": [0.8], "rate": [800.0]},
    },
    absent={"s6": "lacks logs"},
    troubles={"runit": "round 2: TimeoutError: nothing came"},
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3, "3"), (2007.4, "2,007"), (100, "100"), (99.96, "100"), (43.25, "43.2"), (9.999, "10.0"),
     (1.304, "1.30"), (0.999, "1.00"), (0.0534, "0.053"), (0.05, "0.050"), (0.9, "0.90"), (-12.3, "-12.3")],
)  # fmt: skip
def test_numbers_have_three_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text


def test_units_and_ratios() -> None:
    less, more = FIGURES[0], FIGURES[1]
    assert (amount(1234, "count"), amount(1.5, "s/GiB")) == ("1,234", "1.50 s/GiB")
    assert times_better(less, 2, 2000) == 1000
    assert times_better(more, 400, 10) == 40
    assert times_better(more, 0, 0) == 1
    assert times_better(less, 0, 3) is None
    assert times_better(less, -3, 3) is None
    assert not beats(less, 1.0, 1.04)
    assert beats(less, 1.0, 1.06)
    assert not beats(more, 1.0, 1.06)
    assert (compared(less, 1, 1739.6), compared(more, 1, 2)) == ("1,740x", "0.50x")
    assert (compared(less, 0, 0), compared(less, 0, 3), compared(less, 3, -1)) == ("equal", "better", "worse")
    assert (compared(more, 0, 3), compared(more, 3, 0)) == ("worse", "better")


def test_the_table_has_a_row_for_each_figure_and_a_column_for_each_subject() -> None:
    page = report.page(run(USUAL), "images/performance")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    assert rows[0] == ["", "tmd", "supervisor", "runit", "limit", "to supervisor", "to limit"]
    assert rows[2] == ["kill to successor, ms", "2", "2,000", "**1.50**", "0.80", "1,000x", "0.40x"]
    assert rows[3] == ["kill to successor, ms, p99", "5", "2,000", "**1.50**", "0.80", "400x", "0.16x"]
    assert rows[4] == ["answers, 1/s", "400", "10", "failed", "800", "40x", "0.50x"]
    assert rows[5] == ["lines lost", "0", "0", "failed", "-", "equal", "-"]
    assert rows[6][:2] == ["beside: arithmetic, ms", "55 (±9 %)"]
    assert "- s6: left out: lacks logs\n- pm2: left out: has none of these figures\n" in page
    assert "- runit: round 2: TimeoutError: nothing came\n" in page
    assert "- pm2: without 5,000 programs\n- pm2: 1 round instead of 2\n" in page


def test_the_page_says_where_and_how_it_was_measured() -> None:
    page = report.page(run(USUAL, quick=True), None)
    for words in (
        "`bench/run --only crash`", "2025-01-02 03:04 UTC, 10 minutes, a first look", "Some Processor, 2 cores,",
        "7.8 GiB", "a soft limit of 1,024 descriptors", "tmd 1.2, supervisor 1.2, runit 1.2, pm2 1.2. circus could",
        "`limit` is no supervisor", "took 55 to 55 ms",
        "is a tiny program; it stamps",
    ):  # fmt: skip
        assert words in " ".join(page.split())
    assert max(len(line) for line in page.splitlines() if line[:1] != "|") <= 120
    assert "![" not in page


def test_what_one_has_to_know_of_a_subject_is_said() -> None:
    found = replace(run(USUAL), subjects=(Competitor("runit", "2.1", "", ("It waits a second.", "It is small.")),))
    assert "- runit: It waits a second. It is small.\n" in report.page(found, None)


def test_where_others_are_better_is_said() -> None:
    page = report.page(run(USUAL), None)
    assert page.count("- Crash & respawn, ") == 2
    assert "- Crash & respawn, kill to successor: runit 1.50 ms; tmd 2 ms\n" in page
    assert "- Crash & respawn, kill to successor, p99: runit 1.50 ms; tmd 5 ms\n" in page


def test_what_is_within_noise_is_equal_and_zero_beats_something() -> None:
    figures = {"tmd": {"took": [2.0], "rate": [100.0], "lost": [1.0]}, "circus": {"took": [1.95], "lost": [0.0]}}
    page = report.page(run(measured(figures)), None)
    assert "- Crash & respawn, lines lost: circus 0; tmd 1\n" in page
    assert "kill to successor: circus" not in page
    page = report.page(run(measured({"tmd": {"took": [2.0]}, "circus": {"took": [2.0]}})), None)
    assert "Nobody did better than tmd" in page


def test_where_tmd_failed_the_others_are_better() -> None:
    found = measured({"tmd": {"rate": [1.0]}, "circus": {"took": [7.0]}}, troubles={"tmd": "round 1: it broke"})
    assert "- Crash & respawn, kill to successor: circus 7 ms; tmd failed\n" in report.page(run(found), None)


def test_without_tmd_nobody_is_compared_with_it() -> None:
    page = report.page(run(measured({"circus": {"took": [2.0]}, "runit": {"took": [1.0]}})), None)
    assert "tmd was not in this run." in page
    assert "did better" not in page
    assert "The last columns" not in page
    assert "**" not in page


def test_promises_are_judged() -> None:
    verdicts = [(one.verdict, one.bound, one.found) for one in promises.judge(run(USUAL))]
    assert verdicts == [
        (Verdict.HELD, "at most 1/500 of supervisor's 2,000 ms, so 4 ms", "2 ms"),
        (Verdict.BROKEN, "at most 4 ms", "5 ms"),
        (Verdict.BROKEN, "at least 50 times supervisor's 10 a second, so 500 a second", "400 a second"),
        (Verdict.HELD, "at most 0", "0"),
    ]
    assert "Of 4 bounds in this run: 2 held, 2 not held, 0 not measured." in report.page(run(USUAL), None)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (measured({"tmd": {"took": [1]}}), "supervisor was not asked for"),
        (measured({"tmd": {"took": [1]}}, absent={"supervisor": "cannot fetch"}), "supervisor: cannot fetch"),
        (measured({"tmd": {"took": [1]}, "supervisor": {}}, troubles={"supervisor": "late"}), "supervisor: late"),
        (measured({"supervisor": {"took": [1]}, "tmd": {}}), "tmd has no such figure in this run"),
    ],
)
def test_a_promise_that_cannot_be_seen_is_not_held(found: Measured, why: str) -> None:
    judged = promises.judge(run(found))[0]
    assert f"| not measured: {why}" in report.page(run(found), None)
    assert (judged.verdict, judged.why) == (Verdict.UNSEEN, why)


def picture(found: Measured) -> ElementTree.Element:
    drawn = charts.chart(found)
    assert drawn is not None
    return ElementTree.fromstring(drawn)


def texts(drawn: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in drawn.iter("{http://www.w3.org/2000/svg}text")]


def test_a_chart_has_a_panel_for_each_figure_that_is_drawn_and_a_bar_for_each_subject() -> None:
    drawn = picture(USUAL)
    said = texts(drawn)
    assert said[:2] == ["kill to successor, ms", "less is better, logarithmic scale"]
    assert said[said.index("answers, 1/s") + 1] == "more is better, logarithmic scale"
    assert not any("lines lost" in text for text in said)
    for text in ("tmd", "2 (p99 5)", "2,000 (p99 2,000)", "400", "10"):
        assert text in said
    bars = [element.get("class") for element in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars == ["own", "peer", "peer", "limit", "own", "peer", "limit"]


def test_bars_are_as_long_as_their_values_and_stay_in_the_picture() -> None:
    drawn = picture(measured({"tmd": {"rate": [100]}, "supervisor": {"rate": [50]}, "runit": {"rate": [0]}}))
    widths = [float(element.get("width", 0)) for element in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[0] == pytest.approx(2 * widths[1])
    assert len(widths) == 2, "nothing is drawn for 0"
    assert widths[0] < float(drawn.get("width", 0)) - 220, "the value has to fit beside it"
    logarithmic = picture(USUAL).iter("{http://www.w3.org/2000/svg}rect")
    assert [float(bar.get("width", 0)) for bar in logarithmic][1] <= widths[0] + 0.1


def test_who_failed_at_everything_is_drawn_as_such() -> None:
    drawn = picture(measured({"tmd": {"took": [1]}, "supervisor": {}}, troubles={"supervisor": "late"}))
    assert "failed" in texts(drawn)


def test_nothing_to_draw_is_no_chart() -> None:
    nothing = measured({"tmd": {}, "supervisor": {}})
    assert charts.chart(nothing) is None
    assert report.charts(run(nothing)) == {}
    assert "Nothing was measured." in report.page(run(nothing), "images")
    assert [*report.charts(run(USUAL))] == ["crash.svg"]

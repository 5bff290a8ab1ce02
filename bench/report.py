"""The page about a run: what was measured, where others are better, what is promised and whether it was kept.

Everything on it comes from the results of one run; nothing is chosen or left out by hand.
"""

import textwrap
from collections.abc import Iterator, Mapping

from bench.charts import chart
from bench.findings import Measured, Run, Summary
from bench.measurements.base import Figure
from bench.promises import Judged, Verdict, judge
from bench.table import markdown
from bench.wording import HERO, LIMIT, PEER, amount, beats, compared, label, number, statistic


def page(run: Run, images: str | None) -> str:
    """Return the page as Markdown; `images` is the folder of the charts as seen from it, None: without charts."""
    parts = [
        "# How fast, how light\n",
        _introduction(run),
        *(_section(measured, images) for measured in run.measurements),
        _others(run),
        _promises(run),
        _oneself(run),
    ]
    return "\n".join(parts)


def charts(run: Run) -> dict[str, str]:
    """Return the charts of a run: file name -> SVG."""
    drawn = {f"{measured.key}.svg": chart(measured) for measured in run.measurements}
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _introduction(run: Run) -> str:
    machine = run.machine
    there = [f"{one.name} {one.version}" for one in run.subjects if one.version and one.name != LIMIT]
    missing = [f"{one.name} could not be measured: {one.missing}." for one in run.subjects if one.missing]
    lines = [
        f"This page is written from one run of the bench (`{run.command}`, {run.began}, {_took(run.took_s)}"
        f"{', a first look with smaller sizes' if run.quick else ''}), by the bench. It tells how `tmd` does beside"
        " what one would pick instead of it, on the same machine, in the same minutes.",
        "",
        f"- The machine: {machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB; {machine.system};"
        f" {machine.files}; Python {machine.python}; a soft limit of {machine.soft_descriptors:,} descriptors.",
        f"- Who: {', '.join(there)}. {' '.join(missing)}".rstrip(),
        *_about_limit(run),
        "- How: each measurement goes around all of them in every round, in an order that moves on from round to"
        " round, each in a fresh directory; a second round begins when all measurements had their"
        f" first. What is supervised is {machine.programs or 'a static program'}; it stamps the time as its first"
        " act. A figure is the median of all samples of all rounds, p99 is of all samples, too.",
        *_about_noise(run),
        *_about_columns(run),
        *(f"- {one.name}: {' '.join(one.remarks)}" for one in run.subjects if one.version and one.remarks),
        "",
    ]
    return "\n".join(_wrapped(line) for line in lines)


def _wrapped(text: str) -> str:
    """Return a paragraph or an item of a list in lines like those of the other pages."""
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _took(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _about_limit(run: Run) -> list[str]:
    if not any(one.name == LIMIT and one.version for one in run.subjects):
        return []
    return [
        f"- `{LIMIT}` is no supervisor: a bare loop of plain Python that starts, reaps, restarts, logs and answers,"
        " without policy, checks or features. It shows what the machine and the language give."
    ]


def _about_noise(run: Run) -> list[str]:
    """Say how much the fixed work differed from turn to turn."""
    beside = [
        outcome.beside for measured in run.measurements for outcome in measured.outcomes.values() if outcome.beside
    ]
    if not beside:
        return []
    cpu = _spread([one.cpu_ms for one in beside])
    spawn = _spread([one.spawn_ms for one in beside])
    return [
        f"- Noise: beside each turn a fixed piece of arithmetic took {cpu} ms, the start of a tiny program {spawn} ms"
        " (lowest and highest median of the turns of one subject in one measurement). The last rows of each table"
        " say what it was there, and how far the farthest was from that: where these differ, the figures above them"
        " differ by as much for no other reason."
    ]


def _about_columns(run: Run) -> list[str]:
    """Say what ratios and bold figures mean, where there are any."""
    there = {one.name for one in run.subjects if one.version}
    if HERO not in there:
        return []
    others = [whose for name, whose in ((PEER, PEER), (LIMIT, "the limit")) if name in there]
    lines = []
    if others:
        lines.append(
            f"- The last columns say how many times as good {HERO} is as {', and as '.join(others)}; below 1 it is"
            " worse. Beside a 0 no number says that: there it is better or worse. Read these, rather than the figures:"
            " another machine has other figures."
        )
    lines.append(
        f"- A figure of another supervisor is **bold** where it is better than that of {HERO} by more than 5 %."
        ' "-": it has no such figure.'
    )
    return lines


def _spread(summaries: list[Summary]) -> str:
    medians = [one.median for one in summaries]
    return f"{number(min(medians))} to {number(max(medians))}"


def _section(measured: Measured, images: str | None) -> str:
    """Return the part about one measurement."""
    names = [name for name, outcome in measured.outcomes.items() if outcome.figures or outcome.troubles]
    rows = [_row(measured, figure, name, names) for figure in measured.figures for name in _statistics(figure)]
    rows = [row for row in rows if any(cell not in ("-", "failed") for cell in row[1:])]
    rows += _noise_rows(measured, names) if rows else ()
    head = ["", *names]
    head += [f"to {other}" for other in (PEER, LIMIT) if _compared(names, other)]
    rounds = "one round" if measured.rounds == 1 else f"{measured.rounds} rounds"
    lines = [f"## {measured.title}", "", f"`{measured.key}`, {rounds}.", ""]
    drawn = images is not None and chart(measured) is not None
    lines += [markdown(head, rows), ""] if rows else ["Nothing was measured.", ""]
    if drawn:
        lines += [f"![{measured.title}, as bars]({images}/{measured.key}.svg)", ""]
    notes = [f"- {name}: left out: {why}" for name, why in measured.absent.items()]
    notes += [f"- {name}: left out: has none of these figures" for name in measured.outcomes if name not in names]
    notes += [f"- {name}: {trouble}" for name, outcome in measured.outcomes.items() for trouble in outcome.troubles]
    notes += [f"- {name}: {what}" for name, parts in measured.omitted.items() for what in parts]
    return "\n".join([*lines, *notes, ""] if notes else lines)


def _statistics(figure: Figure) -> tuple[str, ...]:
    return ("median", "p99") if figure.p99 else ("median",)


def _compared(names: list[str], other: str) -> bool:
    return HERO in names and other in names


def _row(measured: Measured, figure: Figure, name: str, names: list[str]) -> list[str]:
    """Return one row: a statistic of a figure of all subjects, and the ratios."""
    values = {subject: statistic(measured, subject, figure.key, name) for subject in names}
    cells = [label(figure) if name == "median" else f"{label(figure)}, {name}"]
    cells += [_cell(measured, figure, subject, values) for subject in names]
    for other in (PEER, LIMIT):
        if _compared(names, other):
            mine, theirs = values[HERO], values[other]
            cells.append("-" if mine is None or theirs is None else compared(figure, mine, theirs))
    return cells


def _cell(measured: Measured, figure: Figure, subject: str, values: Mapping[str, float | None]) -> str:
    """Return a figure of a subject, in bold when it is better than tmd's."""
    value, mine = values[subject], values.get(HERO)
    if value is None:
        return "failed" if measured.outcomes[subject].troubles else "-"
    bold = subject != LIMIT and mine is not None and beats(figure, value, mine)
    return f"**{number(value)}**" if bold else number(value)


def _noise_rows(measured: Measured, names: list[str]) -> Iterator[list[str]]:
    """Give the rows about the fixed work: the median, and how far from it the farthest was."""
    beside = {name: measured.outcomes[name].beside for name in names}
    empty = [""] * sum(_compared(names, other) for other in (PEER, LIMIT))
    if any(beside.values()):
        for title, field in (("beside: arithmetic, ms", "cpu_ms"), ("beside: one start, ms", "spawn_ms")):
            found: list[Summary | None] = [getattr(one, field) if one else None for one in beside.values()]
            yield [title, *(_ranged(one) for one in found), *empty]


def _ranged(found: Summary | None) -> str:
    """Write a median and how far the samples were from it."""
    if found is None:
        return "-"
    off = max(found.most - found.median, found.median - found.least) / found.median
    return f"{number(found.median)} (±{100 * off:.0f} %)"


def _others(run: Run) -> str:
    """Return the part that says who is better than tmd, and at what."""
    found = [line for measured in run.measurements for line in _better(measured)]
    lines = ["## Where others are better", ""]
    if not any(one.name == HERO and one.version for one in run.subjects):
        lines.append(f"{HERO} was not in this run.")
    elif found:
        lines += [f"Everything in which somebody did better than {HERO} in this run, by more than 5 %:", "", *found]
    else:
        lines.append(f"Nobody did better than {HERO} at anything in this run, by more than 5 %.")
    return "\n".join([*lines, ""])


def _better(measured: Measured) -> Iterator[str]:
    """Give a line for each row of the table in which somebody is better, or in which only tmd has failed."""
    own = measured.outcomes.get(HERO)
    for figure in measured.figures:
        for name in _statistics(figure):
            mine = statistic(measured, HERO, figure.key, name)
            if mine is None and not (own and own.troubles):
                continue
            better: list[tuple[float, str]] = []
            for subject in measured.outcomes:
                theirs = statistic(measured, subject, figure.key, name)
                if (
                    subject not in (HERO, LIMIT)
                    and theirs is not None
                    and (mine is None or beats(figure, theirs, mine))
                ):
                    better.append((theirs, f"{subject} {amount(theirs, figure.unit)}"))
            if better:
                better.sort(reverse=figure.better == "more")
                title = figure.title if name == "median" else f"{figure.title}, {name}"
                whom = ", ".join(text for _, text in better)
                found = "failed" if mine is None else amount(mine, figure.unit)
                yield f"- {measured.title}, {title}: {whom}; {HERO} {found}"


def _promises(run: Run) -> str:
    """Return the part about what is promised."""
    judged = judge(run)
    titles = {measured.key: measured.title for measured in run.measurements}
    count = {verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict}
    lines = ["## What is promised", ""]
    if not judged:
        return "\n".join([*lines, "Nothing of what was measured.", ""])
    said = ", ".join(f"{count[verdict]} {verdict.value}" for verdict in Verdict)
    lines += [f"Of {len(judged)} bounds in this run: {said}.", ""]
    rows = [(titles[one.measurement], one.figure, one.bound, one.found, _verdict(one)) for one in judged]
    lines += [markdown(("measured", "figure", "promised", "found", ""), rows), ""]
    return "\n".join(lines)


def _verdict(one: Judged) -> str:
    return f"{one.verdict.value}: {one.why}" if one.why else one.verdict.value


def _oneself(run: Run) -> str:
    """Return the part for who doubts."""
    keys = ", ".join(f"`{measured.key}`" for measured in run.measurements)
    some = ",".join([one.key for one in run.measurements][:2])
    fetching = (
        f"The measurements of this page are {keys}. The peers are fetched into a cache (`~/.cache/taskmaster-bench`)"
        " from where they are published; what cannot be fetched is left out and named. The subjects write below"
        " `$TMPDIR`; nothing that was started is left running, at Ctrl-C neither."
    )
    gate = (
        "`bench/run --gate` is the short form that `make test` runs: it compares tmd with the bare loop in the same"
        " minute, by generous ratios, and fails when one of them is not kept twice in a row."
    )
    lines = [
        "## Do it yourself",
        "",
        "    make bench                 # everything, under 15 minutes; writes this page anew",
        f"    bench/run --only {some} --subjects {HERO},{PEER}",
        "    bench/run --quick          # smaller sizes, one round: a first look",
        "    bench/run --json mine.json --markdown mine.md --charts mine",
        "",
        _wrapped(fetching),
        "",
        _wrapped(gate),
        "",
    ]
    return "\n".join(lines)

"""What `top` shows of processes: rows out of what a server tells, their order, and figures as text.

Pure. A figure that the server does not tell is None, and shown as a dash.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tmctl.log_sources import chosen
from tmctl.render import WORST_FIRST, Info, info_name, process_record

UNKNOWN = "-"


class Row(NamedTuple):
    """One process."""

    name: str
    group: str
    state: str
    pid: int
    uptime_s: int
    cpu_percent: float | None
    rss_kib: int | None
    threads: int | None
    fds: int | None
    restarts: int | None
    last_end: str

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self.pid > 0


def rows_of_gauges(gauges: Iterable[Info]) -> list[Row]:
    """Return the rows of what `taskmaster.getGauges` tells."""
    return [
        Row(
            one["name"],
            one["group"],
            one["statename"],
            one["pid"],
            one["uptime_s"],
            float(one["cpu_percent"]),
            one["rss_kib"],
            one["threads"],
            one["fds"] if one["fds"] >= 0 else None,
            one["restarts"],
            one["last_end"],
        )
        for one in gauges
    ]


def rows_of_infos(infos: Iterable[Info]) -> list[Row]:
    """Return the rows of processes of a server that measures nothing."""
    return [
        Row(
            info_name(info),
            info["group"],
            info["statename"],
            info["pid"],
            process_record(info)["uptime_s"],
            None,
            None,
            None,
            None,
            None,
            "" if info["pid"] else info["description"],
        )
        for info in infos
    ]


def meant(gauges: Sequence[Info], names: Sequence[str]) -> tuple[list[Info], list[str]]:
    """Return the gauges of processes that names mean (all without names), and the names that mean none."""
    by_name = {one["name"]: one for one in gauges}
    infos = [{"group": one["group"], "name": one["process"]} for one in gauges]
    found, unknown = chosen(infos, names)
    return [by_name[info_name(info)] for info in found], unknown


class Column(NamedTuple):
    """One column. `columns` is its width; 0: as wide as there is room."""

    name: str
    title: str
    columns: int
    text: Callable[[Row], str]
    key: Callable[[Row], Any]
    """what it is sorted by, the first first"""
    right: bool = True


def _largest(figure: float | None) -> float:
    return 1.0 if figure is None else -float(figure)


COLUMNS: tuple[Column, ...] = (
    Column("name", "NAME", 0, lambda row: row.name, lambda row: row.name, right=False),
    Column("state", "STATE", 8, lambda row: row.state, lambda row: badness(row.state), right=False),
    Column("pid", "PID", 7, lambda row: str(row.pid) if row.runs else UNKNOWN, lambda row: row.pid or 1 << 32),
    Column("uptime", "UPTIME", 8, lambda row: span(row.uptime_s) if row.runs else UNKNOWN, lambda row: -row.uptime_s),
    Column("cpu", "CPU%", 6, lambda row: percent(row.cpu_percent, row.runs), lambda row: _largest(row.cpu_percent)),
    Column("memory", "MEM", 6, lambda row: memory(row.rss_kib, row.runs), lambda row: _largest(row.rss_kib)),
    Column("threads", "THR", 5, lambda row: count(row.threads, row.runs), lambda row: _largest(row.threads)),
    Column("fds", "FDS", 5, lambda row: count(row.fds, row.runs), lambda row: _largest(row.fds)),
    Column("restarts", "RST", 5, lambda row: count(row.restarts, True), lambda row: _largest(row.restarts)),
    Column("last", "LAST END", 0, lambda row: row.last_end, lambda row: row.last_end or "\U0010ffff", right=False),
)
BY_NAME = {column.name: column for column in COLUMNS}


def badness(state: str) -> int:
    """Return the place of a state, the worst first."""
    return WORST_FIRST.index(state) if state in WORST_FIRST else -1


def in_order(rows: Iterable[Row], by: str, *, reverse: bool) -> list[Row]:
    """Sort rows by a column: figures from the largest, names from A, states from the worst; equal ones by name."""
    ordered = sorted(rows, key=lambda row: row.name)
    return sorted(ordered, key=BY_NAME[by].key, reverse=reverse)


def filtered(rows: Iterable[Row], text: str) -> list[Row]:
    """Return the rows that have every word of a text in their name or state, in any case."""
    words = text.casefold().split()
    if not words:
        return list(rows)
    return [row for row in rows if all(word in f"{row.name} {row.state}".casefold() for word in words)]


def percent(figure: float | None, runs: bool) -> str:
    """Return a share of processor time."""
    if figure is None or not runs:
        return UNKNOWN
    return f"{figure:.1f}" if figure < 999.95 else f"{figure:.0f}"


def count(figure: int | None, runs: bool) -> str:
    """Return a number."""
    if figure is None or not runs:
        return UNKNOWN
    return str(figure) if figure < 100000 else f"{figure // 1000}k"


def memory(kib: int | None, runs: bool) -> str:
    """Return an amount of memory in four or five characters."""
    if kib is None or not runs:
        return UNKNOWN
    if kib < 1000:
        return f"{kib}K"
    amount, units = kib / 1024, "MGT"
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.1f}{units[0]}" if amount < 99.95 else f"{amount:.0f}{units[0]}"


def span(seconds: int) -> str:
    """Return a span of time in eight characters at most: `1:02:03`, then `3d 04h`."""
    hours, rest = divmod(max(0, seconds), 3600)
    if hours < 100:
        return f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{hours // 24}d {hours % 24:02}h" if hours < 24 * 1000 else f"{hours // 24}d"


def total(rows: Iterable[Row]) -> str:
    """Return how many run, and what all of them use together."""
    rows = list(rows)
    running = sum(row.state == "RUNNING" for row in rows)
    text = f"{running}/{len(rows)} running"
    if any(row.cpu_percent is not None for row in rows):
        cpu = sum(row.cpu_percent or 0.0 for row in rows)
        text += f"   CPU {percent(cpu, True)}%   memory {memory(sum(row.rss_kib or 0 for row in rows), True)}"
    return text

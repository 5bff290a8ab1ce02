"""`top` as lines of a screen of any size.

Pure: a view in; out come exactly as many lines as the screen has, none wider than it, of pieces each in a style.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tmctl.render import STATE_COLOURS
from tmctl.top_rows import COLUMNS, Column, Row, total
from tmctl.top_view import Page, View
from tmctl.widths import fit, inert, width

Piece = tuple[str, str]
"""text, style"""
ScreenLine = list[Piece]

HINTS = "s start  x stop  r restart  k signal  g group  l log  w why  / filter  c m n u t sort  ? help  q quit"
NARROWEST_NAME = 10
NARROWEST_LAST = 12
LAST_DROPPED_FIRST = ("state", "cpu", "memory", "uptime", "restarts", "pid", "threads", "fds", "last")
"""columns in the order in which they get room"""

_STYLES = {
    "green": "32",
    "yellow": "33",
    "red": "31",
    "grey": "90",
    "bold": "1",
    "reverse": "7",
}
_COLOURS = frozenset({"green", "yellow", "red", "grey"})


class Parts(NamedTuple):
    """How the lines of a screen are shared out."""

    head: int
    titles: int
    body: int
    foot: int


def parts(lines: int) -> Parts:
    """Share out the lines of a screen: rows first, then what is said about them."""
    head, titles, foot = int(lines >= 4), int(lines >= 5), int(lines >= 3)
    return Parts(head, titles, max(1, lines - head - titles - foot), foot)


def screen(view: View, columns: int, lines: int, clock: str) -> list[ScreenLine]:
    """Return what a screen of this size shows; `clock` is the time of day."""
    shares = parts(lines)
    view.height = shares.body + (shares.titles if view.page is not None else 0)
    drawn: list[ScreenLine] = []
    if shares.head:
        drawn.append(_head(view, columns, clock))
    if view.page is not None:
        drawn += _page(view.page, columns, view.height)
    else:
        rows = view.shown()
        shown = _columns(view, columns, rows)
        if shares.titles:
            drawn.append(_titles(view, shown))
        drawn += _table(view, rows, shown, columns, shares.body)
    if shares.foot:
        drawn.append(_foot(view, columns))
    return drawn[:lines]


def _head(view: View, columns: int, clock: str) -> ScreenLine:
    left = view.trouble or f"{view.server}   {total(view.rows)}"
    style = "red" if view.trouble else "bold"
    if view.note and not view.trouble:
        left += f"   ({view.note})"
    room = columns - width(clock) - 1
    if room < 20:
        return [(fit(left, columns), style)]
    return [(fit(left, room), style), (f" {clock}", "")]


def _titles(view: View, shown: Sequence[tuple[Column, int]]) -> ScreenLine:
    pieces: ScreenLine = []
    for column, columns in shown:
        mark = ("↑" if view.reverse else "↓") if column.name == view.by else ""
        title = mark + column.title if column.right else column.title + mark
        pieces.append((fit(title, columns, right=column.right), "bold" if mark else "reverse"))
        pieces.append((" ", "reverse"))
    return pieces[:-1]


def _columns(view: View, columns: int, rows: Sequence[Row]) -> list[tuple[Column, int]]:
    """Return the columns that fit, and how wide each is; a name shows itself whole before the rest gets room."""
    longest = max([NARROWEST_NAME, *(width(inert(row.name)) for row in rows)])
    room = columns - min(longest, max(NARROWEST_NAME, columns // 3))
    wide: dict[str, int] = {}
    for name in LAST_DROPPED_FIRST:
        column = next(one for one in COLUMNS if one.name == name)
        wanted = column.columns or NARROWEST_LAST
        if room >= wanted + 1:
            room -= wanted + 1
            wide[name] = wanted
        elif name != "last":
            room = 0  # one that is dropped gives no room to those that matter less
    taken = sum(size + 1 for size in wide.values())
    if "last" in wide:
        wide["name"] = min(longest, columns - taken)
        wide["last"] += columns - taken - wide["name"]
    else:
        wide["name"] = max(0, columns - taken)
    return [(column, wide[column.name]) for column in COLUMNS if column.name in wide]


def _table(
    view: View, rows: list[Row], shown: Sequence[tuple[Column, int]], columns: int, lines: int
) -> list[ScreenLine]:
    place = view.place(rows)
    view.first = max(0, min(view.first, place, len(rows) - lines))
    view.first = max(view.first, place - lines + 1)
    drawn: list[ScreenLine] = []
    for number, row in enumerate(rows[view.first : view.first + lines], view.first):
        drawn.append(_row(row, shown, chosen=number == place))
    if not rows:
        nothing = "nothing matches the filter" if view.rows else "no processes"
        drawn.append([(fit(nothing, columns), "grey")])
    return drawn + [[] for _ in range(lines - len(drawn))]


def _row(row: Row, shown: Sequence[tuple[Column, int]], *, chosen: bool) -> ScreenLine:
    pieces: ScreenLine = []
    for column, columns in shown:
        text = fit(column.text(row), columns, right=column.right)
        style = STATE_COLOURS.get(row.state, "") if column.name == "state" else "" if row.runs else "grey"
        if pieces:
            pieces.append((" ", "reverse" if chosen else ""))
        pieces.append((text, "reverse" if chosen else style))
    return pieces


def _page(page: Page, columns: int, lines: int) -> list[ScreenLine]:
    last = max(0, len(page.lines) - lines + 1)
    page.offset = last if page.follows else max(0, min(page.offset, last))
    drawn: list[ScreenLine] = []
    if lines > 1:
        where = f"{min(page.offset + 1, len(page.lines))}-{min(page.offset + lines - 1, len(page.lines))}"
        title = f" {page.title}  {where} of {len(page.lines)}{'  following' if page.follows else ''} "
        drawn.append([(fit(title, columns), "reverse")])
    for number in range(page.offset, min(len(page.lines), page.offset + lines - len(drawn))):
        drawn.append([(fit(page.lines[number][page.column :], columns), "")])
    return drawn + [[] for _ in range(lines - len(drawn))]


def _foot(view: View, columns: int) -> ScreenLine:
    if view.question is not None:
        return [(fit(view.question.text, columns), "reverse")]
    if view.prompt is not None:
        text = f"{view.prompt.label}{inert(view.prompt.text)}_"
        # What is being typed stays in sight.
        return [(fit(text[max(0, len(text) - columns) :] if width(text) > columns else text, columns), "bold")]
    if view.for_group:
        row = view.selected_row()
        group = "" if row is None else row.group
        return [(fit(f"group {group}: s start  x stop  r restart  k signal  (Esc: none of it)", columns), "bold")]
    if view.message:
        return [(fit(view.message, columns), "bold")]
    if view.page is not None:
        hints = "q back  arrows scroll  End last lines"
        return [(fit(hints + ("  e other stream" if view.page.log_of is not None else ""), columns), "grey")]
    if view.filter:
        return [(fit(f"filter {view.filter!r}: {len(view.shown())} of {len(view.rows)}  (Esc: all)", columns), "bold")]
    return [(fit(HINTS, columns), "grey")]


def encoded(line: ScreenLine, *, colour: bool) -> str:
    """Return a line as a terminal takes it."""
    pieces = []
    for text, style in line:
        plain = not style or (style in _COLOURS and not colour)
        pieces.append(text if plain else f"\x1b[{_STYLES[style]}m{text}\x1b[0m")
    return "".join(pieces)


def table_text(rows: Sequence[Row]) -> list[str]:
    """Return rows as text that is as wide as it needs to be."""
    titles = [column.title for column in COLUMNS]
    cells = [[inert(column.text(row)) for column in COLUMNS] for row in rows]
    sizes = [max(map(width, column)) for column in zip(titles, *cells, strict=True)]
    lines = []
    for line in [titles, *cells]:
        columns = zip(COLUMNS, line, sizes, strict=True)
        lines.append("  ".join(fit(text, size, right=column.right) for column, text, size in columns).rstrip())
    return lines

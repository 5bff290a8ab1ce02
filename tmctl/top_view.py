"""What somebody at `top` looks at and has typed: rows, order, selection, and what lies over them.

Pure: keys in, changes of this and wishes out; knows neither terminal nor server.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tmctl.top_rows import COLUMNS, Row, filtered, in_order

SORT_KEYS = {"c": "cpu", "m": "memory", "n": "name", "u": "uptime", "t": "threads", "f": "fds", "e": "restarts"}
ACTIONS = {"s": "start", "x": "stop", "r": "restart"}
MAX_LOG_LINES = 5000
MAX_TYPED = 200
SIDEWAYS = 16
"""columns that an arrow moves a log"""


class Run(NamedTuple):
    """A command is to be run, and its outcome shown."""

    words: tuple[str, ...]


class ShowLog(NamedTuple):
    """The log of a process is to be followed."""

    name: str
    stream: Literal["stdout", "stderr"] = "stdout"


class ShowWhy(NamedTuple):
    """The reasons of the ends of a process are to be shown."""

    name: str


class CloseLog(NamedTuple):
    """Nobody looks at the log any more."""


class Quit(NamedTuple):
    """The end."""


Wish = Run | ShowLog | ShowWhy | CloseLog | Quit


class Prompt(NamedTuple):
    """Something is being typed."""

    kind: Literal["filter", "signal"]
    label: str
    text: str
    target: str = ""


class Question(NamedTuple):
    """Something is to be confirmed."""

    text: str
    words: tuple[str, ...]


@dataclass
class Page:
    """Text that lies over the table: a log, the reasons of an end, help."""

    title: str
    lines: deque[str]
    log_of: ShowLog | None = None
    offset: int = 0
    """of the first line shown"""
    column: int = 0
    follows: bool = False
    """the end is shown, whatever comes"""

    def add(self, lines: Iterable[str]) -> None:
        """Put lines behind the others; what is looked at stays where it is."""
        for line in lines:
            if len(self.lines) == self.lines.maxlen and not self.follows:
                self.offset = max(0, self.offset - 1)
            self.lines.append(line)


@dataclass
class View:
    """All there is to see."""

    rows: list[Row] = field(default_factory=list)
    by: str = "cpu"
    reverse: bool = False
    filter: str = ""
    selected: str = ""
    first: int = 0
    """of the rows shown"""
    height: int = 1
    """rows that fit, as last drawn"""
    server: str = ""
    note: str = ""
    trouble: str = ""
    message: str = ""
    prompt: Prompt | None = None
    question: Question | None = None
    page: Page | None = None
    for_group: bool = False
    """the next key acts on the whole group"""

    def shown(self) -> list[Row]:
        """Return the rows that pass the filter, in order."""
        return in_order(filtered(self.rows, self.filter), self.by, reverse=self.reverse)

    def place(self, rows: list[Row]) -> int:
        """Return where the selected row is; 0 when it is not there."""
        return next((number for number, row in enumerate(rows) if row.name == self.selected), 0)

    def selected_row(self) -> Row | None:
        """Return the row that keys act on."""
        rows = self.shown()
        return rows[self.place(rows)] if rows else None

    def update(self, rows: list[Row]) -> None:
        """Take new figures."""
        self.rows = rows
        if not self.selected and rows:
            self.selected = self.shown()[0].name if self.shown() else ""


def press(view: View, key: str) -> Wish | None:
    """Do what a key means; return what is to be done elsewhere."""
    view.message = ""
    if view.question is not None:
        question, view.question = view.question, None
        return Run(question.words) if key in ("y", "Y") else None
    if view.prompt is not None:
        return _type(view, view.prompt, key)
    if key == "ctrl-c":
        return Quit()
    if view.page is not None:
        return _press_on_page(view, view.page, key)
    if view.for_group:
        view.for_group = False
        return _act_on_group(view, key)
    return _press_on_table(view, key)


def _press_on_table(view: View, key: str) -> Wish | None:
    match key:
        case "q":
            return Quit()
        case "esc":
            view.filter = ""
        case "?" | "h":
            view.page = Page("keys", deque(help_lines()))
        case "/":
            view.prompt = Prompt("filter", "filter: ", view.filter)
        case "R":
            view.reverse = not view.reverse
        case "<" | "left" | ">" | "right":
            names = [column.name for column in COLUMNS]
            step = 1 if key in (">", "right") else -1
            view.by, view.reverse = names[(names.index(view.by) + step) % len(names)], False
        case "up" | "down" | "pgup" | "pgdn" | "home" | "end":
            _move(view, key)
        case _ if key in SORT_KEYS:
            view.by, view.reverse = SORT_KEYS[key], False
        case _:
            row = view.selected_row()
            return None if row is None else _act(view, row, key)
    return None


def _act(view: View, row: Row, key: str) -> Wish | None:
    match key:
        case "s" | "x" | "r":
            return Run((ACTIONS[key], row.name))
        case "k":
            view.prompt = Prompt("signal", f"signal for {row.name} (HUP, INT, USR1, ...): ", "", row.name)
        case "g":
            view.selected = row.name
            view.for_group = True
        case "l" | "enter":
            view.selected = row.name
            return ShowLog(row.name)
        case "w":
            view.selected = row.name
            return ShowWhy(row.name)
    return None


def _act_on_group(view: View, key: str) -> Wish | None:
    row = view.selected_row()
    if row is None:
        return None
    members = sum(one.group == row.group for one in view.rows)
    processes = f"{members} process{'es' if members != 1 else ''}"
    if key == "s":
        return Run(("start", f"{row.group}:*"))
    if key in ("x", "r"):
        verb = ACTIONS[key]
        view.question = Question(f"{verb} all of {row.group} ({processes})? y/n", (verb, f"{row.group}:*"))
    elif key == "k":
        view.prompt = Prompt("signal", f"signal for all of {row.group} ({processes}): ", "", f"{row.group}:*")
    return None


def _type(view: View, prompt: Prompt, key: str) -> Wish | None:
    text = prompt.text
    if key in ("esc", "ctrl-c"):
        view.prompt = None
        if prompt.kind == "filter":
            view.filter = ""
        return None
    if key == "enter":
        view.prompt = None
        if prompt.kind == "signal" and text.strip():
            return Run(("signal", text.strip().upper().removeprefix("SIG"), prompt.target))
        return None
    if key == "backspace":
        text = text[:-1]
    elif key == "ctrl-u":
        text = ""
    elif len(key) == 1 and key.isprintable() and len(text) < MAX_TYPED:
        text += key
    view.prompt = prompt._replace(text=text)
    if prompt.kind == "filter":
        view.filter, view.first = text, 0
    return None


def _move(view: View, key: str) -> None:
    rows = view.shown()
    if not rows:
        return
    steps = {"up": -1, "down": 1, "pgup": -view.height, "pgdn": view.height, "home": -len(rows), "end": len(rows)}
    place = view.place(rows) + steps[key]
    view.selected = rows[max(0, min(len(rows) - 1, place))].name


def _press_on_page(view: View, page: Page, key: str) -> Wish | None:
    if key in ("q", "esc"):
        view.page = None
        return CloseLog() if page.log_of is not None else None
    if key == "e" and page.log_of is not None:
        return page.log_of._replace(stream="stderr" if page.log_of.stream == "stdout" else "stdout")
    last = max(0, len(page.lines) - view.height)
    steps = {"up": -1, "down": 1, "pgup": -view.height, "pgdn": view.height, " ": view.height, "home": -(1 << 30)}
    if key in steps:
        page.offset = max(0, min(last, (last if page.follows else page.offset) + steps[key]))
        page.follows = page.log_of is not None and page.offset == last and steps[key] > 0
    elif key == "end":
        page.offset, page.follows = last, page.log_of is not None
    elif key in ("left", "right"):
        page.column = max(0, page.column + (SIDEWAYS if key == "right" else -SIDEWAYS))
    return None


def help_lines() -> list[str]:
    """Return what the keys mean."""
    return [
        "up, down, PgUp, PgDn, Home, End    select a process",
        "",
        "s start    x stop    r restart    k send a signal",
        "g, then one of these               the same for its whole group",
        "l, Enter   follow its log          (e: its other stream; arrows scroll, End follows again; q: back)",
        "w          why it ended",
        "",
        "/          show only names and states with some words; Esc: all",
        "c CPU   m memory   n name   u uptime   t threads   f descriptors   e restarts     sort by it",
        "<, >       sort by the column to the left, to the right",
        "R          the other way round",
        "",
        "q, Ctrl-C  quit          Ctrl-Z suspend          Ctrl-L draw anew",
    ]

"""The dashboard: all programs on one page, grouped, with what can be done to them.

A row is one template filled in, so that a thousand of them are made in a moment.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import NamedTuple

from tmd.core.gauge import Gauge
from tmd.http.actions import ON_PROCESSES, Verb
from tmd.http.described import uptime
from tmd.http.faces import Face
from tmd.http.form import quote
from tmd.http.pages.dress import (
    WORDS,
    Body,
    Look,
    attribute,
    bottom,
    button,
    form,
    message,
    program_address,
    text,
    top,
)
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

COLUMNS = (
    ("name", "Program"),
    ("state", "State"),
    ("uptime", "Uptime"),
    ("pid", "Pid"),
    ("cpu", "CPU"),
    ("memory", "Memory"),
    ("graph", "History"),
    ("restarts", "Restarts"),
    ("end", "Last end"),
    ("actions", "Actions"),
)
ROWS_AT_ONCE = 50
_ALIVE = frozenset({"STARTING", "RUNNING", "BACKOFF", "STOPPING"})


class Shown(NamedTuple):
    """What the page shows, and what was asked for. The facts are asked for one by one, as the page grows."""

    groups: Sequence[tuple[str, Sequence[ProcessId]]]
    """in order"""
    states: Mapping[ProcessId, str]
    face: Callable[[ProcessId], Face | None]
    gauge: Callable[[ProcessId], Gauge | None]
    query: str = ""
    state: str = ""
    said: str = ""
    said_ok: bool = True


def dashboard(look: Look, shown: Shown) -> Generator[bytes, None, None]:
    """Return the page in pieces: its head, then some rows at a time."""
    counts = dict.fromkeys((state.name for state in ProcessState), 0)
    for state in shown.states.values():
        counts[state] += 1
    body = Body("dashboard", "", "", here="programs")
    pieces = [top(look, body), message(shown.said, ok=shown.said_ok), '<h1 class="quiet">Programs</h1>\n']
    pieces += [_search(shown), _summary(counts), form(look), _all(look), _HEAD]
    yield _encoded(pieces)
    empty = True
    pieces = []
    now = time.time()
    for group, ids in shown.groups:
        rows = 0
        for id_ in ids:
            face = shown.face(id_)
            if face is None or not _matches(face, shown):
                continue
            if not rows:
                pieces.append(_begin_group(look, group, ids, shown))
            pieces.append(_row(look, face, shown.gauge(id_), now))
            rows += 1
            if len(pieces) >= ROWS_AT_ONCE:
                yield _encoded(pieces)
                pieces = []
        if rows:
            empty = False
            pieces.append("</tbody>\n")
    pieces += ["</table>\n", "</form>\n" if look.controls else "", _templates(look)]
    pieces += [f'<p id="nothing"{"" if empty else " hidden"}>No program matches.</p>\n', bottom(look, with_form=False)]
    yield _encoded(pieces)


def _encoded(pieces: Sequence[str]) -> bytes:
    return "".join(pieces).encode("utf-8", "replace")


def _matches(face: Face, shown: Shown) -> bool:
    if shown.state and face.statename != shown.state:
        return False
    text = f"{face.group}:{face.process} {face.statename} {face.description}".lower()
    return all(word in text for word in shown.query.lower().split())  # as the script does


def _search(shown: Shown) -> str:
    options = "".join(
        f"<option{' selected' if state.name == shown.state else ''}>{state.name}</option>" for state in ProcessState
    )
    return (
        '<form id="search" role="search" method="get" action="./">'
        f'<label for="q">Search</label> <input type="search" id="q" name="q" value="{attribute(shown.query)}"> '
        f'<label for="state">State</label> <select id="state" name="state"><option value="">any</option>{options}'
        "</select> <button>Search</button></form>\n"
    )


def _summary(counts: Mapping[str, int]) -> str:
    spans = " ".join(
        f'<span class="count {state}" data-state="{state}"{"" if count else " hidden"}>'
        f"<b>{count}</b> {state.lower()}</span>"
        for state, count in counts.items()
    )
    return f'<p id="summary">{spans}</p>\n'


def _all(look: Look) -> str:
    if not look.controls:
        return ""
    verbs: tuple[Verb, ...] = ("start", "stop", "restart", "signal", "clear")
    buttons = [button(verb, "all", label=f"{WORDS[verb]}: all programs", inside=True) for verb in verbs]
    buttons += [button("reread", "", inside=True), button("update", "", inside=True)]
    return f'<div id="all" class="actions" role="group" aria-label="All programs">{" ".join(buttons)}</div>\n'


_HEAD = (
    '<table id="programs"><thead><tr>'
    + "".join(f'<th scope="col" class="{key}">{words}</th>' for key, words in COLUMNS)
    + "</tr></thead>\n"
)


def _begin_group(look: Look, group: str, ids: Sequence[ProcessId], shown: Shown) -> str:
    alone = len(ids) == 1 and ids[0].process == group
    running = sum(shown.states.get(id_) == "RUNNING" for id_ in ids)
    head = "" if alone else _group_row(look, group, f"{running} of {len(ids)} running")
    return f'<tbody class="group{" alone" if alone else ""}" data-group="{attribute(group)}">\n{head}'


def _group_row(look: Look, group: str, count: str) -> str:
    name = f"{group}:*" if group else ""
    buttons = ""
    if look.controls:
        buttons = " ".join(
            button(verb, name, label=f"{WORDS[verb]}: group {group}", inside=True) for verb in ON_PROCESSES
        )
    return (
        f'<tr class="group-row"><th scope="rowgroup" colspan="2"><span class="group-name">{text(group)}</span> '
        f'<span class="group-count">{count}</span></th>{_NO_CELLS}<td class="actions">{buttons}</td></tr>\n'
    )


# One for each column: one cell across all would still count those that a narrow window leaves out.
_NO_CELLS = "".join(f'<td class="{key}"></td>' for key, _ in COLUMNS[2:-1])


_ROW = """<tr class="process %s" data-name="%s" data-group="%s" data-process="%s" data-state="%s" data-since="%s" \
data-pid="%s"><th scope="row" class="name"><a href="%s">%s</a></th><td class="state"><span class="badge %s">%s</span> \
<span class="note">%s</span></td><td class="uptime">%s</td><td class="pid">%s</td><td class="cpu">%s</td>\
<td class="memory">%s</td><td class="graph"></td><td class="restarts">%s</td><td class="end">%s</td>\
<td class="actions">%s</td></tr>
"""


def _row(look: Look, face: Face, gauge: Gauge | None, now: float) -> str:
    state = face.statename
    name, group, process = attribute(face.name), attribute(face.group), attribute(face.process)
    return _ROW % (
        state,
        name,
        group,
        process,
        state,
        f"{face.since:.3f}" if face.since else "0",
        face.pid or "",
        program_address(look.root, ProcessId(face.group, face.process)),
        text(face.process),
        state,
        state,
        note_of(face),
        uptime(int(now - face.since)) if face.pid and face.since else "",
        face.pid or "",
        percent(gauge),
        memory(gauge),
        face.restarts,
        text(end_of(face)),
        _buttons(face, name) if look.controls else "",
    )


def note_of(face: Face) -> str:
    """Return what there is to say beside the state."""
    if face.paused:
        return "paused"
    return "by hand" if face.stopped_by_hand and face.statename == "STOPPED" else ""


def end_of(face: Face) -> str:
    """Return why it does not run, or how it ended last."""
    if face.statename in ("FATAL", "BACKOFF") and face.description and not face.last_end:
        return face.description
    return face.last_end


# The form is around them: a browser takes seconds to find the form of thousands of buttons that only name it.
_BUTTON = '<button class="%s" name="do" value="%s %s" data-verb="%s" data-name="%s"%s>%s</button>'


def _buttons(face: Face, name: str) -> str:
    quoted = quote(face.name)
    gone = absent(face.statename, face.pid)
    return " ".join(
        [
            _BUTTON % (verb, verb, quoted, verb, name, " hidden" if verb in gone else "", WORDS[verb])
            for verb in ON_PROCESSES
        ]
    )


def absent(state: str, pid: int) -> frozenset[Verb]:
    """Return the verbs that make no sense for a process now."""
    if state in _ALIVE:
        return _NOT_TO_START if pid else _NOT_TO_START_OR_SIGNAL
    return _NOT_TO_STOP


_NOT_TO_START: frozenset[Verb] = frozenset({"start"})
_NOT_TO_START_OR_SIGNAL: frozenset[Verb] = frozenset({"start", "signal"})
_NOT_TO_STOP: frozenset[Verb] = frozenset({"stop", "restart", "signal"})


def percent(gauge: Gauge | None) -> str:
    """Return the processor time as shown: `1.5 %`; empty when it was not measured."""
    return "" if gauge is None else f"{gauge.cpu_percent:.1f} %"


def memory(gauge: Gauge | None) -> str:
    """Return the memory as shown: `25.1 MiB`; empty when it was not measured."""
    if gauge is None:
        return ""
    mebibytes = gauge.rss_bytes / 1048576
    return f"{mebibytes:.1f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.2f} GiB"


def _templates(look: Look) -> str:
    """Return what the script makes rows of, for processes that join while the page is open."""
    nobody = Face("", "", "", 0, "STOPPED", 0, 0.0, "", 0, 0, "", 0.0, False, False, 999)
    row = _row(look, nobody, None, 0.0)
    return (
        f'<template id="row">{row}</template>\n'
        f'<template id="group"><tbody class="group" data-group="">{_group_row(look, "", "")}</tbody></template>\n'
    )

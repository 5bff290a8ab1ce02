"""The page about one program: how it is, its output, how its lives ended, its settings and where each was written."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tmd.config.settings import ProcessSpec
from tmd.core.gauge import Gauge
from tmd.http.actions import ON_PROCESSES, SIGNALS
from tmd.http.described import uptime
from tmd.http.faces import Face
from tmd.http.form import quote
from tmd.http.pages.dashboard import absent, memory, note_of, percent
from tmd.http.pages.dress import Body, Look, attribute, button, lines, message, page, text
from tmd.http.pages.settings import Setting
from tmd.http.replies import Reply


class Tail(NamedTuple):
    """The end of one log. `path`: empty when there is none."""

    stream: str
    path: str
    end: str


class Life(NamedTuple):
    """How one life ended."""

    how: str
    short: str
    said: Sequence[str]
    words: Sequence[tuple[str, Sequence[str]]]
    """the last lines of each stream"""
    restarts: Sequence[str]
    """when the daemon was started between this end and the one after it"""


class Program(NamedTuple):
    """What the page shows."""

    face: Face
    spec: ProcessSpec
    gauge: Gauge | None
    said: Sequence[str]
    """how it is, in sentences"""
    tails: Sequence[Tail]
    lives: Sequence[Life]
    settings: Sequence[Setting]
    message: str = ""
    message_ok: bool = True


def program_page(look: Look, shown: Program) -> Reply:
    """Return the page."""
    face = shown.face
    main = "".join(
        (
            message(shown.message, ok=shown.message_ok),
            f'<h1>{text(face.name)} <span class="badge {face.statename}">{face.statename}</span> '
            f'<span class="note">{note_of(face)}</span></h1>\n',
            _described(shown.said),
            _actions(look, face),
            _figures(face, shown.gauge),
            f'<section id="output">\n{"".join(log_section(look, face, tail) for tail in shown.tails)}</section>\n',
            _lives(shown.lives),
            _settings(look, shown.settings),
        )
    )
    attributes = (
        f' data-name="{attribute(face.name)}" data-group="{attribute(face.group)}" '
        f'data-process="{attribute(face.process)}" data-state="{face.statename}" '
        f'data-since="{face.since:.3f}" data-pid="{face.pid or ""}"'
    )
    return page(look, Body("program", face.name, main, main_attributes=attributes))


def _described(said: Sequence[str]) -> str:
    return f'<p class="description">{" ".join(text(sentence) for sentence in said)}</p>\n'


def _actions(look: Look, face: Face) -> str:
    if not look.controls:
        return ""
    gone = absent(face.statename, face.pid)
    buttons = " ".join(button(verb, face.name, hidden=verb in gone) for verb in ON_PROCESSES)
    return (
        f'<div class="actions" role="group" aria-label="Actions">{buttons} '
        f'<label class="quiet" for="signal">Signal to send</label>{signal_choice()}'
        '<input type="hidden" form="act" name="back" value="program"></div>\n'
    )


def signal_choice() -> str:
    """Return the field in which a signal is chosen."""
    options = "".join(f"<option{' selected' if name == 'HUP' else ''}>{name}</option>" for name in SIGNALS)
    return f'<select id="signal" name="signal" form="act">{options}</select>'


def _figures(face: Face, gauge: Gauge | None) -> str:
    running = uptime(int(time.time() - face.since)) if face.pid and face.since else ""
    figures = (
        ("cpu", "CPU", percent(gauge)),
        ("memory", "Memory", memory(gauge)),
        ("processes", "Processes", "" if gauge is None else str(gauge.processes)),
        ("threads", "Threads", "" if gauge is None else str(gauge.threads)),
        ("fds", "Open files", "" if gauge is None or gauge.fds < 0 else str(gauge.fds)),
        ("uptime", "Uptime", running),
        ("pid", "Pid", str(face.pid or "")),
        ("restarts", "Restarts", str(face.restarts)),
    )
    cells = "".join(f'<div><dt>{words}</dt><dd class="{key}">{value}</dd></div>' for key, words, value in figures)
    return f'<dl id="figures">{cells}</dl>\n<div class="graph"></div>\n'


def log_section(look: Look, face: Face | None, tail: Tail) -> str:
    """Return the part of a page that follows one log; `face`: whose it is, None for the daemon's own."""
    if face is None:
        live, download, label = "live/log", "download/main", "Log of the daemon"
    else:
        name = f"{quote(face.group)}:{quote(face.process)}"
        live, download, label = f"live/program/{name}", f"download/{name}/{tail.stream}", f"Output on {tail.stream}"
    where = f'<p class="path">{text(tail.path)}</p>' if tail.path else '<p class="path none">It has no log.</p>'
    keep = f' <a class="download" href="{look.root}{download}">Download</a>' if tail.path else ""
    return (
        f'<section class="log" data-stream="{tail.stream}" data-live="{look.root}{live}">'
        f"<h2>{tail.stream if face is not None else 'Log'}</h2>{where}"
        f'<div class="log-tools"></div>{keep}\n'
        f'<pre class="lines" tabindex="0" role="log" aria-label="{label}" aria-live="off">{lines(tail.end)}</pre>'
        "</section>\n"
    )


def _lives(lives: Sequence[Life]) -> str:
    if not lives:
        return '<section id="lives"><h2>Lives</h2><p>No end of it is known.</p></section>\n'
    return f'<section id="lives"><h2>Lives</h2><ol class="lives">{"".join(map(_life, lives))}</ol></section>\n'


def _life(life: Life) -> str:
    said = "".join(f"<li>{text(sentence)}</li>" for sentence in life.said)
    words = "".join(
        f'<p class="stream">last of {stream}:</p><pre class="words">{lines(chr(10).join(told))}</pre>'
        for stream, told in life.words
        if told
    )
    between = "".join(f'<li class="daemon">tmd was started at {text(at)}</li>' for at in life.restarts)
    return (
        f'{between}<li class="life {life.how}"><p class="short">{text(life.short)}</p>'
        f'<details><summary>Why</summary><ul class="said">{said}</ul>{words}</details></li>\n'
    )


def _settings(look: Look, settings: Sequence[Setting]) -> str:
    rows = "".join(
        f'<tr class="{"set" if setting.origin else "default"}"><th scope="row" title="{text(setting.doc)}">'
        f'{setting.name}</th><td><code>{_value(setting.value)}</code></td><td class="origin">'
        f"{text(setting.origin) or 'default'}</td></tr>\n"
        for setting in settings
    )
    hidden = "" if look.controls else "<p>Values of variables are shown only to those who may change things here.</p>"
    return (
        f'<section id="settings"><h2>Settings in force</h2>{hidden}<table><thead><tr><th scope="col">Option</th>'
        f'<th scope="col">Value</th><th scope="col">Where it was written</th></tr></thead><tbody>\n{rows}'
        "</tbody></table></section>\n"
    )


def _value(value: str | Mapping[str, str]) -> str:
    if isinstance(value, str):
        return text(value)
    return "<br>".join(text(f"{name}={said}" if said else name) for name, said in value.items())

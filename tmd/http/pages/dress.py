"""What all pages have in common: escaping, the frame, buttons, headers.

Everything that comes from a configuration, a program or a request goes through `text` or `attribute` on its way into a
page. Pages carry no script and no style of their own, and the headers forbid any. Addresses are relative, so that the
pages also work behind a proxy that puts them under a path.
"""

import re
from typing import NamedTuple

from tmd.http.actions import Verb
from tmd.http.form import quote
from tmd.http.replies import Reply
from tmd.wire.names import ProcessId
from tmd.wire.visible import visible, visible_line

HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),  # with no-referrer a browser hides from us that a form is our own
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)

_SPECIAL = re.compile("[&<>\"'\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_ESCAPES = {
    **{chr(code): f"&#{code};" for code in (*range(1, 9), *range(11, 32), 127)},
    **{"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"},
}
_ENDS = re.compile("\r(?=\n|\\Z)")
"""what a terminal puts at the end of a line before LF"""


class Look(NamedTuple):
    """How pages look to one visitor. `root`: the way from the page to the top, `./` or `../`."""

    identifier: str
    controls: bool
    """the visitor may act"""
    token: str = ""
    root: str = "./"


class Body(NamedTuple):
    """What is different from page to page."""

    kind: str
    title: str
    main: str
    """HTML"""
    here: str = ""
    """which entry of the navigation is this page"""
    main_attributes: str = ""
    """HTML, with a blank before it"""


def attribute(value: str) -> str:
    """Return text as it may stand in a quoted attribute; scripts get it back as it is."""
    if _SPECIAL.search(value) is None:
        return value
    return _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\N{REPLACEMENT CHARACTER}"), value)


def text(value: str) -> str:
    """Return text as one line of a page, with what cannot be seen spelled out."""
    return attribute(visible_line(value))


def lines(value: str) -> str:
    """Return text as the lines of a `pre`, with what cannot be seen spelled out, but for CRs at their ends."""
    return attribute(visible(_ENDS.sub("", value)))


TYPE = "text/html;charset=utf-8"


def page(look: Look, body: Body, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return a whole page."""
    html = f"{top(look, body)}{body.main}{bottom(look)}"
    return Reply(status, html.encode("utf-8", "replace"), TYPE, (*HEADERS, *headers))


def form(look: Look) -> str:
    """Return the beginning of the form that the buttons of a page send, empty where nothing can be changed."""
    if not look.controls:
        return ""
    return (
        f'<form id="act" method="post" action="{look.root}act">'
        f'<input type="hidden" name="token" value="{attribute(look.token)}">'
    )


def bottom(look: Look, *, with_form: bool = True) -> str:
    """Return what comes after what is different from page to page; `with_form`: the page has none of its own."""
    buttons_form = f"{form(look)}</form>\n" if with_form and look.controls else ""
    return f"""</main>
{buttons_form}<div id="toasts"></div>
<div id="announce" class="quiet" aria-live="polite"></div>
</body>
</html>
"""


def top(look: Look, body: Body) -> str:
    """Return what comes before it."""
    title = text(look.identifier if not body.title else f"{body.title} · {look.identifier}")
    root = look.root
    return f"""<!DOCTYPE html>
<html lang="en" data-root="{root}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="{root}assets/icon.svg" type="image/svg+xml">
<script src="{root}assets/theme.js"></script>
<link rel="stylesheet" href="{root}assets/page.css">
<script type="module" src="{root}assets/app.js"></script>
</head>
<body data-page="{body.kind}" data-controls="{"yes" if look.controls else "no"}" data-token="{attribute(look.token)}">
<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<p class="brand"><a href="{root}">{text(look.identifier)}</a></p>
<nav aria-label="Pages">{_link(root, "Programs", here=body.here == "programs")}
{_link(f"{root}logs", "Daemon log", here=body.here == "logs")}</nav>
<p id="connection" role="status"></p>
<div id="tools"></div>
{"" if look.controls else _ONLY_SHOWS}</header>
<main id="main" tabindex="-1"{body.main_attributes}>
"""


_ONLY_SHOWS = (
    '<p class="only-shows">Shows only: this address has no password, so nothing can be changed here '
    "(set a username and a password for it).</p>\n"
)


def _link(href: str, words: str, *, here: bool) -> str:
    current = ' aria-current="page"' if here else ""
    return f'<a href="{href}"{current}>{words}</a>'


def program_address(root: str, id_: ProcessId) -> str:
    """Return the address of the page about a process."""
    return f"{root}program/{quote(id_.group)}:{quote(id_.process)}"


WORDS: dict[Verb, str] = {
    "start": "Start",
    "stop": "Stop",
    "restart": "Restart",
    "signal": "Signal",
    "clear": "Clear logs",
    "reread": "Read configuration",
    "update": "Apply configuration",
}


def button(verb: Verb, name: str, *, hidden: bool = False, label: str = "", inside: bool = False) -> str:
    """Return a button that sends the page's form, wherever it stands unless it is said to stand inside the form."""
    shown = attribute(name)
    return (
        f'<button{"" if inside else _OUTSIDE} class="{verb}" name="do" value="{verb} {quote(name)}" data-verb="{verb}" '
        f'data-name="{shown}"{" hidden" if hidden else ""}{_labelled(label)}>{WORDS[verb]}</button>'
    )


_OUTSIDE = ' form="act"'
"""what makes a field part of the page's form from outside"""


def _labelled(label: str) -> str:
    return f' aria-label="{text(label)}"' if label else ""


def message(words: str, *, ok: bool) -> str:
    """Return what became of something, to be read first."""
    return f'<p class="message {"ok" if ok else "failed"}" role="status">{text(words)}</p>\n' if words else ""


def error_page(look: Look, status: int, title: str, words: str, *, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return a page about something that is not there or was not done."""
    main = f'<h1>{text(title)}</h1>\n<p>{text(words)}</p>\n<p><a href="{look.root}">To the programs</a></p>\n'
    return page(look, Body("error", title, main), status=status, headers=headers)

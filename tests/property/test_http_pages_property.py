"""Whatever is in a name, a log, a setting or a query: pages say what we say, and the rest is text."""

import json
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.http.fake_daemon import NOW, FakeDaemon, group_of, spec_of
from tmd.core.ends import End
from tmd.http.actions import Wish
from tmd.http.feed import Feed, event
from tmd.http.form import fields_of, quote
from tmd.http.live_log import process_of
from tmd.http.pages import facts
from tmd.http.pages.asks import ask
from tmd.http.pages.dashboard import dashboard
from tmd.http.pages.dress import Look, error_page
from tmd.http.pages.program import program_page
from tmd.http.streams import unescape
from tmd.tree.node import Origin
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onclick='x", "javascript:alert(1)",
            "</pre></template><b>", "\x1b[31m\x07", "a\r\nSet-Cookie: x", "\u202egnp.exe", "&lt;", "%3Cb%3E", "\x00",
            "../../x", "a/b?c#d%", "\ud800", "]]>", "<!--", "data: x\n\nevent: gone", " ", "a b",
        ]
    ),
)  # fmt: skip

TAGS = {
    *("html", "head", "meta", "title", "link", "script", "body", "a", "header", "p", "nav", "div", "main", "h1", "h2"),
    *("form", "input", "label", "select", "option", "button", "span", "b", "table", "thead", "tbody", "tr", "th", "td"),
    *("template", "section", "pre", "dl", "dt", "dd", "ol", "ul", "li", "details", "summary", "code", "br"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "rel", "href", "type", "src", "class", "id", "role", "method", "action"),
    *("value", "for", "selected", "hidden", "scope", "colspan", "tabindex", "form", "title"),
    *("aria-label", "aria-live", "aria-current"),
}


class Checker(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shapes: list[tuple[str, ...]] = []
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attributes:
            assert name in ATTRIBUTES or name.startswith("data-"), (tag, name)
            if name in ("href", "src", "action"):
                assert value is not None
                assert value.startswith(("./", "../", "#main")), value
                assert not set(value) & set("<>\"'\r\n\t \\"), value
            if name == "data-name" and value:
                self.names.append(value)
        self.shapes.append((tag, *(name for name, _ in attributes)))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def parsed(page: bytes) -> Checker:
    checker = Checker()
    text = page.decode()
    assert not any(character < " " and character not in "\n\t" for character in text)
    checker.feed(text)
    checker.close()
    assert [shape for shape in checker.shapes if shape[0] == "script"] == [
        ("script", "src"),
        ("script", "type", "src"),
    ]
    return checker


def daemon_of(directory: Path, group: str, process: str, words: str) -> FakeDaemon:
    daemon = FakeDaemon(directory)
    spec = spec_of(process, group or "x", environment={words: words}, directory=words, user=words)
    daemon.add(group_of(group or "x", spec), ProcessState.FATAL)
    daemon.table[spec.id] = daemon.table[spec.id].__class__(
        **{
            **{name: getattr(daemon.table[spec.id], name) for name in daemon.table[spec.id].__struct_fields__},
            "spawnerr": words,
            "stdout_logfile": str(directory / "out"),
        }
    )
    data = words.encode("utf-8", "replace")
    (directory / "out").write_bytes(data)
    daemon.history.past[spec.id] = [End(at=NOW, how="not_started", reason=words, stdout=data, stderr=data)]
    daemon.origins = {f"program:{process}.directory": Origin(words, 1, 1)}
    return daemon


@settings(deadline=None, max_examples=60)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_pages_are_made_of_our_markup_only(group: str, process: str, words: str) -> None:
    look = Look(words, True, "token")
    with tempfile.TemporaryDirectory() as directory:
        daemon = daemon_of(Path(directory), group, process, words)
        (id_,) = daemon.table
        feed = Feed(daemon)
        shown = facts.overview(_asleep(daemon), feed)._replace(said=words)
        page = parsed(b"".join(dashboard(look, shown)))
        if id_.namespec.isprintable():
            assert id_.namespec in page.names
        told = json.loads(feed.snapshot().split(b"data: ", 1)[1])
        assert len(told["processes"]) == 1
        about = facts.program(daemon, feed, id_, secrets=True)
        assert about is not None
        parsed(program_page(look, about._replace(message=words)).body)
        parsed(b"".join(dashboard(look, shown._replace(query=words, state=words))))
    parsed(ask(look, Wish("signal", process, words), words, why=words).body)
    parsed(error_page(look, 404, words or "x", words).body)


def _asleep(daemon: FakeDaemon) -> Any:
    """A daemon without a loop cannot wake a feed for a while: nothing here needs that."""
    daemon.call_later = lambda delay_s, callback: lambda: None  # type: ignore[method-assign]
    return daemon


@given(HOSTILE, HOSTILE)
def test_addresses_bring_names_back(group: str, process: str) -> None:
    address = f"{quote(group)}:{quote(process)}"
    assert all(character.isalnum() or character in "-_.~%:" for character in address)
    sent = group.encode("utf-8", "replace").decode(), process.encode("utf-8", "replace").decode()
    if ":" not in "".join(sent) and sent[1] not in ("", "*"):
        assert process_of(unescape(address)) == ProcessId(*sent)


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_fields_come_as_they_were_sent(fields: dict[str, str]) -> None:
    clean = {k.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for k, v in fields.items()}
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in clean.items())
    assert fields_of(body) == clean


@given(st.binary(max_size=200))
def test_any_body_is_some_form(body: bytes) -> None:
    assert isinstance(fields_of(body.decode("latin-1")), dict)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_ends_an_event(words: str) -> None:
    data = event("log", {"lines": [words]})
    assert data.count(b"\n") == 3
    assert b"\r" not in data
    assert json.loads(data.split(b"data: ", 1)[1]) == {"lines": [words]}

"""What people with a browser are served over one listener: pages, streams for them, downloads, and what they wish.

Nothing acts on a GET. A wish is a POST with a token that one of our own pages brought, from a page of the same origin,
over a listener that may control; anything else changes nothing.
"""

import binascii
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tmd.daemon.surface import DaemonSurface
from tmd.http.actions import VERBS, Outcome, Wish, fulfil
from tmd.http.assets import PREFIX as ASSETS
from tmd.http.assets import Assets
from tmd.http.auth import Gate
from tmd.http.downloads import Downloads
from tmd.http.feed import Feed
from tmd.http.form import carryable, fields_of
from tmd.http.live import Live, Streams
from tmd.http.live_log import LiveLogs, process_of
from tmd.http.pages import facts
from tmd.http.pages.asks import ask
from tmd.http.pages.dashboard import ROWS_AT_ONCE, Shown, dashboard
from tmd.http.pages.dress import HEADERS, TYPE, Look, error_page, program_address
from tmd.http.pages.logs import logs_page
from tmd.http.pages.program import program_page
from tmd.http.replies import BARE, Exchange, Reply, error
from tmd.http.room import Room
from tmd.http.streams import unescape
from tmd.http.tokens import Tokens
from tmd.http.turns import Turns
from tmd.http.unrolled import Unrolled
from tmd.wire.names import ProcessId

FORM_S = 3.0
"""so long a browser without scripts waits for what becomes of a wish before it is told that it is under way"""
SCRIPT_S = 10.0
CROWDED_S = 0.5
"""so long all who come too many get the same page"""
MAX_SAID = 100
MAX_FORM_BYTES = 16 * 1024
"""what a form may have: to take a larger one apart would hold up all others"""
_FORM = "application/x-www-form-urlencoded"
_READ = ("GET", "HEAD")
_NOT_CROWDED = (-1.0e9, "", b"")
"""when which page was made, and for what"""


class Common:
    """What the pages of all listeners share."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self.tokens = Tokens(time.monotonic, os.urandom)
        self.feed = Feed(daemon)
        self.assets = Assets()
        self._said: dict[str, Outcome] = {}

    def keep(self, outcome: Outcome) -> str:
        """Keep what is to be said on the next page; return the key to it."""
        key = binascii.hexlify(os.urandom(8)).decode()
        self._said[key] = outcome
        while len(self._said) > MAX_SAID:
            del self._said[next(iter(self._said))]
        return key

    def said(self, key: str) -> Outcome:
        """Return what was kept, once."""
        return self._said.pop(key, Outcome(True, ""))

    def close(self) -> None:
        """Let go of everything."""
        self.feed.close()


class Web:
    """Answers what is neither XML-RPC nor one of Supervisor's log streams."""

    def __init__(self, daemon: DaemonSurface, common: Common, *, controls: bool, room: Room, turns: Turns) -> None:
        self._daemon, self._common, self._controls, self._turns = daemon, common, controls, turns
        self._last_crowded = _NOT_CROWDED
        self.streams = Streams(daemon, room)
        self._live = Live(common.feed, self.streams, controls=controls)
        self._logs = LiveLogs(daemon, common.feed, self.streams, controls=controls)
        self._downloads = Downloads(daemon, self.streams, turns)

    def answer(self, exchange: Exchange) -> None:
        """Answer by path and method."""
        head = exchange.head
        if head.path == "/act":
            self._act(exchange)
        elif head.path.startswith(ASSETS):
            self._common.assets.answer(exchange)
        elif head.path in ("/", "/index.html"):
            self._index(exchange)
        elif head.method not in ("GET", "HEAD", "POST"):
            exchange.reply(error(400))
        elif (stream := self._stream(head.path)) is not None:
            if head.method == "GET":
                stream(exchange)
            else:
                exchange.reply(error(405, headers=(("Allow", "GET"),)))
        else:
            exchange.reply(self._page(exchange) if head.method in _READ else error(404))

    def _stream(self, path: str) -> Callable[[Exchange], None] | None:
        if path == "/live":
            return self._live.answer
        if path == "/live/log" or path.startswith("/live/log/"):
            return self._logs.answer_log
        if path.startswith("/live/program/"):
            return self._logs.answer_program
        return self._downloads.answer if path.startswith("/download/") else None

    def _look(self, root: str = "./") -> Look:
        token = self._common.tokens.issue() if self._controls else ""
        return Look(self._daemon.settings.daemon.identifier, self._controls, token, root)

    # --- pages ------------------------------------------------------------------------------------------------

    def _index(self, exchange: Exchange) -> None:
        head = exchange.head
        fields = fields_of(head.query)
        if head.method not in ("GET", "HEAD", "POST"):
            exchange.reply(error(400))
        elif head.method == "POST" or "action" in fields:
            words = "Nothing is done by an address: use the buttons of the page, which send a form with a token."
            headers = (("Allow", "GET, HEAD"),)
            exchange.reply(error_page(self._look(), 405, "Nothing was done", words, headers=headers))
        else:
            self._overview(exchange, fields)

    def _overview(self, exchange: Exchange, fields: Mapping[str, str]) -> None:
        if exchange.head.method == "HEAD":
            exchange.reply(Reply(200, b"", TYPE, HEADERS))
            return
        refused = self.streams.full()
        made_at, asked, page = self._last_crowded
        if refused is not None and time.monotonic() - made_at < CROWDED_S:
            exchange.reply(Reply(200, page, TYPE, HEADERS) if asked == exchange.head.query else refused)
            return
        shown = self._shown(fields)
        large = len(shown.states) > ROWS_AT_ONCE
        if large and refused is None:
            unrolled = Unrolled(dashboard(self._look(), shown), exchange.stream(TYPE, HEADERS), self._turns)
            self.streams.add(unrolled, unrolled.close)
            unrolled.go_on()
            return
        page = self._crowded(exchange.head.query, shown) if large else b"".join(dashboard(self._look(), shown))
        exchange.reply(Reply(200, page, TYPE, HEADERS))

    def _shown(self, fields: Mapping[str, str]) -> Shown:
        said = self._common.said(fields.get("said", ""))
        shown = facts.overview(self._daemon, self._common.feed)
        query, state = fields.get("q", ""), fields.get("state", "")
        return shown._replace(query=query, state=state, said=said.text, said_ok=said.ok)

    def _crowded(self, query: str, shown: Shown) -> bytes:
        """Return a large page made at once, for one more than may have a stream, and for all who come soon after him.

        It has no token: the script asks for one, and a form without it is asked about.
        """
        page = b"".join(dashboard(self._look()._replace(token=""), shown))
        self._last_crowded = time.monotonic(), query, page
        self._daemon.call_later(CROWDED_S, self._forget_crowded)
        return page

    def _forget_crowded(self) -> None:
        if time.monotonic() - self._last_crowded[0] >= CROWDED_S:
            self._last_crowded = _NOT_CROWDED

    def _page(self, exchange: Exchange) -> Reply:
        path = exchange.head.path
        fields = fields_of(exchange.head.query)
        if path == "/logs":
            return logs_page(self._look(), facts.main_tail(self._daemon))
        if path == "/token":
            return self._token()
        if path == "/tail.html":
            return self._old_tail(fields)
        if path.startswith("/stylesheets/tmd."):
            return Reply(302, b"", headers=(("Location", "../assets/page.css"),))
        if path.startswith("/program/"):
            return self._program(process_of(unescape(path.removeprefix("/program/"))), fields)
        if "text/html" in exchange.head.headers.get("accept", "") and path != "/favicon.ico":
            return error_page(self._look(_root(path)), 404, "Not found", "There is no such page.")
        return error(404)

    def _program(self, id_: ProcessId, fields: Mapping[str, str]) -> Reply:
        look = self._look("../")
        shown = facts.program(self._daemon, self._common.feed, id_, secrets=self._controls)
        if shown is None:
            return error_page(look, 404, "Not found", f"There is no program {id_.namespec} (any more).")
        said = self._common.said(fields.get("said", ""))
        return program_page(look, shown._replace(message=said.text, message_ok=said.ok))

    def _old_tail(self, fields: Mapping[str, str]) -> Reply:
        """Answer Supervisor's address of a log: its program's page has it."""
        id_ = process_of(fields.get("processname", ""))
        if self._daemon.view(id_) is None:
            return error_page(self._look(), 404, "Not found", "There is no such program.")
        return Reply(302, b"", headers=(("Location", program_address("./", id_)), ("Cache-Control", "no-store")))

    # --- wishes -----------------------------------------------------------------------------------------------

    def _token(self) -> Reply:
        if not self._controls:
            return _json({"ok": False, "text": _ONLY_SHOWS}, 403)
        return _json({"token": self._common.tokens.issue()})

    def _act(self, exchange: Exchange) -> None:
        head = exchange.head
        by_script = "application/json" in head.headers.get("accept", "")
        refused = self._refusal(exchange, by_script=by_script)
        if refused is not None:
            exchange.reply(refused)
            return
        fields = fields_of(exchange.body.decode("latin-1"))
        wish, back = _wish(fields), fields.get("back", "")
        if wish is None:
            exchange.reply(self._refused(400, "there is no such action", by_script=by_script))
        elif not self._common.tokens.use(fields.get("token", "")):
            exchange.reply(self._stale(wish, back, by_script=by_script))
        elif not by_script and _needs_asking(wish, confirmed=fields.get("confirm") == "yes"):
            exchange.reply(ask(self._look(), wish, back))
        else:
            self._daemon.log_trace(f"asked for by a page: {wish.text}")
            self._fulfil(exchange, wish, back, by_script=by_script)

    def _refusal(self, exchange: Exchange, *, by_script: bool) -> Reply | None:
        """Return the reply to a form that is not even looked at."""
        head = exchange.head
        if head.method != "POST":
            reply = self._refused(405, "a form has to be sent here", by_script=by_script)
            return reply._replace(headers=(*reply.headers, ("Allow", "POST")))
        if Gate.foreign_form(head):
            # No page with a token in it for somebody who comes from elsewhere.
            return error(403, "Forms of other pages are refused")
        if not self._controls:
            return self._refused(403, _ONLY_SHOWS, by_script=by_script)
        if head.headers.get("content-type", _FORM).partition(";")[0].strip().lower() != _FORM:
            return self._refused(400, f"a form must be sent as {_FORM}", by_script=by_script)
        if len(exchange.body) > MAX_FORM_BYTES:
            return self._refused(413, f"a form may have {MAX_FORM_BYTES} bytes", by_script=by_script)
        return None

    def _refused(self, status: int, why: str, *, by_script: bool) -> Reply:
        if by_script:
            return self._answer(Outcome(False, f"nothing was done: {why}"), status)
        return error_page(self._look(), status, "Nothing was done", f"{why[0].upper()}{why[1:]}.")

    def _stale(self, wish: Wish, back: str, *, by_script: bool) -> Reply:
        """Return the reply to a token that is no good: a person may have gone back to an old page, so ask him."""
        if by_script:
            return self._answer(
                Outcome(False, "nothing was done: the page is too old, or the daemon was restarted"), 403
            )
        why = "Nothing was done: this form was sent before, or its page is too old."
        return ask(self._look(), wish, back, why=why, status=403)

    def _fulfil(self, exchange: Exchange, wish: Wish, back: str, *, by_script: bool) -> None:
        answered = False

        def done(outcome: Outcome) -> None:
            nonlocal answered
            if answered:
                return
            answered = True
            cancel()
            if by_script:
                exchange.reply(self._answer(outcome))
            else:
                exchange.reply(self._see_other(outcome, wish, back))

        under_way = Outcome(True, f"under way: {wish.text}")
        cancel = self._daemon.call_later(SCRIPT_S if by_script else FORM_S, lambda: done(under_way))
        fulfil(self._daemon, wish, done)

    def _answer(self, outcome: Outcome, status: int = 200) -> Reply:
        results = [{"name": carryable(item.name), "ok": item.ok, "text": item.text} for item in outcome.items]
        answer: dict[str, Any] = {"ok": outcome.ok, "text": outcome.text, "results": results}
        if self._controls:
            answer["token"] = self._common.tokens.issue()
        return _json(answer, status)

    def _see_other(self, outcome: Outcome, wish: Wish, back: str) -> Reply:
        key = self._common.keep(outcome)
        place = "./"
        if back == "program" and not wish.many and wish.name:
            place = program_address("./", process_of(wish.name))
        return Reply(303, b"", headers=(("Location", f"{place}?said={key}"), ("Cache-Control", "no-store")))


_ONLY_SHOWS = "this address has no password, so it only shows (set a username and a password for it)"


def _wish(fields: Mapping[str, str]) -> Wish | None:
    """Return what a form wishes; None for what is no wish."""
    wanted, name = fields.get("verb", ""), fields.get("name", "")
    if "do" in fields:
        wanted, _, quoted = fields["do"].partition(" ")
        name = unescape(quoted) if quoted.isascii() else quoted
    for verb in VERBS:
        if verb == wanted and bool(name) == (verb not in ("reread", "update")):
            return Wish(verb, name, fields.get("signal", "") if verb == "signal" else "")
    return None


def _needs_asking(wish: Wish, *, confirmed: bool) -> bool:
    if wish.verb == "signal" and not wish.signal:
        return True
    return not confirmed and (wish.name == "all" or (wish.many and wish.verb != "start") or wish.verb == "update")


def _root(path: str) -> str:
    return "../" * (path.count("/") - 1) or "./"


def _json(answer: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(answer), "application/json", (("Cache-Control", "no-store"), *BARE))

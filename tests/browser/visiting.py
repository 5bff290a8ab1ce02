"""A page open in a real browser, as a test sees it."""

import json
import re
from typing import Any, NamedTuple

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, ViewportSize, expect

from tests.browser.fetched_browser import axe
from tests.e2e.harness import Rig

DEADLINE_MS = 20_000
DESKTOP: ViewportSize = {"width": 1360, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

_EXPECTED = re.compile(r"net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|EMPTY_RESPONSE)")
"""what Chromium itself says when the daemon goes away, whatever the page does"""

_LISTEN = """() => {
  window.heard = [];
  const listen = () => { for (const told of document.querySelectorAll(".toast")) window.heard.push(told.textContent); };
  new MutationObserver(listen).observe(document.getElementById("toasts"), { childList: true });
}"""

expect.set_options(timeout=DEADLINE_MS)


class Served(NamedTuple):
    """A daemon whose pages can be visited; `password` may be empty."""

    rig: Rig
    port: int
    password: str

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.port}"


class Visit:
    """One page in a browser of its own; collects everything its console complains of.

    `script`: the browser runs scripts; `mute`: it would, but the page's own are empty; `live`: wait for the stream.
    """

    def __init__(
        self,
        browser: Browser,
        served: Served,
        path: str = "/",
        *,
        phone: bool = False,
        script: bool = True,
        live: bool = True,
        mute: bool = False,
    ) -> None:
        self.served = served
        self.complaints: list[str] = []
        self.daemon_may_go = False
        wishes: dict[str, Any] = {}
        if served.password:
            wishes["http_credentials"] = {"username": "op", "password": served.password}
        self.context: BrowserContext = browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            java_script_enabled=script,
            reduced_motion="reduce",
            **wishes,
        )
        self.context.set_default_timeout(DEADLINE_MS)
        self.page: Page = self.context.new_page()
        if mute:
            empty = "// nothing"
            self.page.route("**/*.js", lambda route: route.fulfill(body=empty, content_type="text/javascript"))
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.goto(served.address + path, wait_until="domcontentloaded")
        if script and live and not mute:
            expect(self.page.locator("#connection")).to_have_text("live")
            self.page.evaluate(_LISTEN)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.daemon_may_go and _EXPECTED.search(message.text):
            return
        self.complaints.append(f"{message.type}: {message.text}")

    def close(self) -> None:
        """Leave."""
        self.context.close()

    def row(self, name: str) -> Locator:
        """Return the row of a process on the dashboard."""
        return self.page.locator("tr.process").and_(self.page.locator(f"[data-name={_quoted(name)}]"))

    def button(self, name: str, verb: str) -> Locator:
        """Return the button that does something to a process, a group (`web:*`) or all."""
        return self.page.locator(f"button[data-verb={verb}][data-name={_quoted(name)}]").first

    def press(self, name: str, verb: str) -> None:
        """Press a button."""
        self.button(name, verb).click()

    def sees(self, name: str, state: str) -> None:
        """Wait until the dashboard shows that state."""
        expect(self.row(name).locator(".badge")).to_have_text(state)

    def hears(self, text: str) -> None:
        """Wait until a message with that text has been shown, even if it is gone again."""
        self.page.wait_for_function("text => window.heard.some(told => told.includes(text))", arg=text)

    def accessibility(self) -> list[str]:
        """Return what axe-core finds serious or critical on the page as it is."""
        # Through the debugging protocol: the page's own policy would not let a foreign script in.
        session = self.context.new_cdp_session(self.page)
        session.send("Runtime.evaluate", {"expression": axe()})
        wanted = "axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations))"
        answer = session.send("Runtime.evaluate", {"expression": wanted, "awaitPromise": True, "returnByValue": True})
        session.detach()
        return [
            f"{found['id']} ({found['impact']}): {found['help']}: " + "; ".join(node["html"] for node in found["nodes"])
            for found in json.loads(answer["result"]["value"])
            if found["impact"] in ("serious", "critical")
        ]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ") + '"'

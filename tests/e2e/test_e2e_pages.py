"""Pages of a real daemon: what a browser is served, what forms do, and what those of others do not."""

import http.client
import json
import os
import re
import signal
import socket
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.clients.free import free_port
from tests.e2e.harness import Rig, program
from tests.e2e.wire import UnixConnection, proxy
from tests.support import eventually

pytestmark = pytest.mark.ours

SLEEP = "sleep 100000"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HOSTILE = "<script>alert(1)</script>"


class Browser:
    """One who looks at pages, over the unix socket or TCP; keeps no connection."""

    def __init__(self, rig: Rig, port: int = 0, **headers: str) -> None:
        self._rig, self._port, self._headers = rig, port, headers

    def connection(self) -> http.client.HTTPConnection:
        if self._port:
            return http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        return UnixConnection(str(self._rig.socket), 20)

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        connection = self.connection()
        named = {name.replace("_", "-"): value for name, value in {**self._headers, **headers}.items()}
        try:
            connection.request(method, path, body, named | (FORM if body is not None else {}))
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def page(self, path: str = "/") -> str:
        status, _, text = self.ask(path)
        assert status == 200, text
        return text

    def token(self, path: str = "/") -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.page(path))
        assert found
        return found[1]

    def send(self, fields: dict[str, str], **headers: str) -> tuple[int, dict[str, str], str]:
        return self.ask("/act", "POST", urllib.parse.urlencode(fields), **headers)

    def act(self, do: str) -> dict[str, Any]:
        """Act as the script does."""
        status, _, text = self.send({"token": self.token(), "do": do}, Accept="application/json")
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text)
        return answer


@contextmanager
def events(browser: Browser, path: str, **headers: str) -> Iterator[Iterator[tuple[str, Any]]]:
    """Follow a stream: the events as they come."""
    connection = browser.connection()
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    assert response.status == 200

    def read() -> Iterator[tuple[str, Any]]:
        kind = ""
        while line := response.readline().decode():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ").strip()
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))

    try:
        yield read()
    finally:
        response.close()
        connection.close()


def until(told: Iterator[tuple[str, Any]], kind: str, /, **wanted: Any) -> Any:
    for got, value in told:
        if got == kind and all(value.get(key) == expected for key, expected in wanted.items()):
            return value
    raise AssertionError("the stream ended")


def until_line_in(told: Iterator[tuple[str, Any]], text: str) -> None:
    assert any(text in line for kind, value in told if kind == "log" for line in value["lines"])


@pytest.fixture
def pages(rig: Rig) -> Rig:
    rig.write_native(
        f"  web: {{cmd: {SLEEP}, startsecs: 0}}\n"
        f"  two: {{cmd: {SLEEP}, startsecs: 0, numprocs: 2}}\n"
        "  bad: {cmd: \"sh -c 'echo oh no >&2; exit 3'\", startsecs: 0, autorestart: never}\n"
        f'  talk: {{cmd: "{program("echo.py")}", startsecs: 0}}\n',
    )
    rig.start()
    rig.until("web", "RUNNING")
    rig.until("bad", "EXITED")
    return rig


def test_a_program_is_stopped_and_started_without_a_script(pages: Rig) -> None:
    browser = Browser(pages)
    assert re.search(r'data-name="web"[^>]* data-state="RUNNING"', browser.page())
    status, headers, _ = browser.send({"token": browser.token(), "do": "stop web"})
    assert status == 303
    page = browser.page(headers["Location"][1:])
    assert "web: stopped" in page
    assert re.search(r'data-name="web"[^>]* data-state="STOPPED"', page)
    assert pages.state("web") == "STOPPED"
    status, headers, _ = browser.send({"token": browser.token("/program/web"), "do": "start web", "back": "program"})
    assert "web: started" in browser.page(headers["Location"][1:])
    assert pages.state("web") == "RUNNING"


def test_a_group_is_asked_about_first(pages: Rig) -> None:
    browser = Browser(pages)
    status, _, page = browser.send({"token": browser.token(), "do": "stop two%3A%2A"})
    assert status == 200
    assert "Stop two:*?" in page
    assert pages.state("two:two_00") == "RUNNING"
    fields = dict(re.findall(r'<input type="hidden"[^>]* name="(\w+)" value="([^"]*)"', page))
    assert browser.send(fields)[0] == 303
    assert pages.state("two:two_00") == pages.state("two:two_01") == "STOPPED"


def test_a_script_sees_what_it_does(pages: Rig) -> None:
    browser = Browser(pages)
    with events(browser, "/live") as stream:
        snapshot = until(stream, "snapshot")
        assert [process["name"] for process in snapshot["processes"]][:2] == ["bad", "talk"]
        assert browser.act("stop web")["ok"]
        assert until(stream, "process", name="web", statename="STOPPED")["stopped_by_hand"]
        assert browser.act("start web")["text"] == "web: started"
        until(stream, "process", name="web", statename="RUNNING")
        assert until(stream, "gauges")["of"]["web"][1] > 100
        answer = browser.act("start nobody")
        assert answer["text"] == "cannot start nobody: there is no such program or group"


def test_the_page_of_a_program_knows_why_it_died_and_where_it_is_said(pages: Rig) -> None:
    page = Browser(pages).page("/program/bad:bad")
    assert "Exit code 3 is not in exitcodes (0)" in page
    assert "oh no" in page
    assert re.search(r'>autorestart</th><td><code>never</code></td><td class="origin">[^<]*tm\.yaml:\d+<', page)
    assert re.search(r'>stopwaitsecs</th><td><code>10</code></td><td class="origin">default<', page)


def test_a_log_is_followed_live_and_kept(pages: Rig) -> None:
    browser = Browser(pages)
    with events(browser, "/live/program/talk:talk") as stream:
        until(stream, "gauges")
        pages.rpc.supervisor.sendProcessStdin("talk", "<b>hello</b>\n")
        until_line_in(stream, "<b>hello</b>")
    status, headers, text = browser.ask("/download/talk:talk/stdout")
    assert (status, headers["Content-Disposition"]) == (200, 'attachment; filename="talk-stdout.log"')
    assert "<b>hello</b>" in text
    assert "&lt;b&gt;hello&lt;/b&gt;" in browser.page("/program/talk:talk")


def test_the_log_of_the_daemon_is_followed(pages: Rig) -> None:
    browser = Browser(pages)
    with events(browser, "/live/log") as stream:
        until(stream, "log")
        pages.rpc.supervisor.stopProcess("web")
        until_line_in(stream, "stopped: web")
    assert "stopped: web" in browser.page("/logs")


def test_what_joins_later_is_told(pages: Rig) -> None:
    browser = Browser(pages)
    with events(browser, "/live") as stream:
        until(stream, "snapshot")
        pages.conf.write_text(pages.conf.read_text() + f"  late: {{cmd: {SLEEP}, startsecs: 0}}\n")
        answer = browser.act("update ")
        assert answer["text"] == "configuration applied: added late"
        until(stream, "process", name="late", statename="RUNNING")
        assert "late" in until(stream, "groups")["groups"]


def test_a_restart_of_the_daemon_ends_the_stream_and_the_page_comes_again(pages: Rig) -> None:
    browser = Browser(pages)
    old = browser.token()
    with events(browser, "/live") as stream:
        until(stream, "snapshot")
        pages.rpc.supervisor.restart()
        until(stream, "daemon", state="RESTARTING")
        for _ in stream:
            continue  # it comes to an end

    def back() -> bool:
        try:
            return 'data-state="RUNNING"' in browser.page()
        except OSError:
            return False

    eventually(back, 20)
    assert browser.send({"token": old, "do": "stop web"})[0] == 403


# --- others ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tcp(rig: Rig) -> tuple[Rig, int]:
    """TCP with a password, native."""
    port = free_port()
    rig.write_native(
        f"  web: {{cmd: {SLEEP}, startsecs: 0}}\n",
        daemon=f"  http: {{port: {port}, username: u, password: p}}\n",
    )
    rig.start()
    rig.until("web", "RUNNING")
    return rig, port


LOGIN = "Basic dTpw"


def test_csrf_does_nothing(tcp: tuple[Rig, int]) -> None:
    rig, port = tcp
    browser = Browser(rig, port, Authorization=LOGIN)
    assert browser.ask("/")[0] == 200
    evil: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"do": "stop web"}, {}),
        ({"token": "", "do": "stop web"}, {"Origin": "http://evil.example"}),
        ({"token": browser.token(), "do": "stop web"}, {"Origin": "http://evil.example"}),
        ({"token": browser.token(), "do": "stop web"}, {"Origin": "null"}),
        ({"token": browser.token(), "do": "stop web"}, {"Sec_Fetch_Site": "cross-site"}),
        ({"token": browser.token(), "do": "stop web"}, {"Host": "evil.example", "Origin": f"http://127.0.0.1:{port}"}),
    ]
    for fields, headers in evil:
        assert browser.send(fields, **headers)[0] == 403, (fields, headers)
    for path in (
        "/?action=stopall",
        "/index.html?processname=web&action=stop",
        f"/act?token={browser.token()}&do=stop+web",
    ):
        assert browser.ask(path)[0] == 405
    assert rig.state("web") == "RUNNING"
    used = browser.token()
    assert browser.send({"token": used, "do": "restart web"})[0] == 303
    pid = rig.pid("web")
    assert browser.send({"token": used, "do": "restart web"})[0] == 403
    assert rig.pid("web") == pid
    assert Browser(rig, port).ask("/")[0] == 401
    assert Browser(rig, port).send({"token": "x", "do": "stop web"})[0] == 401


def test_dns_rebinding_shows_nothing(rig: Rig) -> None:
    port = free_port()
    rig.write_native(f"  web: {{cmd: {SLEEP}, startsecs: 0}}\n", daemon=f"  http: {port}\n")
    rig.start()
    browser = Browser(rig, port)
    for path in ("/", "/live", "/logs", "/program/web", "/metrics", "/assets/app.js", "/token", "/download/main"):
        status, _, text = browser.ask(path, Host="rebound.evil.example")
        assert status == 403, path
        assert "web" not in text
    assert browser.ask("/", Host=f"localhost:{port}")[0] == 200


def test_tcp_without_a_password_shows_and_changes_nothing(rig: Rig) -> None:
    port = free_port()
    rig.write_native(f"  web: {{cmd: {SLEEP}, startsecs: 0, env: {{KEY: s3cret}}}}\n", daemon=f"  http: {port}\n")
    rig.start()
    rig.until("web", "RUNNING")
    browser = Browser(rig, port)
    assert "<button form=" not in browser.page()
    assert "s3cret" not in browser.page("/program/web")
    assert "s3cret" in Browser(rig).page("/program/web")
    assert browser.send({"token": Browser(rig).token(), "do": "stop web"})[0] == 403
    with proxy(("127.0.0.1", port)) as rpc, pytest.raises(Exception, match="only shows"):
        rpc.supervisor.stopProcess("web")
    assert rig.state("web") == "RUNNING"
    rig.until_line(rf"http://127\.0\.0\.1:{port}/ only shows")


def test_html_everywhere_is_text(rig: Rig) -> None:
    script = f"echo '{HOSTILE}'; printf '\\033[31m\\033]0;title\\007'; echo; exit 1"
    (rig.dir / "noisy.sh").write_text(script)
    rig.write(
        f"[program:x]\ncommand=/bin/sh {rig.dir}/noisy.sh\nprocess_name={HOSTILE.replace('/', '')}\nautorestart=false\n"
        'startretries=0\nstdout_logfile={dir}/out\nenvironment=A="<img src=x onerror=alert(1)>"\n'
    )
    rig.start()
    name = HOSTILE.replace("/", "")
    rig.until(f"x:{name}", "FATAL")
    browser = Browser(rig)
    for path in ("/", f"/program/x:{urllib.parse.quote(name, safe='')}", "/logs", f"/?q={urllib.parse.quote(HOSTILE)}"):
        page = browser.page(path)
        assert "<script>" not in page
        assert "<img" not in page
        assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in browser.page(f"/program/x:{urllib.parse.quote(name, safe='')}")
    answer = browser.act("start " + urllib.parse.quote(f"x:{name}", safe=""))
    assert not answer["ok"]


def test_supervisors_addresses_lead_somewhere(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={SLEEP}\nstartsecs=0\nstdout_logfile={{dir}}/out\n")
    rig.start()
    browser = Browser(rig)
    status, headers, _ = browser.ask("/tail.html?processname=web")
    assert (status, headers["Location"]) == (302, "./program/web:web")
    assert 'data-name="web"' in browser.page("/index.html")
    assert browser.ask("/index.html?processname=web&action=stop")[0] == 405
    assert rig.state("web") == "RUNNING"


# --- where they are --------------------------------------------------------------------------------------------------


def test_pages_are_there_when_a_log_is_named(rig: Rig) -> None:
    """Whoever has the port: the daemon goes on, and says who is in the way."""
    rig.write_native(f"  web: {{cmd: {SLEEP}, startsecs: 0}}\n")
    rig.conf.write_text(rig.conf.read_text().replace("  http: false\n", ""))
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", 4242))
        taken.listen()
    except OSError:
        taken.close()  # another daemon has it, which does as well
    try:
        rig.start()
        rig.until("web", "RUNNING")
        (line,) = rig.until_line(r"no pages: cannot listen on 127\.0\.0\.1:4242: .*set 'http'")
        assert line.level == "WARN"
        rig.stop()
    finally:
        taken.close()


def test_a_stream_that_nobody_reads_keeps_no_daemon_from_its_end(pages: Rig) -> None:
    browser = Browser(pages)
    connections = []
    for _ in range(20):
        connection = browser.connection()
        connection.request("GET", "/live")
        connections.append(connection)
    eventually(lambda: pages.rpc.taskmaster.getFigures() is not None)
    began = time.monotonic()
    os.kill(pages.daemon_pid, signal.SIGTERM)
    pages.wait_end()
    assert time.monotonic() - began < 15
    for connection in connections:
        connection.close()

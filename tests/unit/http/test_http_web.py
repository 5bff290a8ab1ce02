"""Pages: what is on them, what they escape, which headers they carry; old addresses."""

import re

import pytest

from tests.unit.http.fake_daemon import NOW, group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.core.ends import End
from tmd.core.gauge import Gauge
from tmd.tree.node import Origin
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState


def text(serving: Serving, path: str, status: int = 200) -> str:
    got, headers, body = serving.get(path)
    assert (got, headers["Content-Type"]) == (status, "text/html;charset=utf-8")
    return body.decode()


@pytest.mark.parametrize("path", ["/", "/index.html", "/index.html?message=x"])
def test_the_dashboard_lists_processes_by_group(serving: Serving, path: str) -> None:
    page = text(serving, path)
    names = re.findall(r'<tr class="process \w+" data-name="([^"]*)"', page)
    assert names[:4] == ["idle", "g:a", "g:b", "web"]  # by priority and name of groups, by priority of processes
    assert '<span class="group-name">g</span> <span class="group-count">0 of 2 running</span>' in page
    assert '<tbody class="group alone" data-group="web">' in page
    assert "<b>1</b> running" in page
    assert '<span class="count FATAL" data-state="FATAL" hidden>' in page


def test_a_row_has_what_there_is_to_know(serving: Serving) -> None:
    web = ProcessId("web", "web")
    daemon = serving.daemon
    daemon.gauges.table[web] = Gauge(NOW, 1.25, 3.0, 25 * 1024 * 1024, 4, 10, 2)
    daemon.history.past[web] = [End(at=NOW - 600, how="exited", code=3, uptime_s=5)]
    page = text(serving, "/")
    row = page[page.index('data-name="web"') :].partition("</tr>")[0]
    assert 'data-state="RUNNING"' in row
    assert '<td class="pid">100</td>' in row
    assert '<td class="cpu">1.2 %</td>' in row
    assert '<td class="memory">25.0 MiB</td>' in row
    assert "exit code 3 after 5 s</td>" in row
    assert '<a href="./program/web:web">web</a>' in row


def test_buttons_that_make_no_sense_are_hidden(serving: Serving) -> None:
    page = text(serving, "/")

    def hidden(name: str) -> dict[str, bool]:
        row = page[page.index(f'data-name="{name}"') :].partition("</tr>")[0]
        found = re.findall(r'data-verb="(\w+)" data-name="[^"]*"( hidden)?>', row)
        return {verb: bool(mark) for verb, mark in found}

    running = {"start": True, "stop": False, "restart": False, "signal": False, "clear": False}
    resting = {"start": False, "stop": True, "restart": True, "signal": True, "clear": False}
    assert hidden("web") == running
    assert hidden("idle") == resting


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=WEB", ["web"]),
        ("q=g%3A", ["g:a", "g:b"]),
        ("state=RUNNING", ["web"]),
        ("q=g%3A&state=RUNNING", []),
        ("q=%3Cscript%3E%22", []),
        ("q=run+%", []),
        ("q=stopped+G%3Aa", ["g:a"]),
        ("q=+web++", ["web"]),
        ("q=web+stopped", []),
    ],
)
def test_search_works_without_a_script(serving: Serving, query: str, names: list[str]) -> None:
    page = text(serving, f"/?{query}").partition("<template")[0]
    assert re.findall(r'<tr class="process \w+" data-name="([^"]*)"', page) == names
    assert "<script>" not in page


def test_a_large_page_comes_in_pieces_and_whole(serving: Serving) -> None:
    daemon = serving.daemon
    serving.in_loop(
        lambda: daemon.add(group_of("many", *(spec_of(f"p{n}", "many") for n in range(500))), ProcessState.RUNNING)
    )
    status, headers, body = serving.get("/")
    assert status == 200
    assert headers["Transfer-Encoding"] == "chunked"
    assert body.count(b'<tr class="process RUNNING"') == 501
    assert body.count(b"<tbody") == body.count(b"</tbody>")
    assert body.endswith(b"</html>\n")
    status, headers, body = serving.get("/", "HEAD")
    assert (status, body) == (200, b"")


def test_nobody_frames_the_pages_and_no_other_script_runs_there(serving: Serving) -> None:
    for path in ("/", "/program/web:web", "/logs", "/program/none", "/act"):
        _, headers, body = serving.get(path, Accept="text/html")
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "form-action 'self'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert b" style=" not in body
        scripts = re.findall(rb"<script[^>]*>", body)
        ours = rb'<script(?: type="module")? src="[./]+assets/(?:theme|app)\.js">'
        assert len(scripts) == 2
        assert all(re.fullmatch(ours, each) for each in scripts)
        assert not re.search(rb"<[^>]* on\w+=", body)


def test_markup_in_names_and_errors_is_text(serving: Serving) -> None:
    name = "<script>alert(1)</script>"
    serving.daemon.add(group_of("<b>", spec_of(name, "<b>")), ProcessState.FATAL)
    serving.daemon.change(name, "<b>", spawnerr='<img src=x onerror="y">')
    page = text(serving, "/")
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=&quot;y&quot;&gt;" in page
    address = "/program/%3Cb%3E:%3Cscript%3Ealert%281%29%3C%2Fscript%3E"
    assert f'href=".{address}"' in page
    page = text(serving, address)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_of_a_program(serving: Serving) -> None:
    daemon = serving.daemon
    spec = spec_of("api", environment={"TOKEN": "s3cret"}, stopsignal=1, umask=0o22)
    daemon.add(group_of("api", spec), ProcessState.EXITED)
    daemon.origins = {"program:api.stopsignal": Origin("/etc/x.conf", 12, 1)}
    words = b"first\n<b>last\x1b[0m\n"
    daemon.history.past[spec.id] = [End(at=NOW - 60, how="exited", code=3, uptime_s=5, stdout=words)]
    (daemon.directory / "api.out").write_bytes(b"<i>line</i>\x1b[31m\n")
    page = text(serving, "/program/api:api")
    assert 'data-live="../live/program/api:api"' in page
    assert 'href="../download/api:api/stdout"' in page
    assert "&lt;i&gt;line&lt;/i&gt;^[[31m" in page
    assert "Exit code 3 is not in exitcodes (0), so this end was unexpected." in page
    assert "&lt;b&gt;last^[[0m" in page
    assert re.search(r'stopsignal</th><td><code>SIGHUP</code></td><td class="origin">/etc/x.conf:12<', page)
    assert re.search(r'umask</th><td><code>022</code></td><td class="origin">default<', page)
    assert "TOKEN=s3cret" in page
    assert re.search(r'data-token="[0-9a-f]{8,}', page)


def test_programs_that_are_not_there(serving: Serving) -> None:
    for path in ("/program/none", "/program/web:none", "/program/", "/program/web:web:web", "/program/%00%ff"):
        page = text(serving, path, 404)
        assert "Not found" in page


def test_the_log_of_the_daemon(serving: Serving) -> None:
    (serving.daemon.directory / "main.log").write_bytes(b"x" * 20_000 + b"\n2026 INFO <b>up</b>\n")
    page = text(serving, "/logs")
    assert 'data-live="./live/log"' in page
    assert ">2026 INFO &lt;b&gt;up&lt;/b&gt;\n</pre>" in page
    serving.daemon.mainlog = None
    assert "It has no log." in text(serving, "/logs")


@pytest.mark.parametrize(
    "path",
    [
        "/?action=stopall", "/index.html?action=restartall", "/index.html?action=refresh", "/?action=zzz",
        "/index.html?processname=web&action=stop", "/index.html?processname=web&action=clearlog",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_actions_are_not_taken_from_addresses(serving: Serving, path: str, method: str) -> None:
    status, headers, body = serving.get(path, method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"
    assert method == "HEAD" or b"use the buttons of the page" in body
    assert serving.daemon.asked == []


def test_supervisors_address_of_a_log_leads_to_the_program(serving: Serving) -> None:
    status, headers, _ = serving.get("/tail.html?processname=g%3Aa&limit=100")
    assert (status, headers["Location"]) == (302, "./program/g:a")
    for path in ("/tail.html", "/tail.html?processname=none", "/tail.html?processname=%0d%0aX:y"):
        assert serving.get(path)[0] == 404


def test_ok(serving: Serving) -> None:
    for method in ("GET", "POST"):
        status, headers, body = serving.get("/ok.html", method)
        assert (status, headers["Content-Type"], body) == (200, "text/plain", b"OK")


def test_heads_have_no_body(serving: Serving) -> None:
    for path in ("/", "/ok.html", "/nope"):
        connection = serving.http()
        for _ in range(2):
            connection.request("HEAD", path)
            response = connection.getresponse()
            length = response.headers["Content-Length"]  # nobody makes the dashboard to count its bytes
            assert length is None if path == "/" else int(length) > 0
            assert response.read() == b""
        connection.close()


@pytest.mark.parametrize(
    "path", ["/nope", "/stylesheets/", "/../etc/passwd", "/stylesheets/../../x", "/%2e%2e/x", "/tail.html", "//"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_everything_else_is_404(serving: Serving, path: str, method: str) -> None:
    assert serving.get(path, method)[0] == 404
    assert serving.get(path, "PUT")[0] == 400


def test_a_browser_gets_a_page_that_says_so(serving: Serving) -> None:
    status, headers, body = serving.get("/no/such/page", Accept="text/html,*/*")
    assert status == 404
    assert "Content-Security-Policy" in headers
    assert b'href="../../assets/page.css"' in body

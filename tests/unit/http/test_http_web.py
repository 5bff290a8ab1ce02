"""The page: it shows, escapes, and does nothing."""

import pytest

from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.wire.states import ProcessState


@pytest.mark.parametrize("path", ["/", "/index.html", "/index.html?message=x"])
def test_the_page_lists_processes(serving: Serving, path: str) -> None:
    status, headers, body = serving.get(path)
    assert status == 200
    assert headers["Content-Type"] == "text/html;charset=utf-8"
    assert b"<td>web</td>" in body
    assert b"<td>g:a</td>" in body
    assert b"pid 100, uptime 1:01:01" in body


def test_the_page_may_run_no_script_and_be_framed_by_nobody(serving: Serving) -> None:
    _, headers, body = serving.get("/")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"<script" not in body
    assert b"style=" not in body


def test_markup_in_names_and_errors_is_text(serving: Serving) -> None:
    serving.daemon.add(group_of("<b>", spec_of("<script>alert(1)</script>", "<b>")), ProcessState.FATAL)
    serving.daemon.change("<script>alert(1)</script>", "<b>", spawnerr='<img src=x onerror="y">')
    body = serving.get("/")[2]
    assert b"<script>" not in body
    assert b"<img" not in body
    assert b"&lt;b&gt;:&lt;script&gt;" in body


@pytest.mark.parametrize(
    "path",
    [
        "/?action=stopall", "/index.html?action=restartall", "/index.html?action=refresh", "/?action=zzz",
        "/index.html?processname=web&action=stop", "/index.html?processname=web&action=clearlog",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_actions_are_not_taken(serving: Serving, path: str, method: str) -> None:
    status, headers, _ = serving.get(path, method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"
    assert serving.daemon.asked == []


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
            assert int(response.headers["Content-Length"]) > 0
            assert response.read() == b""
        connection.close()


def test_the_style_sheet(serving: Serving) -> None:
    status, headers, body = serving.get("/stylesheets/tmd.css")
    assert (status, headers["Content-Type"]) == (200, "text/css")
    assert b"RUNNING" in body


@pytest.mark.parametrize(
    "path", ["/nope", "/stylesheets/", "/../etc/passwd", "/stylesheets/../../x", "/%2e%2e/x", "/tail.html", "//"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_everything_else_is_404(serving: Serving, path: str, method: str) -> None:
    assert serving.get(path, method)[0] == 404
    assert serving.get(path, "PUT")[0] == 400

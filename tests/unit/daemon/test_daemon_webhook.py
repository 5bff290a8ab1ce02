"""Alerts by HTTP, against servers that behave and servers that do not."""

import hashlib
import hmac
import json
import socket
import threading
import time
from email.utils import formatdate
from typing import Any

import pytest

import tmd
from tests.alerting.servers import CERTIFICATE, WebhookServer, basic, drips, hangs, nobody, raw_server, says
from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert
from tmd.daemon.sinks import NotDelivered
from tmd.daemon.sinks.webhook import webhook
from tmd.daemon.workers import NO_THREAD

NOW = 1_800_000_000.0
ALERT = Alert("process_fatal", NOW, {"program": "web", "group": "web", "process": "web", "reason": "caf\xe9"})
pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def post(url: str, *alerts: Alert, **settings: Any) -> str:
    spec = AlertSpec(name="hook", kind="webhook", url=url, **{"timeout": 20, **settings})
    return webhook(spec, "box", lambda: NOW)(alerts or [ALERT])


def refusal(url: str, **settings: Any) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        post(url, **settings)
    return caught.value


def test_an_alert_is_posted_as_json() -> None:
    with WebhookServer() as server:
        assert post(server.url + "/a%20b/\xfc?q=1&r=a b") == "204 No Content"
    (posted,) = server.posted
    assert posted.path == "/hook/a%20b/%C3%BC?q=1&r=a%20b"
    assert posted.alert == {
        "timestamp": "2027-01-15T08:00:00.000Z", "event": "process_fatal", "host": "box", "payload": ALERT.payload,
    }  # fmt: skip
    assert "caf\xe9".encode() in posted.body
    headers = posted.headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["user-agent"] == f"taskmaster/{tmd.__version__}"
    assert headers["x-taskmaster-event"] == "process_fatal"
    assert headers["host"] == f"localhost:{server.port}"
    assert "authorization" not in headers
    assert not [name for name in headers if "signature" in name or "timestamp" in name]


def test_every_attempt_carries_the_same_id() -> None:
    other = Alert("process_fatal", NOW + 0.001, ALERT.payload)
    with WebhookServer((500, {}, b""), (200, {}, b"")) as server:
        refusal(server.url)
        assert post(server.url, ALERT, other) == "200 OK"
    first, second, third = [posted.headers["x-taskmaster-delivery"] for posted in server.posted]
    assert first == second != third
    assert len(first) == 32


def test_headers_of_the_configuration_win() -> None:
    with WebhookServer() as server:
        post(server.url, headers={"authorization": "Bearer x", "User-agent": "me", "X-Team": "caf\xe9"})
    headers = server.posted[0].headers
    assert (headers["authorization"], headers["user-agent"]) == ("Bearer x", "me")
    assert headers["x-team"].encode("latin-1").decode() == "caf\xe9"


def test_a_password_in_the_url_becomes_a_header() -> None:
    with WebhookServer() as server:
        post(server.url.replace("//", "//me:p%40ss@"))
    assert server.posted[0].headers["authorization"] == basic("me", "p@ss")


def test_a_secret_signs_the_time_and_the_body() -> None:
    with WebhookServer() as server:
        post(server.url, secret="sesame")
    (posted,) = server.posted
    timestamp = posted.headers["x-taskmaster-timestamp"]
    expected = hmac.new(b"sesame", timestamp.encode() + b"." + posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["x-taskmaster-signature-256"] == f"sha256={expected}"
    assert timestamp == "1800000000"


def test_tls_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebhookServer(tls=True) as server:
        why = refusal(server.url)
        assert why.reason.startswith("its certificate is not valid: self-signed certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert post(server.url) == "204 No Content"
        assert post(server.url.replace("localhost", "127.0.0.1")) == "204 No Content"
        assert len(server.posted) == 2


def test_tls_verifies_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with WebhookServer(tls=True) as server:
        why = refusal(server.url.replace("localhost", "elsewhere.example"))
    assert "elsewhere.example" in why.reason
    assert server.posted == []


def test_tls_to_a_server_without_it() -> None:
    with WebhookServer() as server:
        assert refusal(server.url.replace("http:", "https:")).reason == "TLS failed: wrong version number"


LASTING = (400, 401, 404, 410)
PASSING = (408, 425, 429, 500, 503)


@pytest.mark.parametrize("status", [*LASTING, *PASSING])
def test_what_is_worth_another_attempt(status: int) -> None:
    with WebhookServer((status, {}, b"")) as server:
        why = refusal(server.url)
    assert why.lasting is (status in LASTING)
    assert why.reason.startswith(f"it answered {status} ")


def test_the_answer_is_quoted_harmlessly() -> None:
    with WebhookServer((400, {}, b"no \x1b[31msuch\r\n room \xff" + b"x" * 10_000)) as server:
        why = refusal(server.url)
    assert why.reason.startswith("it answered 400 Bad Request: 'no ^[[31msuch room \ufffdxxx")
    assert why.reason.endswith("xxx...'")
    assert len(why.reason) < 300


@pytest.mark.parametrize(
    ("text", "after_s"),
    [
        ("7", 7.0),
        ("\xb2", None),
        ("9" * 400, float("inf")),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_a_server_may_ask_for_patience(text: str, after_s: float | None) -> None:
    with WebhookServer((429, {"Retry-After": text}, b"")) as server:
        assert refusal(server.url).after_s == after_s


def test_a_redirect_is_not_followed() -> None:
    with WebhookServer() as elsewhere, WebhookServer((302, {"Location": elsewhere.url + "\x1b[2J"}, b"")) as server:
        why = refusal(server.url, secret="s")
        assert elsewhere.posted == []
    assert why.lasting
    assert why.reason == (
        f"it answered 302 Found: it redirects to 'http://localhost:{elsewhere.port}/...', which is not followed"
        " (name that url)"
    )


def test_a_redirect_within_the_server() -> None:
    with WebhookServer((308, {"Location": "/hook/"}, b"")) as server:
        assert "it redirects to another path there, which is not followed" in refusal(server.url).reason


def test_nothing_secret_is_repeated() -> None:
    seen: list[str] = []

    def echo(connection: socket.socket, over: threading.Event) -> None:
        """A server that quotes all it got, where it can."""
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        target = request.split()[1]
        headers = b" ".join(line for line in request.split(b"\r\n")[1:] if not line.startswith(b"Host"))
        status = statuses.pop()
        connection.sendall(b"HTTP/1.1 %d no %s\r\n" % (status, target))
        connection.sendall(b"Location: https://e:PASS@other.example%s\r\n\r\n" % target)
        connection.sendall(b"Cannot POST %s: no QSECRET, PATHSECRET or hush; %s" % (target, headers))

    statuses = [200, 302, 404, 500]
    with raw_server(echo) as port:
        url = f"http://USER9:PASS@127.0.0.1:{port}/hooks/PATHSECRET?t=QSECRET&u#FRAGMENT"
        settings: dict[str, Any] = {"secret": "hush", "headers": {"X-Key": "Bearer HEADER1", "Cookie": "c=COOKIE777"}}
        seen += [refusal(url, **settings).reason for _ in range(3)]
        seen.append(post(url, **settings))
    told = " ".join(seen)
    for secret in ("PATHSECRET", "QSECRET", "USER9", "PASS", "HEADER1", "COOKIE777", "FRAGMENT", "hush"):
        assert secret not in told
    assert basic("USER9", "PASS").split()[1] not in told
    assert [reason[:45] for reason in seen] == [
        "it answered 500 no /...?...: 'Cannot POST /..",
        "it answered 404 no /...?...: 'Cannot POST /..",
        "it answered 302 no /...?...: it redirects to ",
        "200 no /...?...",
    ]
    assert "'https://other.example/...'" in seen[2]


def test_proxy_variables_are_not_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{nobody()}")
    with WebhookServer() as server:
        assert post(server.url) == "204 No Content"


def test_nobody_listens() -> None:
    port = nobody()
    why = refusal(f"http://127.0.0.1:{port}/")
    assert (why.reason, why.lasting) == (f"cannot connect to 127.0.0.1:{port}: connection refused", False)


def test_a_name_that_is_none() -> None:
    why = refusal("http://no-such-host.invalid/")
    assert why.reason.startswith("cannot find 'no-such-host.invalid': ")
    assert not why.lasting
    assert refusal(f"http://{'x' * 70}.example/").reason.startswith(f"cannot find '{'x' * 70}.example': ")


def test_a_name_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    real = socket.getaddrinfo

    def lookup(host: str, *rest: Any, **more: Any) -> Any:
        if not more.get("flags"):
            over.wait(60)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    why = in_time("http://localhost:1/", 0.3)
    over.set()
    assert why.reason == "cannot find 'localhost': no answer from the name server in 0.3 s"


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def lookup(host: str, port: int, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1", nobody(), *rest, **more) + real("127.0.0.1", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with WebhookServer() as server:
        assert post(server.url) == "204 No Content"


def in_time(url: str, timeout_s: float) -> NotDelivered:
    began = time.monotonic()
    why = refusal(url, timeout=timeout_s)
    took_s = time.monotonic() - began
    assert timeout_s * 0.9 < took_s < timeout_s + 2
    assert not why.lasting
    return why


def test_a_server_that_hangs() -> None:
    with raw_server(hangs) as port:
        assert in_time(f"http://127.0.0.1:{port}/", 0.5).reason == "no answer within 0.5 s"


def test_a_server_that_hangs_in_tls() -> None:
    with raw_server(hangs) as port:
        assert in_time(f"https://127.0.0.1:{port}/", 0.5).reason == "no answer within 0.5 s"


@pytest.mark.parametrize("text", [b"HTTP/1.1 200 " + b"O" * 5000, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000])
def test_a_server_that_drips(text: bytes) -> None:
    with raw_server(drips(text, 0.02)) as port:
        assert in_time(f"http://127.0.0.1:{port}/", 0.5).reason == "no answer within 0.5 s"


def test_a_server_that_drips_through_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.alerting.servers import server_tls

    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))

    def talk(connection: socket.socket, over: threading.Event) -> None:
        with server_tls().wrap_socket(connection, server_side=True) as secure:
            drips(b"HTTP/1.1 200 " + b"O" * 5000, 0.02)(secure, over)

    with raw_server(talk) as port:
        assert in_time(f"https://127.0.0.1:{port}/", 1.0).reason == "no answer within 1 s"


def test_an_accepted_alert_does_not_wait_for_the_text_of_the_answer() -> None:
    with raw_server(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"z" * 90_000, 0.0005)) as port:
        began = time.monotonic()
        assert post(f"http://127.0.0.1:{port}/") == "200 OK"
        assert time.monotonic() - began < 10


def test_an_answer_that_stops_short_is_quoted_as_far_as_it_came() -> None:
    with raw_server(says(b"HTTP/1.1 503 Sorry\r\nContent-Length: 1000\r\n\r\nnot now")) as port:
        assert refusal(f"http://127.0.0.1:{port}/").reason == "it answered 503 Sorry: 'not now'"


def test_what_is_no_http() -> None:
    with raw_server(says(b"SSH-2.0-OpenSSH\r\n\x1b[2J")) as port:
        assert refusal(f"http://127.0.0.1:{port}/").reason == "its answer is not HTTP (BadStatusLine)"
    with raw_server(says(b"")) as port:
        assert refusal(f"http://127.0.0.1:{port}/").reason == "it closed the connection without an answer"


FLOOD = 8 * 1024 * 1024


@pytest.mark.parametrize("line", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Go\r\nX: yyyyy\r\n\r\n"])
def test_a_server_that_says_continue_for_ever_is_left(line: bytes) -> None:
    # It ends well at last, for who listens so long.
    with raw_server(says(line * (FLOOD // len(line)) + b"HTTP/1.1 204 OK\r\n\r\n")) as port:
        why = refusal(f"http://127.0.0.1:{port}/")
    assert (why.reason, why.lasting) == ("it does not stop talking (256 KB were read)", False)


def test_without_a_thread_for_the_look_up_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    why = refusal("http://localhost:1/")
    assert (why.reason, why.lasting) == (f"cannot find 'localhost': {NO_THREAD}", False)


def test_what_cannot_be_sent_is_no_use_to_try_again() -> None:
    with WebhookServer() as server:
        why = refusal(server.url, headers={"X-A": "a\r\nX-B: b"})
        assert why.lasting
        assert "\r" not in why.reason
        assert server.posted == []


def test_a_body_is_json_whatever_is_in_it() -> None:
    with WebhookServer() as server:
        post(server.url, Alert("process_exited", NOW, {"stderr": ["a\u2028b", "\x00"], "pid": None}))
    assert json.loads(server.posted[0].body)["payload"] == {"stderr": ["a\u2028b", "\x00"], "pid": None}

"""Alerts by HTTP: one POST for each, signed if there is a secret.

Promises that one delivery takes no longer than the sink's `timeout`, name look-up and TLS included, that nothing is
sent anywhere but to the configured address (redirects are not followed, proxy variables not heeded), and that every
attempt to deliver the same alert carries the same id. Whether to try again is decided elsewhere.
"""

import base64
import hashlib
import hmac
import http.client
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import tmd
from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert, as_json
from tmd.daemon.sinks import Deliver, NotDelivered
from tmd.daemon.sinks.dialing import Deadline, dial, explained, secured
from tmd.wire.visible import visible_line

MAX_ANSWER = 4096
"""bytes that are read of an answer"""
MAX_QUOTED = 200
"""characters that are repeated of it"""
LINGER_S = 1.0
"""how long the text of an answer that means success is waited for"""
TRY_AGAIN = frozenset({408, 425, 429})
"""of the answers that blame the client, those that pass"""


class Hook(NamedTuple):
    """Where a webhook is, taken apart."""

    secure: bool
    host: str
    port: int
    path: str
    authorization: str | None


def webhook(spec: AlertSpec, host: str, clock: Callable[[], float] = time.time) -> Deliver:
    """Return what posts alerts to `spec.url`. `host`: what this machine is called; `clock`: epoch seconds."""
    hook = _taken_apart(spec.url)

    def deliver(alerts: Sequence[Alert]) -> str:
        said = ""
        for alert in alerts:
            body = as_json(alert, host)
            said = _post(hook, _headers(spec, hook, alert, body, int(clock())), body, spec.timeout, clock)
        return said

    return deliver


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the hexadecimal HMAC-SHA256 of `timestamp.body`."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _taken_apart(url: str) -> Hook:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Hook(secure, parts.hostname or "", parts.port or (443 if secure else 80), path, authorization)


def _headers(spec: AlertSpec, hook: Hook, alert: Alert, body: bytes, now: int) -> dict[str, str]:
    """Return the headers; those of the configuration win over all but the signature."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"taskmaster/{tmd.__version__}",
        "X-Taskmaster-Event": alert.event,
        "X-Taskmaster-Delivery": hashlib.sha256(body).hexdigest()[:32],
        "Connection": "close",
    }
    if hook.authorization is not None:
        headers["Authorization"] = hook.authorization
    for name, value in spec.headers.items():
        headers = {known: text for known, text in headers.items() if known.lower() != name.lower()}
        headers[name] = value
    if spec.secret is not None:
        headers["X-Taskmaster-Timestamp"] = str(now)
        headers["X-Taskmaster-Signature-256"] = f"sha256={signature(spec.secret, str(now), body)}"
    return headers


def _post(hook: Hook, headers: dict[str, str], body: bytes, timeout_s: float, clock: Callable[[], float]) -> str:
    deadline = Deadline(timeout_s)
    make = http.client.HTTPSConnection if hook.secure else http.client.HTTPConnection
    with ExitStack() as held:
        sock: socket.socket = held.enter_context(dial(hook.host, hook.port, deadline))
        try:
            if hook.secure:
                sock = held.enter_context(secured(sock, hook.host, deadline))
            connection = make(hook.host, hook.port)  # it connects to nothing by itself: it is given its socket
            connection.sock = sock
            connection.request("POST", hook.path, body, {name: _latin(value) for name, value in headers.items()})
            answer = held.enter_context(connection.getresponse())
        except (OSError, http.client.HTTPException) as why:
            raise NotDelivered(_trouble(why, deadline)) from why
        except ValueError as why:  # http.client's word about what cannot stand in a header or a request line
            raise NotDelivered(f"it cannot be asked: {visible_line(str(why))}", lasting=True) from why
        if 200 <= answer.status < 300:
            deadline.hurry(LINGER_S)
            _read(answer)
            return _status(answer)
        raise _refusal(answer, _read(answer), clock())


def _latin(text: str) -> str:
    """Return a header's value so that it goes out as UTF-8: `http.client` writes each character as one byte."""
    return text.encode().decode("latin-1")


def _trouble(why: Exception, deadline: Deadline) -> str:
    if deadline.passed or isinstance(why, OSError):
        closed = isinstance(why, http.client.RemoteDisconnected) and not deadline.passed
        return "it closed the connection without an answer" if closed else explained(why, deadline)
    return f"its answer is not HTTP ({type(why).__name__})"


def _status(answer: http.client.HTTPResponse) -> str:
    return f"{answer.status} {visible_line(answer.reason.strip())[:MAX_QUOTED]}".strip()


def _read(answer: http.client.HTTPResponse) -> str:
    """Return the beginning of the text of an answer, as far as it comes; one that does not come is no trouble."""
    data = b""
    try:
        while len(data) < MAX_ANSWER and (piece := answer.read1(MAX_ANSWER - len(data))):
            data += piece
    except (OSError, http.client.HTTPException):
        return _shown(data)
    return _shown(data)


def _shown(data: bytes) -> str:
    text = visible_line(" ".join(data.decode("utf-8", "replace").split()))
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def _refusal(answer: http.client.HTTPResponse, text: str, now: float) -> NotDelivered:
    """Return what an answer means that is no success."""
    status = answer.status
    said = f"it answered {_status(answer)}"
    if 300 <= status < 400:
        target = visible_line(answer.headers.get("Location", "").strip())[:MAX_QUOTED]
        return NotDelivered(f"{said}: it redirects to '{target}', which is not followed (name that url)", lasting=True)
    if text:
        said += f": '{text}'"
    lasting = 400 <= status < 500 and status not in TRY_AGAIN
    return NotDelivered(said, lasting=lasting, after_s=_retry_after(answer.headers.get("Retry-After", ""), now))


def _retry_after(text: str, now: float) -> float | None:
    """Return for how many seconds the other side asks for patience: it may name them, or a date."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None

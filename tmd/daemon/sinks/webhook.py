"""Alerts by HTTP: one POST for each, signed if there is a secret.

Promises that one delivery takes no longer than the sink's `timeout`, name look-up and TLS included, that nothing is
sent anywhere but to the configured address (redirects are not followed, proxy variables not heeded), that every
attempt to deliver the same alert carries the same id, and that of what the other side says nothing secret is repeated.
Whether to try again is decided elsewhere.
"""

import base64
import hashlib
import hmac
import http.client
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

import tmd
from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert, as_json
from tmd.daemon.sinks import Deliver, NotDelivered
from tmd.daemon.sinks.dialing import Deadline, dial, explained, secured
from tmd.daemon.sinks.discretion import WORD, Discretion, encoded, server_of

MAX_ANSWER = 4096
"""bytes that are read of an answer"""
LINGER_S = 1.0
"""how long the text of an answer that means success is waited for"""
TRY_AGAIN = frozenset({408, 425, 429})
"""of the answers that blame the client, those that pass"""
LEAST = 3
"""characters that make a part of a url or a header worth hiding"""


class Hook(NamedTuple):
    """Where a webhook is, taken apart."""

    secure: bool
    host: str
    port: int
    path: str
    authorization: str | None
    discretion: Discretion


def webhook(spec: AlertSpec, host: str, clock: Callable[[], float] = time.time) -> Deliver:
    """Return what posts alerts to `spec.url`. `host`: what this machine is called; `clock`: epoch seconds."""
    hook = _taken_apart(spec)

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


def _taken_apart(spec: AlertSpec) -> Hook:
    parts = urlsplit(spec.url)
    secure = parts.scheme == "https"
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    port = parts.port or (443 if secure else 80)
    return Hook(secure, parts.hostname or "", port, path, authorization, Discretion(_secrets(spec, parts)))


def _secrets(spec: AlertSpec, parts: SplitResult) -> Iterator[str]:
    """Give all that nobody shall see: of the url all but the server, what is in the headers, the key."""
    query = re.split("[&;]", parts.query)
    pieces = [*parts.path.split("/"), *(pair.partition("=")[2] or pair for pair in query)]
    texts = [*pieces, parts.path.strip("/"), parts.query, parts.fragment]
    for value in spec.headers.values():
        words = re.split(r"[\s=,;]+", value)
        texts += [value, value.partition(" ")[2], *(word for word in words if len(word) >= WORD)]
    for text in texts:
        if len(text) >= LEAST:
            yield text
            yield unquote(text)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    yield from (user, password, spec.secret or "")
    if parts.username is not None:
        yield from map(encoded, (user, password, f"{user}:{password}"))


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
            raise NotDelivered(f"it cannot be asked: {hook.discretion.quoted(str(why))}", lasting=True) from why
        if 200 <= answer.status < 300:
            deadline.hurry(LINGER_S)
            _read(answer)
            return _status(answer, hook.discretion)
        raise _refusal(answer, _read(answer), clock(), hook.discretion)


def _latin(text: str) -> str:
    """Return a header's value so that it goes out as UTF-8: `http.client` writes each character as one byte."""
    return text.encode().decode("latin-1")


def _trouble(why: Exception, deadline: Deadline) -> str:
    if deadline.passed or isinstance(why, OSError):
        closed = isinstance(why, http.client.RemoteDisconnected) and not deadline.passed
        return "it closed the connection without an answer" if closed else explained(why, deadline)
    return f"its answer is not HTTP ({type(why).__name__})"


def _status(answer: http.client.HTTPResponse, discretion: Discretion) -> str:
    return f"{answer.status} {discretion.quoted(answer.reason)}".strip()


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Return the beginning of the text of an answer, as far as it comes; one that does not come is no trouble."""
    data = b""
    try:
        while len(data) < MAX_ANSWER and (piece := answer.read1(MAX_ANSWER - len(data))):
            data += piece
    except (OSError, http.client.HTTPException):
        return data
    return data


def _refusal(answer: http.client.HTTPResponse, data: bytes, now: float, discretion: Discretion) -> NotDelivered:
    """Return what an answer means that is no success."""
    status = answer.status
    said = f"it answered {_status(answer, discretion)}"
    if 300 <= status < 400:
        location = answer.headers.get("Location", "").strip()
        target = f"'{discretion.quoted(server_of(location))}'" if "://" in location else "another path there"
        return NotDelivered(f"{said}: it redirects to {target}, which is not followed (name that url)", lasting=True)
    if text := discretion.quoted(data):
        said += f": '{text}'"
    lasting = 400 <= status < 500 and status not in TRY_AGAIN
    return NotDelivered(said, lasting=lasting, after_s=_retry_after(answer.headers.get("Retry-After", ""), now))


def _retry_after(text: str, now: float) -> float | None:
    """Return for how many seconds the other side asks for patience: it may name them, or a date."""
    try:
        return float(text) if text.strip().isdigit() else max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        return None

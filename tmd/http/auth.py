"""Who may ask: Basic authentication, and the rules that keep web pages of others out.

A browser sends the credentials it has for us by itself, whichever page makes it ask. So a request that a page of
another origin caused is refused even with the right password, over the unix socket too, which may have a proxy in
front of it; only links to our pages may be anywhere. On TCP without a password the Host must be a name that an
attacker cannot make point here (DNS rebinding): an address, this machine, or a single word, which no public name is.
Programs (xmlrpc.client, curl, exporters) send no Origin and are not concerned.
"""

import binascii
from collections.abc import Callable

from tmd.config.settings import Dialect, ServerSpec
from tmd.http.protocol import Head
from tmd.http.replies import Reply, error

_SHA = "{SHA}"
_PAGES = frozenset({"/", "/index.html", "/logs", "/tail.html", "/metrics"})
"""what others may link to, with the pages of programs"""
_PORTS = {"http": "80", "https": "443"}
"""what a scheme implies"""


def only_shows(spec: ServerSpec, dialect: Dialect) -> bool:
    """Tell whether a listener lets nobody change anything: in the native dialect, TCP without a password."""
    return dialect is Dialect.NATIVE and spec.family == "inet" and spec.username is None


class Gate:
    """Decides on heads of requests to one listener. `hostname`: what this machine calls itself."""

    def __init__(self, spec: ServerSpec, hostname: str) -> None:
        self._tcp = spec.family == "inet"
        self._known_hosts = {"localhost", hostname.lower(), spec.host.lower()} - {""}
        self._check = _password_check(spec.username, spec.password or "") if spec.username else None

    def refusal(self, head: Head) -> Reply | None:
        """Return the reply to a request that must not go on, None for one that may."""
        refused = self._foreign(head)
        if refused:
            return error(403, refused, close=True)
        if self._check is not None and not self._authorized(head, self._check):
            return error(401, headers=(("WWW-Authenticate", 'Basic realm="default"'),), close=True)
        return None

    @staticmethod
    def foreign_form(head: Head) -> bool:
        """Tell whether a form came from a page of somebody else's, over whatever listener; programs are nobody's."""
        if _is_of_another_origin(head):
            return True
        return head.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")

    def _foreign(self, head: Head) -> str:
        host = head.headers.get("host")
        if _is_of_another_origin(head):
            return "Requests of other origins are refused"
        if head.headers.get("sec-fetch-site", "") in ("cross-site", "same-site") and not _is_link(head):
            return "Requests of other sites are refused"
        open_tcp = self._tcp and self._check is None
        if open_tcp and host is not None and not self._is_known(_authority(host)[0]):
            return "This server does not go by that name (without a password only addresses and local names are taken)"
        return ""

    def _is_known(self, name: str) -> bool:
        return name in self._known_hosts or "." not in name or _is_address(name)

    @staticmethod
    def _authorized(head: Head, check: Callable[[bytes, bytes], bool]) -> bool:
        scheme, _, rest = head.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            decoded = binascii.a2b_base64(rest.strip().encode("latin-1"))
        except ValueError:
            return False
        username, colon, password = decoded.partition(b":")
        return bool(colon) and check(username, password)


def _password_check(username: str, password: str) -> Callable[[bytes, bytes], bool]:
    """Return the comparison with one pair of name and password, in constant time."""
    # Both bring OpenSSL into memory: nobody without a password should carry that.
    from hmac import compare_digest  # noqa: PLC0415

    known_name = username.encode()
    if password.startswith(_SHA):
        from hashlib import sha1  # noqa: PLC0415

        known_digest = password[len(_SHA) :].encode()

        def check_digest(name: bytes, secret: bytes) -> bool:
            right_name = compare_digest(name, known_name)
            digest = sha1(secret, usedforsecurity=False).hexdigest().encode()
            return compare_digest(digest, known_digest) and right_name

        return check_digest

    known_secret = password.encode()

    def check_clear(name: bytes, secret: bytes) -> bool:
        right_name = compare_digest(name, known_name)
        return compare_digest(secret, known_secret) and right_name

    return check_clear


def _is_of_another_origin(head: Head) -> bool:
    """Tell whether a page of another origin asks. Which scheme is ours, nobody knows who has a proxy before him."""
    origin = head.headers.get("origin")
    if origin is None:
        return False
    scheme, separator, authority = origin.strip().lower().partition("://")
    implied = _PORTS.get(scheme, "") if separator else ""
    host = head.headers.get("host", "").strip()
    if not (implied and host):
        return True
    (their_name, their_port), (name, port) = _authority(authority), _authority(host)
    return (their_name, their_port or implied) != (name, port or implied)


def _authority(text: str) -> tuple[str, str]:
    """Return (host, port) of `host[:port]`, the port empty where there is none."""
    text = text.strip().lower()
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, ""
    return host.strip("[]").rstrip("."), port


def _is_link(head: Head) -> bool:
    """Tell whether somebody follows a link to one of our pages: he sees it, and the page that has the link does not."""
    if head.headers.get("sec-fetch-mode") != "navigate" or head.headers.get("sec-fetch-dest", "document") != "document":
        return False
    return head.method in ("GET", "HEAD") and (head.path in _PAGES or head.path.startswith("/program/"))


def _is_address(name: str) -> bool:
    if ":" in name:
        return all(character in "0123456789abcdef:.%" for character in name)
    numbers = name.split(".")
    return len(numbers) == 4 and all(number.isascii() and number.isdigit() for number in numbers)

"""What may be repeated of the words of the other side: a short line that is harmless to show, without our secrets.

Servers quote what they were sent: the path of a url, a header, a password as it was encoded. Promises that none of what
is named as a secret comes through, however it is spelled: percent-encoded, escaped for HTML or JSON, in other case, or
in base64. A short secret is hidden only where it stands by itself.
"""

import re
from base64 import b64encode
from collections.abc import Iterable

from tmd.wire.visible import visible_line

HIDDEN = "..."
MAX_QUOTED = 200
"""characters that are repeated"""
MAX_READ = 4096
"""characters that are looked at"""
WORD = 8
"""shorter secrets are hidden only as whole words: they may well be the middle of one that is none"""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


class Discretion:
    """Knows the secrets of one sink; empty ones are none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: what it contains is hidden with it.
        patterns = [_pattern(secret) for secret in sorted({*secrets}, key=len, reverse=True) if secret.strip()]
        self._secrets = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def masked(self, text: str) -> str:
        """Return the text with `...` in the place of each secret."""
        return text if self._secrets is None else self._secrets.sub(HIDDEN, text)

    def quoted(self, text: str | bytes) -> str:
        """Return the beginning of a text as one line."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        line = visible_line(self.masked(" ".join(text[:MAX_READ].split())))
        return line if len(line) <= MAX_QUOTED else f"{line[:MAX_QUOTED]}..."


def encoded(text: str) -> str:
    """Return the base64 of a text, as it is found whatever follows it."""
    return b64encode(text.encode(errors="surrogateescape")).decode().rstrip("=")


def server_of(url: str) -> str:
    """Return scheme, host and port of a url, and whether there is more: that may be a secret."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return HIDDEN
    server = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = rest[len(server) :]
    more = "" if not path.startswith("/") else "/" if path == "/" else f"/{HIDDEN}"
    return f"{scheme}://{server.rpartition('@')[2]}{more}"


def _pattern(secret: str) -> str:
    pattern = r"(?:\s|%20|\+)+".join("".join(map(_spellings, word)) for word in secret.split())
    return pattern if len(secret) >= WORD else rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])"


def _spellings(character: str) -> str:
    """Return a pattern for all the ways in which a character may come back."""
    if character.isascii() and character.isalnum():
        return character
    data, code = character.encode(errors="surrogatepass"), ord(character)
    ways = {
        character,
        data.decode("latin-1"),  # http.client reads its lines so
        "".join(f"%{byte:02x}" for byte in data),
        f"\\{character}",
        f"\\u{code:04x}",
        f"&#{code};",
        f"&#x{code:x};",
        _ENTITIES.get(character, character),
    }
    return f"(?:{'|'.join(map(re.escape, sorted(ways, key=len, reverse=True)))})"

"""The style sheet, the scripts and the picture of the pages: files beside this one, served as they are.

They are read when a browser first asks, and kept. A browser may keep them too, but asks each time whether they are
still the same, so that a new version of the daemon is never seen through the scripts of an old one. Knows no page.
"""

import os
from typing import NamedTuple
from zlib import crc32

from tmd.http.replies import Exchange, Reply, error

PREFIX = "/assets/"
PLACE = os.path.join(os.path.dirname(__file__), "assets")

_TYPES = {".css": "text/css;charset=utf-8", ".js": "text/javascript;charset=utf-8", ".svg": "image/svg+xml"}


class _Asset(NamedTuple):
    data: bytes
    content_type: str
    tag: str


class Assets:
    """Answers paths under `/assets/`."""

    def __init__(self) -> None:
        self._kept: dict[str, _Asset] = {}

    def answer(self, exchange: Exchange) -> None:
        """Answer a request for an asset: the file, 304 when the browser has it, 404 or 405."""
        head = exchange.head
        if head.method not in ("GET", "HEAD"):
            exchange.reply(error(405, headers=(("Allow", "GET, HEAD"),)))
            return
        asset = self._find(head.path.removeprefix(PREFIX))
        if asset is None:
            exchange.reply(error(404))
            return
        headers = (("ETag", asset.tag), ("Cache-Control", "no-cache"))
        known = [tag.strip().removeprefix("W/") for tag in head.headers.get("if-none-match", "").split(",")]
        if asset.tag in known:
            exchange.reply(Reply(304, b"", asset.content_type, headers))
        else:
            exchange.reply(Reply(200, asset.data, asset.content_type, headers))

    def _find(self, name: str) -> _Asset | None:
        """Return the asset of that name. Names come from the directory, never from the request."""
        if not self._kept:
            for entry in os.scandir(PLACE):
                content_type = _TYPES.get(os.path.splitext(entry.name)[1])
                if content_type is not None:
                    with open(entry.path, "rb") as file:
                        data = file.read()
                    self._kept[entry.name] = _Asset(data, content_type, f'"{crc32(data):08x}-{len(data):x}"')
        return self._kept.get(name)

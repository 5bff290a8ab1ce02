"""The page for people with a browser: what there is and how it is. Read only; nothing acts on a GET.

Everything that comes from a configuration or a program is escaped, and the page may run no script at all.
"""

from tmd.daemon.surface import DaemonSurface, ProcessView
from tmd.http.described import describe
from tmd.http.encode import escape
from tmd.http.replies import Exchange, Reply, error

STYLE_PATH = "/stylesheets/tmd.css"

PAGE_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)

_STYLE = b"""body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid #ddd; }
.RUNNING { color: #08662a; } .FATAL, .BACKOFF, .UNKNOWN { color: #b00020; } .STARTING, .STOPPING { color: #8a5a00; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } th, td { border-color: #444; }
.RUNNING { color: #6fd08c; } .FATAL, .BACKOFF, .UNKNOWN { color: #ff8a94; } .STARTING, .STOPPING { color: #ffc766; } }
"""


class Pages:
    """Answers what is neither XML-RPC nor a log."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon

    def answer(self, exchange: Exchange) -> None:
        """Answer by path: the page, its style sheet, `/ok.html`, or 404."""
        head = exchange.head
        match head.path:
            case "/" | "/index.html":
                reply = self._index(acts="action=" in head.query or head.method == "POST")
            case "/ok.html":
                reply = Reply(200, b"OK", "text/plain")
            case path if path == STYLE_PATH and head.method != "POST":
                reply = Reply(200, _STYLE, "text/css")
            case _:
                reply = error(404)
        if head.method not in ("GET", "HEAD", "POST"):
            reply = error(400)
        exchange.reply(reply)

    def _index(self, *, acts: bool) -> Reply:
        if acts:
            return error(405, "This page only shows", headers=(("Allow", "GET, HEAD"), *PAGE_HEADERS))
        name = escape(self._daemon.settings.daemon.identifier)
        rows = "".join(_row(view) for view in self._daemon.views())
        page = (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
            f'<link rel="stylesheet" href="{STYLE_PATH}"></head><body>\n<h1>{name}</h1>\n'
            "<table><thead><tr><th>Process</th><th>State</th><th>Description</th></tr></thead><tbody>\n"
            f"{rows}</tbody></table>\n</body></html>\n"
        )
        return Reply(200, page.encode("utf-8", "replace"), "text/html;charset=utf-8", PAGE_HEADERS)


def _row(view: ProcessView) -> str:
    state = view.state.name
    return (
        f'<tr><td>{escape(view.id.namespec)}</td><td class="{state}">{state}</td>'
        f"<td>{escape(describe(view))}</td></tr>\n"
    )

"""The page with the daemon's own log."""

from tmd.http.pages.dress import Body, Look, page
from tmd.http.pages.program import Tail, log_section
from tmd.http.replies import Reply


def logs_page(look: Look, tail: Tail) -> Reply:
    """Return the page."""
    main = f'<h1 class="quiet">Log of the daemon</h1>\n{log_section(look, None, tail)}'
    return page(look, Body("logs", "Log", main, here="logs"))

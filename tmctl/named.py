"""What only a tmd tells about and what has names: sinks of alerts, pools of event listeners.

Of another server it is said, or nothing is shown.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tmctl.marshal import ServerFault
from tmctl.render import Paint
from tmctl.session import Request, Session
from tmd.wire.faults import Fault
from tmd.wire.visible import visible_line

Item = dict[str, Any]
"""one of them as the server tells it, with its `name`"""


class Named(NamedTuple):
    """One kind of them."""

    method: str
    """returns all"""
    key: str
    """where they are in a document"""
    noun: str
    none: str
    """what is said when there are none"""
    foreign: str
    """what is said of a server that is not tmd"""
    lines: Callable[[Item, Paint], list[str]]
    """what is shown of one"""


def ask(session: Session, kind: Named) -> list[Item] | None:
    """Return all; None when the server is one that does not tell."""
    try:
        found: list[Item] = session.client.call(kind.method)
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        return None
    return found


def show(session: Session, request: Request, kind: Named) -> None:
    """Show all, or those that the words name, in that order."""
    if not session.server_is_up():
        return
    found = ask(session, kind)
    if found is None:
        session.fail(kind.foreign)
        return
    if request.words and not request.everything:
        known = {item["name"]: item for item in found}
        for name in request.words:
            if name not in known:
                session.fail(f"{visible_line(name)}: ERROR (no such {kind.noun})")
        found = [known[name] for name in dict.fromkeys(request.words) if name in known]
    elif not found:
        session.say(kind.none)
    for item in found:
        session.say(*kind.lines(item, session.paint))
    session.record(kind.key, found)

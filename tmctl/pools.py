"""The command `pools`, and what `status --verbose` says about event listeners.

Only a tmd tells of its pools; of another server it is said, or nothing is shown.
"""

from collections.abc import Iterable
from typing import Any

from tmctl.marshal import ServerFault
from tmctl.render import Info, Paint
from tmctl.session import Request, Session
from tmd.wire.faults import Fault

Pool = dict[str, Any]

_COLOURS = {"READY": "green", "BUSY": "green", "ACKNOWLEDGED": "yellow", "UNKNOWN": "red"}


def pools(session: Session, request: Request) -> None:
    """Show each pool of event listeners: what it subscribed to, what became of events, how its listeners are."""
    if not session.server_is_up():
        return
    found = ask_for_pools(session)
    if found is None:
        session.fail("ERROR: this server does not tell about its event listeners (it is not tmd)")
        return
    if request.words and not request.everything:
        known = {pool["name"]: pool for pool in found}
        for name in request.words:
            if name not in known:
                session.fail(f"{name}: ERROR (no such pool)")
        found = [known[name] for name in dict.fromkeys(request.words) if name in known]
    elif not found:
        session.say("no event listeners")
    for pool in found:
        session.say(*pool_lines(pool, session.paint))
    session.record("pools", found)


def ask_for_pools(session: Session) -> list[Pool] | None:
    """Return the pools of the server; None when it is one that does not tell."""
    try:
        found: list[Pool] = session.client.call("taskmaster.getEventPools")
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        return None
    return found


def pool_lines(pool: Pool, paint: Paint) -> list[str]:
    """Return one line about a pool, one about an event it is in trouble with, and one about each of its listeners."""
    counts = "  ".join(f"{key} {pool[key]}" for key in ("delivered", "rejected", "redelivered"))
    head = (
        f"{pool['name']}  events {','.join(pool['events'])}  waiting {pool['waiting']}/{pool['buffer_size']}"
        f"  {counts}  {_dropped(pool, paint)}"
    )
    trouble = [f"  oldest {paint(pool['note'], 'yellow')}"] if pool.get("note") else []
    listeners = [f"  {listener['name']}  {_condition(listener, paint)}" for listener in pool["listeners"]]
    return [head, *trouble, *listeners]


def listener_notes(found: Iterable[Pool], paint: Paint) -> dict[str, str]:
    """Return one line about each listener, by the name it is started by."""
    return {
        listener["name"]: (
            f"  listener {_condition(listener, paint)}; pool: {pool['waiting']} of {pool['buffer_size']} waiting,"
            f" {_dropped(pool, paint)}"
        )
        for pool in found
        for listener in pool["listeners"]
    }


def listener_records(found: Iterable[Pool]) -> dict[str, Info]:
    """Return the same as records for `--json`."""
    return {
        listener["name"]: {
            "state": listener["state"],
            "for_s": listener["for_s"],
            "note": listener.get("note", ""),
            "waiting": pool["waiting"],
            "buffer_size": pool["buffer_size"],
            "dropped": pool["dropped"],
        }
        for pool in found
        for listener in pool["listeners"]
    }


def _dropped(pool: Pool, paint: Paint) -> str:
    text = f"dropped {pool['dropped']}"
    return paint(text, "red") if pool["dropped"] else text


def _condition(listener: Info, paint: Paint) -> str:
    state = str(listener["state"])
    if state == "-":
        return "not running"
    minutes, seconds = divmod(int(listener["for_s"]), 60)
    hours, minutes = divmod(minutes, 60)
    note = str(listener.get("note", ""))
    colour = "red" if note else _COLOURS.get(state, "")
    return f"{paint(state, colour)} for {hours}:{minutes:02}:{seconds:02}{', ' if note else ''}{note}"

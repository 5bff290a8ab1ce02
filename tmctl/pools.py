"""The command `pools`, and what `status --verbose` says about event listeners."""

from collections.abc import Iterable

from tmctl import named
from tmctl.named import Item, Named
from tmctl.render import Info, Paint
from tmctl.session import Request, Session

_COLOURS = {"READY": "green", "BUSY": "green", "ACKNOWLEDGED": "yellow", "UNKNOWN": "red"}


def pools(session: Session, request: Request) -> None:
    """Show each pool of event listeners: what it subscribed to, what became of events, how its listeners are."""
    named.show(session, request, POOLS)


def pool_lines(pool: Item, paint: Paint) -> list[str]:
    """Return one line about a pool, one about an event it is in trouble with, and one about each of its listeners."""
    counts = "  ".join(f"{key} {pool[key]}" for key in ("delivered", "rejected", "redelivered"))
    head = (
        f"{pool['name']}  events {','.join(pool['events'])}  waiting {pool['waiting']}/{pool['buffer_size']}"
        f"  {counts}  {_dropped(pool, paint)}"
    )
    trouble = [f"  oldest {paint(pool['note'], 'yellow')}"] if pool.get("note") else []
    listeners = [f"  {listener['name']}  {_condition(listener, paint)}" for listener in pool["listeners"]]
    return [head, *trouble, *listeners]


def listener_notes(found: Iterable[Item], paint: Paint) -> dict[str, str]:
    """Return one line about each listener, by the name it is started by."""
    return {
        listener["name"]: (
            f"  listener {_condition(listener, paint)}; pool: {pool['waiting']} of {pool['buffer_size']} waiting,"
            f" {_dropped(pool, paint)}"
        )
        for pool in found
        for listener in pool["listeners"]
    }


def listener_records(found: Iterable[Item]) -> dict[str, Info]:
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


def _dropped(pool: Item, paint: Paint) -> str:
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


POOLS = Named(
    method="taskmaster.getEventPools",
    key="pools",
    noun="pool",
    none="no event listeners",
    foreign="ERROR: this server does not tell about its event listeners (it is not tmd)",
    lines=pool_lines,
)

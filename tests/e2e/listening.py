"""Event listeners for the stories, and what they were given."""

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.harness import Rig, program

LATE_S = 30.0
BIG = "x" * 60_000


def listener(mode: str, events: str, *, name: str = "ear", more: str = "") -> str:
    """Return the section of a listener that records its events in a file of its name."""
    command = f"{program('listener.py')} {mode} {{dir}}/{name}.events"
    return f"[eventlistener:{name}]\ncommand={command}\nevents={events}\nstartsecs=0\n{more}\n"


SLEEPER = "[program:web]\ncommand=sleep 100000\nstartsecs=0\nautostart=false\n"


def events(rig: Rig, name: str = "ear") -> list[dict[str, str]]:
    """Return what a listener was given so far."""
    whole, _, _ = rig.text(f"{name}.events").rpartition("\n")
    return [json.loads(line) for line in whole.split("\n") if line]


def until_events(rig: Rig, count: int, *, name: str = "ear", what: str = "") -> list[dict[str, str]]:
    """Wait until a listener was given so many events of a type (any, without one); return them."""

    def there() -> list[dict[str, str]] | None:
        found = [event for event in events(rig, name) if what in event["eventname"]]
        return found if len(found) >= count else None

    return rig.wait(there, LATE_S, f"{count} events like {what!r}")


def pool(rig: Rig, name: str = "ear") -> dict[str, Any]:
    """Return what the daemon says of a pool."""
    (found,) = [pool for pool in rig.rpc.taskmaster.getEventPools() if pool["name"] == name]
    return dict(found)


def until_pool(rig: Rig, probe: Callable[[dict[str, Any]], bool], what: str = "", name: str = "ear") -> dict[str, Any]:
    """Wait until what is said of a pool is as wanted; return it."""

    def there() -> dict[str, Any] | None:
        found = pool(rig, name)
        return found if probe(found) else None

    return rig.wait(there, LATE_S, what)


def until_state(rig: Rig, state: str, name: str = "ear") -> dict[str, Any]:
    """Wait until the first listener of a pool is in a state."""
    return until_pool(rig, lambda found: found["listeners"][0]["state"] == state, f"{name} is {state}", name)


def say(rig: Rig, *texts: str) -> None:
    """Have an event of a client's own for each text."""
    for text in texts:
        assert rig.rpc.supervisor.sendRemoteCommEvent("note", text)


def notes(found: list[dict[str, str]]) -> list[str]:
    """Return the texts of client's events, in the order they were given."""
    return [event["payload"].removeprefix("type:note\n") for event in found if "REMOTE" in event["eventname"]]

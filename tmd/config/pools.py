"""From an event listener's section to what its processes share: which events they get, how many may wait."""

from tmd.config.reader import Reader, Setup
from tmd.config.settings import DEFAULT_RESULT_HANDLER, PoolSpec
from tmd.tree.shape import nearest
from tmd.wire.events import EVENT_TYPES

POOL_PRIORITY = -1
"""where nothing is said: a pool starts before the programs it listens to, and stops after them"""


def read_pool_priority(reader: Reader, setup: Setup) -> int:
    """Return the priority of a pool among the groups."""
    if reader.entry("priority") is None:
        return POOL_PRIORITY
    priority: int = reader.read("priority", setup.names())
    return priority


def read_pool(reader: Reader, setup: Setup) -> PoolSpec:
    """Return the pool of a section; problems are noted, in the order Supervisor has them."""
    names = setup.names()
    section = f"[{reader.body.label}]"
    buffer_size = reader.read("buffer_size", names)
    if buffer_size < 1:
        reader.fail("buffer_size", f"{section} section sets invalid buffer_size ({buffer_size})", "at least 1")
    handler = reader.read("result_handler", names)
    # the default is built in: it must work where the package it is named after is not installed
    if handler != DEFAULT_RESULT_HANDLER and (why := setup.host.resolve_problem(handler)) is not None:
        written = reader.text("result_handler", names)
        reason = f"cannot import {handler!r}" if setup.native else f"{written} cannot be resolved within {section}"
        reader.fail("result_handler", reason, why)
    events = tuple(dict.fromkeys(name.upper() for name in reader.read("events", names)))
    if not events:
        reason = "is missing" if setup.native else f'{section} section requires an "events" line'
        reader.fail("events", reason, "e.g. events = PROCESS_STATE")
    for name in events:
        if not _is_event(name, setup):
            own = f"unknown event type {name!r}"
            near = nearest(name, tuple(event.lower() for event in EVENT_TYPES))
            hint = f"did you mean {near.upper()!r}?" if near else ""
            reader.fail(
                "events", own if setup.native else f"Unknown event type {name} in {section} events", hint, more=True
            )
    if reader.read("redirect_stderr", names):
        reason = (
            "cannot be true for an event listener: standard output is how it answers"
            if setup.native
            else f"{section} section sets redirect_stderr=true but this is not allowed because it will interfere "
            "with the eventlistener protocol"
        )
        reader.fail("redirect_stderr", reason)
    return PoolSpec(
        events=events,
        buffer_size=max(1, buffer_size),
        result_handler=handler,
        ackwaitsecs=reader.read("ackwaitsecs", names),
    )


def _is_event(name: str, setup: Setup) -> bool:
    """Tell whether there is such an event; an extension that was imported just now may have registered its own."""
    if name in EVENT_TYPES:
        return True
    return name.isidentifier() and setup.host.resolve_problem(f"supervisor.events:EventTypes.{name}") is None

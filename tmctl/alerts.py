"""The commands `alerts` and `alert-test`: where alerts go, how that fares, and a sample on demand.

Only a tmd has alerts; of another server it is said.
"""

from typing import Any

from tmctl import exits
from tmctl.marshal import ServerFault
from tmctl.render import Paint
from tmctl.session import Request, Session
from tmd.wire.faults import Fault

Sink = dict[str, Any]

_NOT_TMD = "ERROR: this server has no alerts (it is not tmd)"


def alerts(session: Session, request: Request) -> None:
    """Show each sink: where it goes, what it is told, what became of it."""
    if not session.server_is_up():
        return
    found = ask_for_sinks(session)
    if found is None:
        session.fail(_NOT_TMD)
        return
    if request.words and not request.everything:
        known = {sink["name"]: sink for sink in found}
        for name in request.words:
            if name not in known:
                session.fail(f"{name}: ERROR (no such sink)")
        found = [known[name] for name in dict.fromkeys(request.words) if name in known]
    elif not found:
        session.say("no alerts are configured")
    for sink in found:
        session.say(*sink_lines(sink, session.paint))
    session.record("alerts", found)


def alert_test(session: Session, request: Request) -> None:
    """Have a sample sent and show what was said where it went."""
    if not session.server_is_up():
        return
    names = [] if request.everything else request.words
    try:
        results: list[Sink] = session.client.wait("taskmaster.testAlert", names)
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        session.fail(_NOT_TMD)
        return
    session.record("results", results)
    if not results:
        session.fail("ERROR: no alerts are configured")
    for result in results:
        session.say(result_line(result, session.paint))
        if not result["ok"]:
            session.status = exits.GENERIC


def ask_for_sinks(session: Session) -> list[Sink] | None:
    """Return the sinks of the server; None when it is one that has none to tell of."""
    try:
        found: list[Sink] = session.client.call("taskmaster.getAlerts")
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        return None
    return found


def sink_lines(sink: Sink, paint: Paint) -> list[str]:
    """Return one line about a sink, and one about its last trouble."""
    filters = [f"{key} {','.join(sink[key])}" for key in ("events", "programs") if sink[key]] or ["all events"]
    counts = [
        paint(f"{key} {sink[key]}", "red" if sink[key] and key in ("failed", "dropped") else "")
        for key in ("sent", "waiting", "failed", "dropped")
    ]
    head = "  ".join([_named(sink), *filters, *counts])
    return [head, *([f"  last trouble: {sink['last_error']}"] if sink["last_error"] else [])]


def result_line(result: Sink, paint: Paint) -> str:
    """Return one line about a sample that was sent."""
    if not result["kind"]:
        return f"{result['name']}: ERROR ({result['said']})"
    outcome = paint("delivered", "green") if result["ok"] else paint("not delivered", "red")
    return f"{_named(result)}: {outcome}{': ' if result['said'] else ''}{result['said']}"


def _named(sink: Sink) -> str:
    where = str(sink["goes_to"])
    return f"{sink['name']} ({'' if where.startswith(sink['kind']) else sink['kind'] + ' '}{where})"

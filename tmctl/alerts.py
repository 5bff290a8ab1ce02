"""The commands `alerts` and `alert-test`: where alerts go, how that fares, and a sample on demand."""

from tmctl import exits, named
from tmctl.marshal import ServerFault, can_carry
from tmctl.named import Item, Named
from tmctl.render import Paint
from tmctl.session import Request, Session
from tmd.wire.faults import Fault
from tmd.wire.visible import visible_line


def alerts(session: Session, request: Request) -> None:
    """Show each sink: where it goes, what it is told, what became of it."""
    named.show(session, request, SINKS)


def alert_test(session: Session, request: Request) -> None:
    """Have a sample sent and show what was said where it went."""
    if not session.server_is_up():
        return
    names = [] if request.everything else request.words
    known = [name for name in names if can_carry(name)]
    results = [_unknown(name) for name in dict.fromkeys(names) if name not in known]
    if known or not names:
        try:
            results += session.client.wait("taskmaster.testAlert", known)
        except ServerFault as fault:
            if fault.code != Fault.UNKNOWN_METHOD:
                raise
            session.fail(SINKS.foreign)
            return
    session.record("results", results)
    if not results:
        session.fail("ERROR: no alerts are configured")
    for result in results:
        session.say(result_line(result, session.paint))
        if not result["ok"]:
            session.status = exits.GENERIC


def _unknown(name: str) -> Item:
    """Return what a tmd says of a name it does not know, for one that cannot be sent to it."""
    return {"name": name, "kind": "", "goes_to": "", "ok": False, "said": "no such sink"}


def sink_lines(sink: Item, paint: Paint) -> list[str]:
    """Return one line about a sink, and one about its last trouble."""
    filters = [f"{key} {','.join(sink[key])}" for key in ("events", "programs") if sink[key]] or ["all events"]
    counts = [
        paint(f"{key} {sink[key]}", "red" if sink[key] and key in ("failed", "dropped") else "")
        for key in ("sent", "waiting", "failed", "dropped")
    ]
    head = "  ".join([_named(sink), *filters, *counts])
    return [head, *([f"  last trouble: {sink['last_error']}"] if sink["last_error"] else [])]


def result_line(result: Item, paint: Paint) -> str:
    """Return one line about a sample that was sent."""
    if not result["kind"]:
        return f"{visible_line(result['name'])}: ERROR ({result['said']})"
    outcome = paint("delivered", "green") if result["ok"] else paint("not delivered", "red")
    return f"{_named(result)}: {outcome}{': ' if result['said'] else ''}{result['said']}"


def _named(sink: Item) -> str:
    where = str(sink["goes_to"])
    return f"{sink['name']} ({'' if where.startswith(sink['kind']) else sink['kind'] + ' '}{where})"


SINKS = Named(
    method="taskmaster.getAlerts",
    key="alerts",
    noun="sink",
    none="no alerts are configured",
    foreign="ERROR: this server has no alerts (it is not tmd)",
    lines=sink_lines,
)

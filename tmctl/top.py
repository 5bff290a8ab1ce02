"""The command `top`: what processes use, live at a terminal, or once as text or JSON."""

import os
import sys
import time
from typing import Any, NamedTuple

from tmctl import exits
from tmctl.marshal import ServerFault
from tmctl.render import Info
from tmctl.session import Misused, Request, Session
from tmctl.top_live import Look, run_live
from tmctl.top_rows import BY_NAME, in_order, meant, rows_of_gauges, rows_of_infos, total
from tmctl.top_screen import table_text
from tmctl.top_terminal import Terminal
from tmctl.top_view import View
from tmd.wire.faults import Fault

EVERY_S = 2.0
SHORTEST_S = 0.1
LONGEST_S = 3600.0
ONCE_S = 1.0
"""between the two looks that one needs to say how busy a processor is"""

_NOT_MEASURED = "this server is not tmd: it does not measure"


class Asked(NamedTuple):
    """What to show."""

    names: tuple[str, ...] = ()
    every_s: float = EVERY_S
    by: str = "cpu"
    once: bool = False


def top(session: Session, request: Request) -> None:
    """Show what processes use."""
    asked = asked_for(request.words)
    if not session.server_is_up():
        return
    once = asked.once or session.document is not None or not _can_take_over(session)
    gauges = _gauges(session)
    if once and gauges is not None:
        time.sleep(ONCE_S)
        gauges = _gauges(session)
    _, unknown = _named(session, gauges, asked.names)
    for name in unknown:
        session.fail(f"{name}: ERROR (no such process)")
    if unknown:
        return
    if once:
        _show_once(session, gauges, asked)
        return
    view = View(by=asked.by if gauges is not None or asked.by != "cpu" else "name", server=_server(session))
    terminal = Terminal(sys.stdin.fileno(), sys.stdout.fileno())
    ended = run_live(session, lambda beside: _look(beside, asked), _look(session, asked), view, terminal, asked.every_s)
    if ended:
        session.status = 128 + ended if ended > 0 else exits.READER_GONE


def asked_for(words: list[str]) -> Asked:
    """Read the words behind `top`."""
    asked = Asked()
    names = []
    remaining = iter(words)
    for word in remaining:
        option, _, value = word.partition("=")
        if word.startswith("-d") and not word.startswith("--"):
            asked = asked._replace(every_s=_seconds(word[2:] or next(remaining, "")))
        elif option == "--sort":
            by = value or next(remaining, "")
            if by not in BY_NAME:
                raise Misused(f"Error: cannot sort by {by!r} (one of {', '.join(BY_NAME)})", exits.BAD_ARGUMENTS)
            asked = asked._replace(by=by)
        elif word == "--once":
            asked = asked._replace(once=True)
        elif word.startswith("-"):
            raise Misused(f"Error: bad argument {word}", exits.BAD_ARGUMENTS)
        else:
            names.append(word)
    return asked._replace(names=() if "all" in names else tuple(names))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise Misused(
            f"Error: cannot look every {text!r} seconds ({SHORTEST_S:g} to {LONGEST_S:g})", exits.BAD_ARGUMENTS
        )
    return seconds


def _can_take_over(session: Session) -> bool:
    capable = os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    return capable and session.output.is_terminal and session.person.is_at_terminal


def _gauges(session: Session) -> list[Info] | None:
    """Ask what all processes use; None if the server does not measure."""
    try:
        gauges: list[Info] = session.client.call("taskmaster.getGauges")
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        return None
    return gauges


def _infos(session: Session) -> list[Info]:
    infos: list[Info] = session.client.call("supervisor.getAllProcessInfo")
    return infos


def _named(session: Session, gauges: list[Info] | None, names: tuple[str, ...]) -> tuple[list[Info], list[str]]:
    if gauges is not None:
        return meant(gauges, names)
    from tmctl.log_sources import chosen  # noqa: PLC0415  for a supervisord only

    return chosen(_infos(session), names)


def _look(session: Session, asked: Asked) -> Look:
    gauges = _gauges(session)
    named, _ = _named(session, gauges, asked.names)
    return Look(rows_of_infos(named), _NOT_MEASURED) if gauges is None else Look(rows_of_gauges(named), "")


def _server(session: Session) -> str:
    try:
        facts = session.client.call("taskmaster.getVersion")
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        return f"supervisord {session.client.call('supervisor.getSupervisorVersion')}"
    return f"{facts['name']} {facts['version']}"


def _show_once(session: Session, gauges: list[Info] | None, asked: Asked) -> None:
    named, _ = _named(session, gauges, asked.names)
    rows = rows_of_infos(named) if gauges is None else rows_of_gauges(named)
    if session.document is not None:
        session.record("server", _server(session))
        order = {row.name: place for place, row in enumerate(in_order(rows, asked.by, reverse=False))}
        session.record("processes", sorted((_record(one, gauges) for one in named), key=lambda one: order[one["name"]]))
        return
    note = f"   ({_NOT_MEASURED})" if gauges is None else ""
    session.say(f"{_server(session)}   {total(rows)}   {time.strftime('%H:%M:%S')}{note}")
    session.say(*table_text(in_order(rows, asked.by, reverse=False)))


def _record(one: Info, gauges: list[Info] | None) -> dict[str, Any]:
    if gauges is None:
        from tmctl.render import process_record  # noqa: PLC0415

        return process_record(one)
    record = {key: value for key, value in one.items() if key != "statename"}
    return {**record, "state": one["statename"]}

"""The command `why`: what the last ends of processes were, which rule acted, and what happens next.

The sentences are the daemon's, and what programs wrote is spelled out by it: nothing here is obeyed by a terminal.
"""

from typing import Any

from tmctl.marshal import ServerFault, can_carry
from tmctl.render import Info, Paint, info_name
from tmctl.session import Misused, Request, Session
from tmd.wire.faults import Fault
from tmd.wire.visible import visible_line

DEFAULT_LINES = 5
_NOT_TMD = "ERROR: this server does not tell why a process died (it is not tmd)"


def why(session: Session, request: Request) -> None:
    """Explain the last ends of the named processes."""
    names, lines = _parsed(request.words)
    if not session.server_is_up():
        return
    session.begin_list("processes")
    shown = 0
    for name in dict.fromkeys(names):
        found = _ask(session, name, lines)
        for process in found or ():
            if shown:
                session.say("")
            session.say(*why_lines(process, session.paint))
            session.append("processes", {**process, "name": info_name(process), "process": process["name"]})
            shown += 1


def _parsed(words: list[str]) -> tuple[list[str], int]:
    names, lines = [], DEFAULT_LINES
    remaining = iter(words)
    for word in remaining:
        if not word.startswith("-"):
            names.append(word)
            continue
        text = next(remaining, "") if word in ("-n", "--lines") else word.removeprefix("--lines=").removeprefix("-n")
        if not (text.isascii() and text.isdigit()):
            raise Misused(f"Error: bad argument {text or word}")
        lines = int(text)
    if not names:
        raise Misused("Error: why requires a process name")
    return names, lines


def _ask(session: Session, name: str, lines: int) -> list[Info] | None:
    shown = visible_line(name)
    if not can_carry(name):
        session.fail(f"{shown}: ERROR (no such process)")
        return None
    try:
        found: list[Info] = session.client.call("taskmaster.why", name, lines)
    except ServerFault as fault:
        if fault.code == Fault.UNKNOWN_METHOD:
            session.fail(_NOT_TMD)
        elif fault.code == Fault.BAD_NAME:
            session.fail(f"{shown}: ERROR (no such process)")
        else:
            session.fail(f"{shown}: ERROR ({fault.text.partition(': ')[2] or fault.text})")
        return None
    return found


def why_lines(process: dict[str, Any], paint: Paint) -> list[str]:
    """Return what is shown of one process."""
    first, *rest = process["said"]
    runs = process["statename"] == "RUNNING"
    lines = [paint(first, "green" if runs else "red" if _is_bad(process) else "yellow"), *rest]
    newest, *earlier = process["ends"] or [None]
    if newest is not None:
        for stream in ("stderr", "stdout"):
            if newest[stream]:
                lines += ["", f"The last it wrote to {stream}:", *_quoted(newest[stream], paint)]
    if earlier:
        lines += ["", "Before that:"]
        for end in earlier:
            lines += [paint(f"  {at} tmd was started", "grey") for at in end["starts"]]
            lines.append(f"  {end['short']}")
            for stream in ("stderr", "stdout"):
                lines += _quoted(end[stream], paint, f"    {stream} ")
    return lines


def _is_bad(process: dict[str, Any]) -> bool:
    ends = process["ends"]
    return process["statename"] in ("FATAL", "UNKNOWN", "BACKOFF") or bool(
        ends and ends[0]["how"] == "exited" and not ends[0]["expected"]
    )


def _quoted(lines: list[str], paint: Paint, indent: str = "  ") -> list[str]:
    return [f"{indent}{paint('|', 'grey')} {line}" for line in lines]

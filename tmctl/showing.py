"""Commands that only look: status, summary, list, pid, avail, version."""

from typing import Any

from tmctl import exits, named
from tmctl.marshal import ServerFault
from tmctl.pools import POOLS, listener_notes, listener_records
from tmctl.render import Info, avail_line, info_name, is_at_rest, process_record, status_lines, summary_line
from tmctl.session import Request, Session
from tmd.wire.faults import Fault
from tmd.wire.names import split_namespec


def status(session: Session, request: Request) -> None:
    """Show processes: name, state, description."""
    infos = _asked_for(session, request)
    if infos is None:
        return
    lines = status_lines(infos, session.paint)
    records = [process_record(info) for info in infos] if request.verbose or session.document is not None else []
    if request.verbose:
        _tell_listeners(session, lines, records)
    session.say(*lines)
    session.record("processes", records)
    if any(map(is_at_rest, infos)):
        session.status = exits.STATUS_NOT_RUNNING


def _tell_listeners(session: Session, lines: list[str], records: list[Info]) -> None:
    """Put a line, and a part of the record, behind each process that listens to events."""
    pools = named.ask(session, POOLS) or ()
    notes, told = listener_notes(pools, session.paint), listener_records(pools)
    for number, record in enumerate(records):
        note = notes.get(record["name"])
        lines[number] += f"\n{note}" if note else ""
        record["listener"] = told.get(record["name"])


def summary(session: Session, request: Request) -> None:
    """Show each group in one line: how many of its processes are in which state."""
    infos = _asked_for(session, request)
    if infos is None:
        return
    groups: dict[str, list[str]] = {}
    for info in infos:
        groups.setdefault(info["group"], []).append(info["statename"])
    session.say(*(summary_line(group, states, session.paint) for group, states in groups.items()))
    session.record("groups", [_group_record(group, states) for group, states in groups.items()])
    if any(map(is_at_rest, infos)):
        session.status = exits.STATUS_NOT_RUNNING


def _group_record(group: str, states: list[str]) -> dict[str, Any]:
    counts = {state: states.count(state) for state in sorted(set(states))}
    return {"name": group, "running": counts.get("RUNNING", 0), "total": len(states), "states": counts}


def _asked_for(session: Session, request: Request) -> list[Info] | None:
    """Return the processes that the words name, in that order; None when the server cannot be asked."""
    if not session.server_is_up():
        session.status = exits.STATUS_UNKNOWN
        return None
    infos: list[Info] = session.client.call("supervisor.getAllProcessInfo")
    if not request.words or request.everything:
        return infos
    matching = []
    for name in request.words:
        group, process = split_namespec(name)
        found = [info for info in infos if info["group"] == group and process in (None, info["name"])]
        if not found and request.name == "summary" and process == group:
            found = [info for info in infos if info["group"] == group]
        if not found and process is None:
            session.fail(f"{group}: ERROR (no such group)", exits.STATUS_UNKNOWN)
        elif not found:
            session.fail(f"{name}: ERROR (no such process)", exits.STATUS_UNKNOWN)
        matching += found
    return matching


def list_names(session: Session, request: Request) -> None:
    """Show the names of processes, one a line."""
    request.takes_no_words()
    if session.server_is_up():
        names = [info_name(info) for info in session.client.call("supervisor.getAllProcessInfo")]
        session.say(*names)
        session.record("processes", names)


def pid(session: Session, request: Request) -> None:
    """Show process ids: the daemon's, everybody's, or those of the named."""
    if not session.server_is_up():
        return
    if not request.words:
        number = session.client.call("supervisor.getPID")
        session.say(str(number))
        session.record("pid", number)
        return
    session.record("processes", [])
    if request.everything:
        for info in session.client.call("supervisor.getAllProcessInfo"):
            _show_pid(session, info)
        return
    for name in request.words:
        try:
            info = session.client.call("supervisor.getProcessInfo", name)
        except ServerFault as fault:
            session.status = exits.GENERIC
            if fault.code != Fault.BAD_NAME:
                raise
            session.fail(f"No such process {name}")
        else:
            _show_pid(session, info)
            if info["pid"] == 0:
                session.status = exits.NOT_RUNNING


def _show_pid(session: Session, info: Info) -> None:
    session.say(str(info["pid"]))
    session.append("processes", {"name": info_name(info), "pid": info["pid"]})


def avail(session: Session, request: Request) -> None:
    """Show everything that is configured, active or not."""
    request.takes_no_words()
    try:
        configs = session.client.call("supervisor.getAllConfigInfo")
    except ServerFault as fault:
        if fault.code != Fault.SHUTDOWN_STATE:
            raise
        session.fail("ERROR: supervisor shutting down")
        return
    session.say(*map(avail_line, configs))
    session.record(
        "processes", [{**config, "name": info_name(config), "process": config["name"]} for config in configs]
    )


def version(session: Session, request: Request) -> None:
    """Show the version of Supervisor that the server stands for."""
    request.takes_no_words()
    if not session.server_is_up():
        return
    number = session.client.call("supervisor.getSupervisorVersion")
    session.say(number)
    if session.document is not None:
        session.record("version", number)
        session.record("server", server_facts(session))


def server_facts(session: Session) -> dict[str, Any] | None:
    """Return name, version, dialect and config file of a tmd; None when the server is something else."""
    try:
        facts = session.client.call("taskmaster.getVersion")
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        return None
    return dict(facts)

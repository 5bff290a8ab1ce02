"""The command `logs`: what several programs wrote, line by line, each line with the name of who wrote it.

Shows the ends of their logs, in order of time where the logs tell times (`log_format`), or follows them.
"""

import time

from tmctl import exits
from tmctl.log_ends import Ends, tell_timeless
from tmctl.log_following import follow
from tmctl.log_lines import Entry, in_order
from tmctl.log_options import Asked, asked_for
from tmctl.log_printing import Printer, record
from tmctl.log_sources import Source, chosen, sources_of
from tmctl.session import Request, Session


def logs(session: Session, request: Request) -> None:
    """Show the logs of the named processes, or of all."""
    asked = asked_for(request.words, time.time())
    if not session.server_is_up():
        return
    infos, unknown = chosen(everybody := session.client.call("supervisor.getAllProcessInfo"), asked.names)
    for name in unknown:
        session.fail(f"{name}: ERROR (no such process)")
    sources = sources_of(infos, everybody, asked.streams)
    if infos and not sources:
        session.fail(f"ERROR: no log of {'these' if len(infos) > 1 else 'this'} (see stdout_logfile, stderr_logfile)")
    if asked.follow:
        # Lines are told one by one, in JSON, too: what goes on for ever is no document.
        as_json, session.document = session.document is not None, None
        if sources:
            follow(session, asked, sources, as_json=as_json)
        return
    session.begin_list("lines")
    _show_ends(session, asked, sources)


def _show_ends(session: Session, asked: Asked, sources: list[Source]) -> None:
    gathered: list[list[tuple[int, Entry]]] = []
    timeless = []
    ends = Ends(session, asked)
    for number, source in enumerate(sources):
        end = ends.of(source)
        if end is None:
            continue
        if asked.by_time and end.anything and end.oldest is None:
            timeless.append(source)
        gathered.append([(number, entry) for entry in end.wanted])
    tell_timeless(session, timeless, asked)
    printer = Printer(session.output, asked)
    printer.expect(sources)
    shown = False
    for number, entry in in_order(gathered):
        shown = True
        if session.document is None:
            printer.show(sources[number], entry)
        else:
            session.append("lines", record(sources[number], entry, entry.at))
    if asked.pattern is not None and not shown and session.status == exits.OK:
        session.status = exits.GENERIC  # as grep does

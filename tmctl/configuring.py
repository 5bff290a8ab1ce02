"""Commands about the configuration and the daemon itself: reread, update, add, remove, reload, shutdown."""

import errno
import os
from typing import Any

from tmctl.connection import Unreachable
from tmctl.marshal import ServerFault
from tmctl.render import Info, change_lines
from tmctl.session import Request, Session
from tmctl.showing import server_facts
from tmd.wire.faults import Fault


def reread(session: Session, request: Request) -> None:
    """Have the daemon read its configuration, and show what an update would change."""
    request.takes_no_words()
    try:
        if request.config is None:
            found = session.client.wait("supervisor.reloadConfig")
        else:
            found = session.client.wait("taskmaster.reread", os.path.abspath(request.config))
    except ServerFault as fault:
        if fault.code == Fault.SHUTDOWN_STATE:
            session.fail("ERROR: supervisor shutting down")
        elif fault.code == Fault.CANT_REREAD:
            session.fail(f"ERROR: {fault.text}")
        elif fault.code == Fault.UNKNOWN_METHOD:
            session.fail(f"ERROR: cannot read {request.config!r}: this server keeps to its own file (it is not tmd)")
        else:
            raise
    else:
        added, changed, removed = found[0]
        session.say(*change_lines(added, changed, removed))
        _record_changes(session, added, changed, removed)


def _record_changes(session: Session, added: list[Any], changed: list[Any], removed: list[Any]) -> None:
    for key, value in (("added", added), ("changed", changed), ("removed", removed)):
        session.record(key, value)


def update(session: Session, request: Request) -> None:
    """Have the daemon read its configuration and apply it."""
    _record_changes(session, [], [], [])
    try:
        added, changed, removed = session.client.wait("supervisor.reloadConfig")[0]
    except ServerFault as fault:
        if fault.code == Fault.SHUTDOWN_STATE:
            session.fail("ERROR: already shutting down")
        elif fault.code == Fault.CANT_REREAD:
            session.fail(f"ERROR: {fault.text}")
        else:
            raise
        return
    names = [] if request.everything else list(dict.fromkeys(request.words))
    if names:
        active = {info["group"] for info in session.client.call("supervisor.getAllProcessInfo")}
        for name in names:
            if name not in active and name not in added and name not in removed and name not in changed:
                session.fail(f"ERROR: no such group: {name}")
        added, changed, removed = ([name for name in part if name in names] for part in (added, changed, removed))
    touched = [*removed, *changed, *added]
    if names and not touched:
        return
    try:
        # Without a change to programs too: the daemon's own settings may have changed.
        done = session.client.wait("taskmaster.update", touched if names else [])
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        _update_group_by_group(session, added, changed, removed)
    except KeyboardInterrupt:
        session.output.error("the update goes on in the daemon")
        raise
    else:
        _tell_update(session, done, verbose=request.verbose)


def _tell_update(session: Session, done: Info, *, verbose: bool) -> None:
    for name in done["removed"]:
        session.say(f"{name}: stopped", f"{name}: removed process group")
    held = {each["name"]: each["reason"] for each in done.get("held", ())}
    for change in done["changed"]:
        stopped = change["removed"] or set(change["restarted"]) - set(held)
        if not change.get("kept") and stopped:
            session.say(f"{change['name']}: stopped")  # all of it, as supervisorctl does with every change
        session.say(f"{change['name']}: updated process group")
        for name in change["restarted"]:
            if name in held:
                session.fail(f"{name}: ERROR ({held[name]}; it gets the new settings when it is restarted)")
        if verbose:
            session.say(*touched_lines(change))
    for name in done["added"]:
        session.say(f"{name}: added process group")
    _record_changes(session, done["added"], done["changed"], done["removed"])


def touched_lines(change: Info) -> list[str]:
    """Return which processes of a changed group were added, removed, restarted, or changed while running."""
    kinds = (("added", "added"), ("removed", "removed"), ("restarted", "restarted"), ("live", "changed in place"))
    return [f"  {name}: {words}" for key, words in kinds for name in change.get(key, ())]


def _update_group_by_group(session: Session, added: list[str], changed: list[str], removed: list[str]) -> None:
    """Do what an update is for a server that has no such method."""
    client = session.client
    for name in removed:
        results = client.wait("supervisor.stopProcessGroup", name)
        session.say(f"{name}: stopped")
        if any(result["status"] == Fault.FAILED for result in results):
            session.fail(f"{name}: has problems; not removing")
            continue
        client.wait("supervisor.removeProcessGroup", name)
        session.say(f"{name}: removed process group")
        session.append("removed", name)
    for name in changed:
        client.wait("supervisor.stopProcessGroup", name)
        session.say(f"{name}: stopped")
        client.wait("supervisor.removeProcessGroup", name)
        client.wait("supervisor.addProcessGroup", name)
        session.say(f"{name}: updated process group")
        session.append("changed", {"name": name})
    for name in added:
        client.wait("supervisor.addProcessGroup", name)
        session.say(f"{name}: added process group")
        session.append("added", name)


def add(session: Session, request: Request) -> None:
    """Activate groups that are configured but not active."""
    session.record("added", [])
    for name in request.words:
        try:
            session.client.wait("supervisor.addProcessGroup", name)
        except ServerFault as fault:
            if fault.code == Fault.SHUTDOWN_STATE:
                session.fail("ERROR: shutting down")
            elif fault.code == Fault.ALREADY_ADDED:
                session.fail("ERROR: process group already active", session.status)
            elif fault.code == Fault.BAD_NAME:
                session.fail(f"ERROR: no such process/group: {name}")
            else:
                raise
        else:
            session.say(f"{name}: added process group")
            session.append("added", name)


def remove(session: Session, request: Request) -> None:
    """Deactivate groups whose processes are all at rest."""
    session.record("removed", [])
    for name in request.words:
        try:
            session.client.wait("supervisor.removeProcessGroup", name)
        except ServerFault as fault:
            if fault.code == Fault.STILL_RUNNING:
                session.fail(f"ERROR: process/group still running: {name}")
            elif fault.code == Fault.BAD_NAME:
                session.fail(f"ERROR: no such process/group: {name}")
            else:
                raise
        else:
            session.say(f"{name}: removed process group")
            session.append("removed", name)


def reload(session: Session, request: Request) -> None:
    """Native dialect: read the configuration and apply it. Supervisor's dialect: restart the daemon."""
    request.takes_no_words()
    try:
        facts = server_facts(session)
        if facts is not None and facts.get("dialect") == "native":
            _tell_reload(session, session.client.wait("taskmaster.reload"))
            return
        if not _agreed(session, "Really restart the remote supervisord process y/N? "):
            return
        session.client.wait("supervisor.restart")
    except ServerFault as fault:
        if fault.code == Fault.SHUTDOWN_STATE:
            session.fail("ERROR: already shutting down")
        elif fault.code == Fault.CANT_REREAD:
            session.fail(f"ERROR: {fault.text}")
        else:
            raise
        return
    session.say("Restarted supervisord")
    session.record("restarted", True)


def _tell_reload(session: Session, done: Info) -> None:
    changed = [change["name"] if isinstance(change, dict) else change for change in done["changed"]]
    if done.get("restarted"):
        session.say("Restarted supervisord")
    else:
        session.say(*change_lines(done["added"], changed, done["removed"]))
    session.record("restarted", bool(done.get("restarted")))
    _record_changes(session, done["added"], done["changed"], done["removed"])


def shutdown(session: Session, request: Request) -> None:
    """End the daemon and everything it runs."""
    request.takes_no_words()
    if not _agreed(session, "Really shut the remote supervisord process down y/N? "):
        return
    try:
        session.client.wait("supervisor.shutdown")
    except ServerFault as fault:
        if fault.code != Fault.SHUTDOWN_STATE:
            raise
        session.fail("ERROR: already shutting down", session.status)
    except Unreachable as error:
        why = {errno.ECONNREFUSED: "refused connection", errno.ENOENT: "no such file"}.get(error.number)
        if why is None:
            raise
        session.fail(f"ERROR: {session.serverurl} {why} (already shut down?)")
        session.hint(error)
    else:
        session.say("Shut down")
        session.record("shutdown", True)


def _agreed(session: Session, question: str) -> bool:
    if not session.interactive:
        return True
    try:
        return session.person.ask(question).lower().startswith("y")
    except EOFError:
        return False

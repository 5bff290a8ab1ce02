"""Commands that make processes do something: start, stop, signal, pause, resume, clear, restart.

Promises Supervisor's lines, order and exit statuses. A restart is one job of the daemon where the daemon has such jobs
(it then survives Ctrl-C and a lost connection), and a stop followed by a start where it has not.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tmctl import exits
from tmctl.marshal import ServerFault
from tmctl.render import CLEAR_ERRORS, SIGNAL_ERRORS, START_ERRORS, Info, info_name, is_up, namespec, reason
from tmctl.session import Misused, Request, Session
from tmd.wire.faults import GOES_ON, Fault
from tmd.wire.names import split_namespec


class Deed(NamedTuple):
    """One thing that can be done to processes, and how its outcome is told."""

    done: str
    method: str
    """called with a process; `...Group` and `...All...` are derived from it"""
    errors: dict[Fault, str]
    harmless: Fault | None = None
    """a fault that leaves the exit status alone"""
    extra: tuple[str, ...] = ()
    """further arguments"""
    unknown_group: int = exits.GENERIC
    """exit status for a group that does not exist"""
    bare: Fault | None = None
    """a fault whose text is shown alone"""

    @property
    def for_group(self) -> str:
        """The method for a whole group."""
        return f"supervisor.{self.method}Group"

    @property
    def for_all(self) -> str:
        """The method for everything."""
        return f"supervisor.{self.method.replace('Process', 'AllProcesses')}"


START = Deed("started", "startProcess", START_ERRORS, Fault.ALREADY_STARTED, unknown_group=exits.BAD_ARGUMENTS)
STOP = Deed("stopped", "stopProcess", SIGNAL_ERRORS, Fault.NOT_RUNNING, bare=Fault.FAILED)


def signalling(signal: str, done: str) -> Deed:
    """Return the deed of sending a signal."""
    return Deed(done, "signalProcess", SIGNAL_ERRORS, extra=(signal,), bare=Fault.FAILED)


def start(session: Session, request: Request) -> None:
    """Start processes."""
    if session.server_is_up():
        request.takes_names(exits.BAD_ARGUMENTS)
        _do(session, request.words, START)


def stop(session: Session, request: Request) -> None:
    """Stop processes."""
    if session.server_is_up():
        request.takes_names()
        _do(session, request.words, STOP)


def signal(session: Session, request: Request) -> None:
    """Send a signal to processes."""
    if session.server_is_up():
        if len(request.words) < 2:
            raise Misused("Error: signal requires a signal name and a process name")
        _do(session, request.words[1:], signalling(request.words[0], "signalled"))


def pause(session: Session, request: Request) -> None:
    """Suspend processes."""
    if session.server_is_up():
        request.takes_names()
        _do(session, request.words, signalling("STOP", "paused"))


def resume(session: Session, request: Request) -> None:
    """Let suspended processes go on."""
    if session.server_is_up():
        request.takes_names()
        _do(session, request.words, signalling("CONT", "resumed"))


def clear(session: Session, request: Request) -> None:
    """Empty the logs of processes."""
    if not session.server_is_up():
        return
    request.takes_names()
    session.begin_list("results")
    deed = Deed("cleared", "clearProcessLogs", CLEAR_ERRORS)
    if request.everything:
        _tell_all(session, session.client.wait("supervisor.clearAllProcessLogs"), deed)
        return
    for name in request.words:
        _do_one(session, name, deed)


def restart(session: Session, request: Request) -> None:
    """Stop what runs and start all that is named."""
    if not session.server_is_up():
        return
    request.takes_names()
    session.begin_list("results")
    infos: list[Info] = session.client.call("supervisor.getAllProcessInfo")
    known = ["all"] if request.everything else [name for name in request.words if _matching(infos, name)]
    if not known:
        _tell_restart(session, request.words, infos, [])
        return
    try:
        results: list[Info] = session.client.wait("taskmaster.restartProcesses", list(dict.fromkeys(known)), True)
    except ServerFault as fault:
        if fault.code != Fault.UNKNOWN_METHOD:
            raise
        _do(session, request.words, STOP)
        _do(session, request.words, START)
    except KeyboardInterrupt:
        session.output.error("the restart goes on in the daemon")
        raise
    else:
        _tell_restart(session, ["all"] if request.everything else request.words, infos, results)


def _do(session: Session, names: Iterable[str], deed: Deed) -> None:
    session.begin_list("results")
    if "all" in names:
        _tell_all(session, session.client.wait(deed.for_all, *deed.extra), deed)
        return
    for name in names:
        group, process = split_namespec(name)
        if process is not None:
            _do_one(session, name, deed)
            continue
        try:
            results = session.client.wait(deed.for_group, group, *deed.extra)
        except ServerFault as fault:
            if fault.code != Fault.BAD_NAME:
                raise
            _tell_unknown_group(session, group, deed)
        else:
            _tell_all(session, results, deed)


def _do_one(session: Session, name: str, deed: Deed) -> None:
    code, text = int(Fault.SUCCESS), "OK"
    try:
        session.client.wait(f"supervisor.{deed.method}", name, *deed.extra)
    except ServerFault as fault:
        code, text = fault.code, fault.text
    _tell(session, namespec(*split_namespec(name)), code, text, deed)


def _tell_all(session: Session, results: Iterable[Info], deed: Deed) -> None:
    for result in results:
        _tell(session, info_name(result), result["status"], result["description"], deed)


def _tell(session: Session, name: str, code: int, text: str, deed: Deed) -> None:
    error = None
    if code == Fault.SUCCESS:
        session.say(f"{name}: {session.paint(deed.done, 'green')}")
    else:
        error = reason(code, text, deed.errors)
        session.say(error if code == deed.bare else f"{name}: {session.paint('ERROR', 'red')} ({error})")
    outcome = {"name": name, "ok": error is None, "result": None if error else deed.done, "error": error, "fault": code}
    session.append("results", outcome)
    session.blame(code, deed.harmless)


def _tell_unknown_group(session: Session, group: str, deed: Deed) -> None:
    session.status = deed.unknown_group
    session.say(f"{group}: {session.paint('ERROR', 'red')} (no such group)")
    outcome = {"name": group, "ok": False, "result": None, "error": "no such group", "fault": int(Fault.BAD_NAME)}
    session.append("results", outcome)


def _matching(infos: Iterable[Info], name: str) -> list[Info]:
    group, process = split_namespec(name)
    return [info for info in infos if info["group"] == group and process in (None, info["name"])]


def _tell_restart(session: Session, names: Iterable[str], infos: list[Info], results: list[Info]) -> None:
    """Tell one job as the two commands it replaces: every stop, then every start."""
    outcomes = {info_name(result): result for result in results}
    before = {info_name(info): info for info in infos}
    for deed in (STOP, START):
        for name in names:
            group, process = split_namespec(name)
            everything = name == "all"
            if everything or process is None:
                members = [spec for spec, result in outcomes.items() if everything or result["group"] == group]
                if not everything and not _matching(infos, name):
                    _tell_unknown_group(session, group, deed)
                elif deed is STOP:
                    members = [spec for spec in members if spec in before and is_up(before[spec])]
                for spec in members:
                    _tell_half(session, spec, outcomes[spec], deed)
                continue
            spec = namespec(group, process)
            if spec not in before or spec not in outcomes:
                _tell(session, spec, Fault.BAD_NAME, "", deed)
            elif deed is STOP and not is_up(before[spec]):
                _tell(session, spec, Fault.NOT_RUNNING, "", deed)
            else:
                _tell_half(session, spec, outcomes[spec], deed)


def _tell_half(session: Session, spec: str, outcome: Info, deed: Deed) -> None:
    if deed is STOP and outcome["status"] == Fault.FAILED and outcome["description"].endswith(GOES_ON):
        return  # nothing was stopped; the other half says why
    code = Fault.SUCCESS if deed is STOP else outcome["status"]
    _tell(session, spec, code, outcome["description"], deed)

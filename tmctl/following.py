"""Commands about output: tail, maintail, and fg (which also types into a process)."""

import select

from tmctl import exits
from tmctl.client import HttpStatus, Stream
from tmctl.connection import Unreachable
from tmctl.lines import Lines
from tmctl.marshal import ServerFault
from tmctl.session import Misused, Request, Session
from tmd.wire.faults import Fault
from tmd.wire.states import ProcessState

DEFAULT_BYTES = 1600
_BANNER = "==> Press Ctrl-C to exit <=="
_LOOK_S = 1.0
"""how often `fg` looks whether the process still runs"""


def tail(session: Session, request: Request) -> None:
    """Show the end of a process's log, or follow it."""
    if not session.server_is_up():
        return
    words = list(request.words)
    if not words:
        raise Misused("Error: too few arguments")
    if len(words) > 3:
        raise Misused("Error: too many arguments")
    modifier = words.pop(0) if words[0].startswith("-") else None
    if not words:
        session.fail("Error: tail requires process name")
        return
    name = words[0]
    channel = words[-1].lower() if len(words) > 1 else "stdout"
    if channel not in ("stdout", "stderr"):
        session.fail(f"Error: bad channel {channel!r}")
        return
    if modifier == "-f":
        _follow(session, f"/logtail/{name}/{channel}")
        return
    size = _size(session, modifier)
    if size is not None:
        method = "readProcessStdoutLog" if channel == "stdout" else "readProcessStderrLog"
        _show_end(session, name, method, (name,), size)


def maintail(session: Session, request: Request) -> None:
    """Show the end of the daemon's own log, or follow it."""
    if not session.server_is_up():
        return
    if len(request.words) > 1:
        raise Misused("Error: too many arguments")
    modifier = request.words[0] if request.words else None
    if modifier == "-f":
        _follow(session, "/mainlogtail")
        return
    size = _size(session, modifier)
    if size is not None:
        _show_end(session, "supervisord", "readLog", (), size)


def _size(session: Session, modifier: str | None) -> int | None:
    if modifier is None:
        return DEFAULT_BYTES
    try:
        if not modifier.startswith("-"):
            raise ValueError(modifier)
        return int(modifier[1:])
    except ValueError:
        session.fail(f"Error: bad argument {modifier}")
        return None


def _show_end(session: Session, name: str, method: str, target: tuple[str, ...], size: int) -> None:
    try:
        text = session.client.call(f"supervisor.{method}", *target, -size, 0)
    except ServerFault as fault:
        reasons = {Fault.NO_FILE: "no log file", Fault.FAILED: "unknown error reading log"}
        if target:
            reasons[Fault.BAD_NAME] = "no such process name"
        session.status = exits.GENERIC
        for code, words in reasons.items():
            if fault.code == code:
                session.fail(f"{name}: ERROR ({words})")
                return
        raise
    if session.document is None:
        session.output.foreign(text + "\n")
    session.record("text", text)


def _follow(session: Session, path: str) -> None:
    if session.document is not None:
        raise Misused("Error: a stream cannot be one JSON document", exits.BAD_ARGUMENTS)
    session.say(_BANNER)
    stream = _opened(session, path)
    if stream is None:
        return
    try:
        data: bytes | None = stream.first()
        while data is not None:
            session.output.foreign_bytes(data)
            data = stream.read()
    except KeyboardInterrupt:
        session.say("")
    finally:
        stream.close()


def _opened(session: Session, path: str) -> Stream | None:
    try:
        return session.client.stream(path)
    except HttpStatus as answer:
        session.output.error(f"{answer.url} Cannot read, status code {answer.status}")
    except Unreachable as error:
        session.output.error(f"{session.serverurl}{path} Cannot connect, error: {error.reason}")
    except KeyboardInterrupt:
        session.say("")
    return None


def fg(session: Session, request: Request) -> None:
    """Show a process's output as it comes and send it what is typed."""
    if not session.server_is_up():
        return
    if not request.words:
        raise Misused("ERROR: no process name supplied")
    if len(request.words) > 1:
        session.fail("ERROR: too many process names supplied")
        return
    name = request.words[0]
    try:
        info = session.client.call("supervisor.getProcessInfo", name)
    except ServerFault as fault:
        if fault.code != Fault.BAD_NAME:
            raise
        session.fail("ERROR: bad process name supplied")
        return
    if info["state"] != ProcessState.RUNNING:
        session.fail("ERROR: process not running")
        return
    session.say(_BANNER)
    streams: list[Stream] = []
    try:
        for channel in ("stdout", "stderr"):
            if info[f"{channel}_logfile"]:
                stream = _opened(session, f"/logtail/{name}/{channel}")
                streams += [stream] if stream else []
        _attend(session, name, streams)
        session.say("Exiting foreground")
    except KeyboardInterrupt:
        session.say("Exiting foreground")
    finally:
        for stream in streams:
            stream.close()


def _attend(session: Session, name: str, streams: list[Stream]) -> None:
    """Pass bytes both ways until the process is gone or there is nothing more to type."""
    typed = session.person.lines()
    for stream in streams:
        session.output.foreign_bytes(stream.first())
    watched: list[Stream | Lines] = [*streams, typed]
    while True:
        ready: list[Stream | Lines] = [typed]
        if not typed.ready:
            ready = select.select(watched, [], [], _LOOK_S)[0]
        for stream in [one for one in ready if isinstance(one, Stream)]:
            data = stream.read()
            if data is None:
                watched.remove(stream)
            else:
                session.output.foreign_bytes(data)
        if typed in ready:
            if not typed.ready:
                typed.fill()
            if typed.ready:
                line = typed.take()
                if line is None or not _type(session, name, line + "\n"):
                    return
        if (typed in ready or not ready) and not _still_runs(session, name):
            session.say("Process got killed")
            return


def _type(session: Session, name: str, text: str) -> bool:
    try:
        session.client.call("supervisor.sendProcessStdin", name, text)
    except ServerFault as fault:
        session.say("Process got killed" if fault.code == Fault.NOT_RUNNING else f"ERROR: {fault.text}")
        return False
    return True


def _still_runs(session: Session, name: str) -> bool:
    return bool(session.client.call("supervisor.getProcessInfo", name)["state"] == ProcessState.RUNNING)

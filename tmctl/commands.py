"""THE table of commands: names, words, help, what runs.

Dispatch, `help`, completion and the reference page are derived from it; there is no other list of commands.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from tmctl import acting, alerts, attaching, configuring, exits, following, pools, showing, upgrade, watching, why
from tmctl.session import Request, Session

Completes = Literal["nothing", "commands", "groups", "processes", "signal then processes", "sinks"]
Flag = Literal["--json", "--verbose", "--raw", "--config"]


class Command(NamedTuple):
    """One command."""

    name: str
    run: Callable[[Session, Request], None]
    forms: tuple[tuple[str, str], ...]
    """(how it is typed, what it then does)"""
    completes: Completes = "nothing"
    flags: tuple[Flag, ...] = ()
    options: tuple[str, ...] = ()
    """what else begins with a dash, for completion"""
    own: bool = False
    """not one of Supervisor's commands"""
    ends_shell: bool = False

    @property
    def help_lines(self) -> list[str]:
        """What `help NAME` shows."""
        width = max(len(form) for form, _ in self.forms) + 2
        return [f"{form:<{width}}{sentence}" for form, sentence in self.forms]


def _leave(session: Session, _: Request) -> None:
    session.say("")


def _help(session: Session, request: Request) -> None:
    if not request.words:
        session.say("", *topic_lines("default", [one.name for one in COMMANDS if not one.own and one.name != "help"]))
        session.say("", *topic_lines("taskmaster", [one.name for one in COMMANDS if one.own]))
        for title, names in session.plugins.topics() if session.plugins is not None else ():
            session.say("", *topic_lines(title, names))
        return
    topic = " ".join(request.words)
    command = BY_NAME.get(topic)
    if (command is None or command.own) and session.plugins is not None and session.plugins.help(topic):
        return
    if command is None:
        session.say(f"*** No help on {topic}")
    else:
        session.say(*command.help_lines)


def topic_lines(title: str, names: list[str]) -> list[str]:
    """Return a table of names in columns, as the shells that grew from Python's `cmd` show their topics."""
    header = f"{title} commands (type help <topic>):"
    return [header, "=" * len(header), *columns(sorted(names), 79), ""]


def columns(names: list[str], width: int) -> list[str]:
    """Lay names out in as few lines as fit the width, running down each column in turn."""
    table: list[list[str]] = []
    widths: list[int] = []
    for rows in range(1, len(names) + 1):
        table = [names[start : start + rows] for start in range(0, len(names), rows)]
        widths = [max(map(len, column)) for column in table]
        if sum(widths) + 2 * (len(widths) - 1) <= width:
            break
    lines = []
    for row in range(len(table[0]) if table else 0):
        cells = [column[row].ljust(size) for column, size in zip(table, widths, strict=True) if row < len(column)]
        lines.append("  ".join(cells))
    return lines


def _open(session: Session, request: Request) -> None:
    url = " ".join(request.words)
    if not url.startswith(("unix://", "http://")):
        session.fail("ERROR: url must be http:// or unix://")
        return
    try:
        session.connect_to(url)
    except ValueError as error:
        session.fail(f"ERROR: {error}")
        return
    before = session.status
    showing.status(session, Request("status", []))
    session.status = before


_J: tuple[Flag, ...] = ("--json",)

COMMANDS: tuple[Command, ...] = (
    Command(
        "add", configuring.add, (("add GROUP...", "activate groups that are configured but not active"),), "groups", _J
    ),
    Command(
        "alert-test",
        alerts.alert_test,
        (
            ("alert-test", "send a sample to every place that is told of alerts, and show what was said there"),
            ("alert-test SINK...", "send it to some"),
        ),
        "sinks",
        _J,
        own=True,
    ),
    Command(
        "alerts",
        alerts.alerts,
        (
            ("alerts", "show where alerts go: filters, alerts sent, waiting, failed and dropped, the last trouble"),
            ("alerts SINK...", "show some"),
        ),
        "sinks",
        _J,
        own=True,
    ),
    Command("attach", attaching.attach, attaching.FORMS, "processes", options=attaching.OPTIONS, own=True),
    Command("avail", showing.avail, (("avail", "show every configured process, active or not"),), flags=_J),
    Command(
        "clear",
        acting.clear,
        (("clear NAME...", "empty the log files of processes"), ("clear all", "empty the log files of all processes")),
        "processes",
        _J,
    ),
    Command("exit", _leave, (("exit", "leave the shell"),), ends_shell=True),
    Command(
        "fg",
        following.fg,
        (("fg NAME", "see a process's output as it comes and type into it; Ctrl-C leaves it running"),),
        "processes",
        ("--raw",),
    ),
    Command(
        "help",
        _help,
        (("help", "list the commands"), ("help COMMAND", "show how a command is used")),
        "commands",
    ),
    Command(
        "list",
        showing.list_names,
        (("list", "show the names of all processes, one a line"),),
        flags=_J,
        own=True,
    ),
    Command(
        "logs",
        watching.logs,
        watching.LOGS_FORMS,
        "processes",
        ("--json", "--raw"),
        watching.LOGS_OPTIONS,
        own=True,
    ),
    Command(
        "maintail",
        following.maintail,
        (
            ("maintail", f"show the last {following.DEFAULT_BYTES} bytes of the daemon's own log"),
            ("maintail -N", "show its last N bytes"),
            ("maintail -f", "follow it; Ctrl-C ends"),
        ),
        flags=("--json", "--raw"),
        options=("-f",),
    ),
    Command("open", _open, (("open URL", "talk to another server: unix:///path/to/socket or http://host:port"),)),
    Command(
        "pause",
        acting.pause,
        (
            ("pause NAME...", "suspend processes (SIGSTOP); resume lets them go on"),
            ("pause GROUP:*", "suspend a whole group"),
            ("pause all", "suspend everything"),
        ),
        "processes",
        _J,
        own=True,
    ),
    Command(
        "pid",
        showing.pid,
        (
            ("pid", "show the daemon's process id"),
            ("pid NAME...", "show the process ids of processes, 0 for one that does not run"),
            ("pid all", "show every process's id, one a line"),
        ),
        "processes",
        _J,
    ),
    Command(
        "pools",
        pools.pools,
        (
            ("pools", "show the pools of event listeners: subscriptions, events waiting and lost, state of listeners"),
            ("pools NAME...", "show some pools"),
        ),
        "groups",
        _J,
        own=True,
    ),
    Command("quit", _leave, (("quit", "leave the shell"),), ends_shell=True),
    Command(
        "reload",
        configuring.reload,
        (("reload", "reread and update; on a Supervisor configuration: stop everything, restart the daemon"),),
        flags=_J,
    ),
    Command(
        "remove",
        configuring.remove,
        (("remove GROUP...", "deactivate groups whose processes are all at rest"),),
        "groups",
        _J,
    ),
    Command(
        "reread",
        configuring.reread,
        (
            ("reread", "read the configuration and show what update would change; changes no process"),
            ("reread --config FILE", "read another file, from now on"),
        ),
        flags=("--json", "--config"),
    ),
    Command(
        "restart",
        acting.restart,
        (
            ("restart NAME...", "stop and start processes, with the configuration they have (see reread, update)"),
            ("restart GROUP:*", "restart a whole group"),
            ("restart all", "restart everything"),
        ),
        "processes",
        _J,
    ),
    Command(
        "resume",
        acting.resume,
        (
            ("resume NAME...", "let paused processes go on (SIGCONT)"),
            ("resume GROUP:*", "resume a whole group"),
            ("resume all", "resume everything"),
        ),
        "processes",
        _J,
        own=True,
    ),
    Command("shutdown", configuring.shutdown, (("shutdown", "end the daemon and everything it runs"),), flags=_J),
    Command(
        "signal",
        acting.signal,
        (
            ("signal SIGNAL NAME...", "send a signal, such as HUP or 1, to processes"),
            ("signal SIGNAL GROUP:*", "signal a whole group"),
            ("signal SIGNAL all", "signal everything"),
        ),
        "signal then processes",
        _J,
    ),
    Command(
        "start",
        acting.start,
        (
            ("start NAME...", "start processes and wait until they are RUNNING or have failed"),
            ("start GROUP:*", "start a whole group"),
            ("start all", "start everything"),
        ),
        "processes",
        _J,
    ),
    Command(
        "status",
        showing.status,
        (
            ("status", "show every process: name, state, description"),
            ("status NAME...", "show some processes"),
            ("status GROUP:*", "show a whole group"),
            ("status --verbose", "also show how event listeners are"),
        ),
        "processes",
        ("--json", "--verbose"),
    ),
    Command(
        "stop",
        acting.stop,
        (
            ("stop NAME...", "stop processes and wait until they have ended"),
            ("stop GROUP:*", "stop a whole group"),
            ("stop all", "stop everything"),
        ),
        "processes",
        _J,
    ),
    Command(
        "summary",
        showing.summary,
        (
            ("summary", "show each group in one line, such as web RUNNING 3/3; mixed states: the worst first"),
            ("summary GROUP...", "show some groups"),
        ),
        "groups",
        _J,
        own=True,
    ),
    Command(
        "tail",
        following.tail,
        (
            ("tail NAME [stdout|stderr]", f"show the last {following.DEFAULT_BYTES} bytes of a process's log"),
            ("tail -N NAME [stdout|stderr]", "show its last N bytes"),
            ("tail -f NAME [stdout|stderr]", "follow it; Ctrl-C ends"),
        ),
        "processes",
        ("--json", "--raw"),
        ("-f",),
    ),
    Command(
        "top",
        watching.top,
        watching.TOP_FORMS,
        "processes",
        _J,
        watching.TOP_OPTIONS,
        own=True,
    ),
    Command(
        "update",
        configuring.update,
        (
            ("update", "read the configuration and apply it; processes that it does not change are left alone"),
            ("update GROUP...", "apply it to some groups"),
            ("update --verbose", "also show which processes of a changed group were touched"),
        ),
        "groups",
        ("--json", "--verbose"),
    ),
    Command(
        "upgrade",
        upgrade.upgrade,
        (("upgrade", "replace the daemon by what is installed now; programs, logs and connections go on"),),
        flags=_J,
        own=True,
    ),
    Command(
        "version", showing.version, (("version", "show which version of Supervisor the server stands for"),), flags=_J
    ),
    Command(
        "why",
        why.why,
        (
            ("why NAME...", "explain the last ends of processes: what happened, which rule acted, what happens next"),
            ("why GROUP:*", "explain those of a whole group"),
            ("why -n LINES NAME...", f"show so many of the last lines before each end (default {why.DEFAULT_LINES})"),
        ),
        "processes",
        _J,
        own=True,
    ),
)

BY_NAME = {command.name: command for command in COMMANDS}

ALIASES: dict[str, str] = {"EOF": "exit"}
"""Words that are commands but not listed: Ctrl-D arrives as this one in scripts written for Supervisor's client."""

__all__ = ["ALIASES", "BY_NAME", "COMMANDS", "Command", "columns", "exits", "topic_lines"]

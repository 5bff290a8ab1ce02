"""What people do from a page: one verb on one name, from a form to what became of it in words.

Knows neither tokens nor HTML. The names are those that commands take: a process, `group:*`, `all`; names and signals
come from outside and are checked here. What takes long is told as under way.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from tmd.config.plan import Plan
from tmd.core.words import signal_name
from tmd.daemon.surface import DaemonSurface, GroupView, Operation, Result
from tmd.http.lookup import fault_of, find, in_states, members
from tmd.http.supervisor_api import signal_number
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.names import ProcessId
from tmd.wire.states import RUNNING_STATES, SIGNALLABLE_STATES, DaemonState, ProcessState
from tmd.wire.visible import visible_line

Verb: TypeAlias = Literal["start", "stop", "restart", "signal", "clear", "reread", "update"]
VERBS: tuple[Verb, ...] = get_args(Verb)
ON_PROCESSES: tuple[Verb, ...] = ("start", "stop", "restart", "signal", "clear")
SIGNALS = ("HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "STOP", "CONT")
"""offered by pages; others can be named"""
DONE: dict[Verb, str] = {
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
    "signal": "signalled",
    "clear": "logs emptied",
}


class Wish(NamedTuple):
    """What somebody wants."""

    verb: Verb
    name: str = ""
    """empty for the verbs that are about the whole daemon"""
    signal: str = ""

    @property
    def many(self) -> bool:
        """Whether it is about more than one process."""
        return self.name == "all" or self.name.endswith((":*", ":"))

    @property
    def text(self) -> str:
        """Return it in words: `stop web`, `send SIGHUP to all programs`."""
        name = "all programs" if self.name == "all" else visible_line(self.name)
        match self.verb:
            case "signal":
                return f"send {visible_line(_signal_word(self.signal)) or 'a signal'} to {name}"
            case "clear":
                return f"empty the logs of {name}"
            case "reread":
                return "read the configuration"
            case "update":
                return "read the configuration and apply what has changed"
        return f"{self.verb} {name}"


class Item(NamedTuple):
    """What became of one process."""

    name: str
    ok: bool
    text: str


class Outcome(NamedTuple):
    """What became of a wish."""

    ok: bool
    text: str
    """one line"""
    items: tuple[Item, ...] = ()


def _signal_word(signal: str) -> str:
    word = signal.strip().upper()
    return word if not word or word.isdigit() or word.startswith("SIG") else f"SIG{word}"


def fulfil(daemon: DaemonSurface, wish: Wish, done: Callable[[Outcome], None]) -> None:
    """Do what is wished; call `done` once with what became of it, perhaps later."""
    try:
        if daemon.state < DaemonState.RUNNING:
            done(Outcome(False, f"cannot {wish.text}: the daemon is going down"))
        elif wish.verb in ON_PROCESSES:
            _act(daemon, wish, done)
        else:
            _configure(daemon, wish, done)
    except RpcFault as fault:
        done(_failed(wish, fault))


def _failed(wish: Wish, fault: RpcFault) -> Outcome:
    reasons = {
        Fault.BAD_NAME: "there is no such program or group",
        Fault.BAD_SIGNAL: "there is no such signal",
        Fault.SHUTDOWN_STATE: "the daemon is going down",
    }
    reason = reasons.get(Fault(fault.code)) or visible_line((fault.detail or fault.text).replace("\n", "; "))
    return Outcome(False, f"cannot {wish.text}: {reason}")


# --- processes -------------------------------------------------------------------------------------------------------


def _act(daemon: DaemonSurface, wish: Wish, done: Callable[[Outcome], None]) -> None:
    ids = _wanted(daemon, wish)
    if not ids:
        done(Outcome(True, f"nothing to {wish.verb}: {_nothing(wish)}"))
        return
    match wish.verb:
        case "start":
            operation = daemon.start(ids, wait=True)
        case "stop":
            operation = daemon.stop(ids, wait=True)
        case "restart":
            operation = daemon.restart_processes(ids, wait=True)
        case "clear":
            operation = daemon.clear_logs(ids)
        case _:
            results = daemon.signal(ids, signal_number(wish.signal))
            done(_told(wish, results))
            return
    operation.then(lambda finished: done(_finished(wish, finished)))


def _nothing(wish: Wish) -> str:
    match wish.verb:
        case "start":
            return "everything runs already"
        case "stop" | "signal":
            return "nothing runs"
    return "there are no programs"


_RESTING_STATES = frozenset(ProcessState) - RUNNING_STATES


def _wanted(daemon: DaemonSurface, wish: Wish) -> list[ProcessId]:
    """Return whom a wish is about; of many only those with whom there is something to do."""
    if wish.name == "all":
        views = members(daemon, daemon.groups())
    else:
        found = find(daemon, wish.name)
        if not isinstance(found, GroupView):
            return [found.id]
        views = members(daemon, [found])
    match wish.verb:
        case "start":
            return in_states(views, _RESTING_STATES)
        case "stop":
            return in_states(views, RUNNING_STATES)
        case "signal":
            return in_states(views, SIGNALLABLE_STATES)
    return [view.id for view in views]


def _finished(wish: Wish, operation: Operation[list[Result]]) -> Outcome:
    if operation.fault is not None:
        return _failed(wish, operation.fault)
    return _told(wish, operation.value or [])


def _told(wish: Wish, results: Sequence[Result]) -> Outcome:
    items = tuple(_item(wish, result) for result in results)
    failed = [item for item in items if not item.ok]
    if len(items) == 1:
        name = visible_line(items[0].name)
        return Outcome(not failed, f"{name}: {items[0].text}" if not failed else items[0].text, items)
    if not failed:
        return Outcome(True, f"{_done(wish)}: {len(items)} processes", items)
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return Outcome(False, f"{failed[0].text}{more}", items)


def _done(wish: Wish) -> str:
    return f"{_signal_name(wish.signal)} sent" if wish.verb == "signal" else DONE[wish.verb]


def _signal_name(signal: str) -> str:
    try:
        return signal_name(signal_number(signal))
    except RpcFault:
        return visible_line(signal)


_REASONS = {
    Fault.ALREADY_STARTED: "it runs already",
    Fault.NOT_RUNNING: "it is not running",
    Fault.BAD_NAME: "there is no such process",
    Fault.SPAWN_ERROR: "it could not be started",
    Fault.ABNORMAL_TERMINATION: "it ended too soon to count as started",
    Fault.NO_FILE: "its command is not there",
    Fault.NOT_EXECUTABLE: "its command cannot be executed",
    Fault.SHUTDOWN_STATE: "the daemon is going down",
}


def _item(wish: Wish, result: Result) -> Item:
    name = result.id.namespec
    if result.fault is Fault.SUCCESS:
        return Item(name, True, _done(wish))
    reason = _REASONS.get(result.fault) or visible_line(fault_of(result, name).text)
    one = wish._replace(name=name)
    return Item(name, False, f"cannot {one.text}: {reason}")


# --- the configuration -----------------------------------------------------------------------------------------------


def _configure(daemon: DaemonSurface, wish: Wish, done: Callable[[Outcome], None]) -> None:
    plan = daemon.reread()
    if wish.verb == "reread":
        done(Outcome(True, f"configuration read: {plan_in_words(plan)}"))
        return

    def updated(operation: Operation[Plan]) -> None:
        if operation.fault is not None:
            done(_failed(wish, operation.fault))
        else:
            done(Outcome(True, f"configuration applied: {plan_in_words(operation.value or plan)}"))

    daemon.update().then(updated)


def plan_in_words(plan: Plan) -> str:
    """Return what an update changes: `added web; changed db`."""
    kinds = (
        ("added", [group.name for group in plan.added]),
        ("changed", [change.name for change in plan.changed]),
        ("removed", list(plan.removed)),
    )
    said = "; ".join(f"{kind} {', '.join(map(visible_line, names))}" for kind, names in kinds if names)
    return said or "no changes to programs"

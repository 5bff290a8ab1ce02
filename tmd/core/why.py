"""Why did it die: an end of a process in sentences for a tired person.

What happened comes first, then which rule acted, then what happens next. Promises one line of printable text a
sentence, whatever is in names and reasons. Knows no clock: how a moment is written is handed in.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

import msgspec

from tmd.config.settings import Autorestart
from tmd.core import words
from tmd.core.ends import End
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState
from tmd.wire.visible import visible_line

Clock = Callable[[float], str]
"""epoch seconds to the time of day, with the date where that is another day's"""

MEANINGS = {
    1: "its terminal or session went away, or somebody wants it to reread its settings",
    2: "interrupt, as Ctrl-C sends it",
    3: "quit, as Ctrl-\\ sends it",
    4: "illegal instruction: what it ran was no code for this machine",
    5: "a breakpoint that nobody waited for",
    6: "it gave up on itself, as abort() and failed assertions do",
    7: "bus error: it used memory that is not there",
    8: "arithmetic error, such as a division by zero",
    11: "segmentation fault: it used memory that is not its own",
    13: "it wrote to a pipe or connection that nobody reads any more",
    14: "an alarm it had set itself",
    15: "it was asked to end",
    24: "it used more processor time than it may",
    25: "a file of its became larger than it may",
    31: "it made a system call that it may not make",
}
_FROM_WITHIN = frozenset({4, 5, 6, 7, 8, 11, 13, 14, 24, 25, 31})
"""signals that a program mostly brings upon itself"""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is now. Times are epoch seconds, 0 for never."""

    id: ProcessId
    state: ProcessState
    now: float
    pid: int = 0
    started_at: float = 0.0
    """of the present life"""
    startsecs: float = 1
    autostart: bool = True
    daemon_started_at: float = 0.0
    trouble: str = ""
    """why it is UNKNOWN"""

    @property
    def name(self) -> str:
        """Its name as typed, printable."""
        return visible_line(self.id.namespec)


def explain(situation: Situation, ends: Sequence[End], clock: Clock) -> list[str]:
    """Return what is to be said about a process and its last end; `ends`: newest first."""
    now = _at_present(situation, clock)
    if not ends:
        return [*now, *_no_end(situation, clock)]
    last = ends[0]
    runs = situation.pid != 0
    sentences = [*now, *account(last, situation, clock, runs=runs), *_restarted(situation, last, clock)]
    return [*sentences, *_next(situation, last, clock)]


def account(end: End, situation: Situation, clock: Clock, *, runs: bool = False) -> list[str]:
    """Return what happened at an end, and which rule acted. `runs`: begin as one talks of what runs again."""
    head = _head(end, situation, clock, runs=runs)
    return [head, *_by_whom(end), *_left_behind(end), *_rule(end), *_more(end, clock)]


def in_short(end: End, clock: Clock) -> str:
    """Return one line about an earlier end, with those before it that were like it."""
    what = _what(end)
    match end.how:
        case "exited":
            text = f"{what} after {duration(end.uptime_s)}"
        case "too_soon":
            text = f"{what} after only {duration(end.uptime_s)}"
        case "stopped":
            text = f"stopped ({_cause(end)}) after {duration(end.uptime_s)}: {what}"
        case "not_started":
            text = f"could not be started: {_reason(end)}"
        case "lost":
            text = "tmd ended before it" + (
                f", and it went on (pid {end.pid})" if end.orphaned else "; what became of it is not known"
            )
        case _:
            assert_never(end.how)
    if end.ignored_s is not None:
        text += f", SIGKILL from tmd after it ignored {_stop_signal(end)}"
    if end.oom == "yes":
        text += ", out of memory"
    more = f" (and {end.more} more like it since {clock(end.since)})" if end.more else ""
    return f"{clock(end.at)} {text}{more}"


# --- how it is now -----------------------------------------------------------------------------------------------


def _at_present(situation: Situation, clock: Clock) -> list[str]:
    name, pid = situation.name, situation.pid
    age = duration(max(0.0, situation.now - situation.started_at))
    match situation.state:
        case ProcessState.RUNNING:
            return [
                f"{name} runs since {clock(situation.started_at)} (pid {pid}, {age}).",
                *_taken_back(situation, clock),
            ]
        case ProcessState.STARTING if pid:
            needed = _seconds(situation.startsecs)
            return [f"{name} is starting (pid {pid}, {age}): it counts as up after {needed} (startsecs)."]
        case ProcessState.STARTING:
            return [f"{name} is just being started."]
        case ProcessState.STOPPING:
            return [f"{name} is being stopped (pid {pid}, it ran for {age})."]
        case ProcessState.UNKNOWN:
            why = visible_line(situation.trouble) or "the kernel refused a signal"
            return [f"{name} is in an unknown state (pid {pid}): {why}."]
    return []


def _taken_back(situation: Situation, clock: Clock) -> list[str]:
    if not situation.pid or situation.started_at >= situation.daemon_started_at:
        return []
    return [f"It was taken back by the tmd that was started at {clock(situation.daemon_started_at)}, as it ran."]


def _no_end(situation: Situation, clock: Clock) -> list[str]:
    if situation.pid:
        return ["No end of it is known."]
    if situation.state is ProcessState.STOPPED:
        because = "" if situation.autostart else ", because autostart is off"
        since = f" since tmd was started at {clock(situation.daemon_started_at)}" if situation.daemon_started_at else ""
        return [f"{situation.name} was never started{since}{because}.", _by_hand(situation)]
    return [f"{situation.name} is {situation.state.name}; no end of it is known."]


def _restarted(situation: Situation, last: End, clock: Clock) -> list[str]:
    if last.how == "lost" or last.at >= situation.daemon_started_at:
        return []
    return [f"tmd itself was started at {clock(situation.daemon_started_at)}, after that."]


def _next(situation: Situation, last: End, clock: Clock) -> list[str]:
    match situation.state:
        case ProcessState.BACKOFF:
            return [_next_try(last, situation.now)]
        case ProcessState.STOPPED | ProcessState.EXITED | ProcessState.FATAL:
            return [_by_hand(situation)]
    return []


def _by_hand(situation: Situation) -> str:
    return f"Nothing happens until somebody starts it: tmctl start {situation.name}"


def _next_try(last: End, now: float) -> str:
    in_s = max(0.0, last.retry_at - now)
    when = f"in {duration(in_s)}" if in_s >= 0.1 else "at once"
    if not last.tries:
        return f"Next try {when}."
    return f"Next try {when} (attempt {last.tries + 1} of {last.rules.startretries + 1})."


# --- what happened -----------------------------------------------------------------------------------------------


def _head(end: End, situation: Situation, clock: Clock, *, runs: bool) -> str:
    name = "Before that, it" if runs else situation.name
    when = f"{ago(situation.now - end.at)} ({clock(end.at)})"
    match end.how:
        case "exited":
            verb = "died" if end.signal is not None else "ended"
            return f"{name} {verb} {when} after {duration(end.uptime_s)}: {_what(end)}."
        case "too_soon":
            verb = "died" if end.signal is not None else "ended"
            return f"{name} {verb} {when} after only {duration(end.uptime_s)}: {_what(end)}."
        case "stopped":
            return f"{name} was stopped {when} after {duration(end.uptime_s)}: {_what(end)}."
        case "not_started":
            return f"{name} could not be started at all {when}: {_reason(end)}."
        case "lost":
            whose = "the machine went down" if end.rebooted else "tmd itself was killed or broke down"
            if end.orphaned:
                return (
                    f"{name} ran (pid {end.pid}, since {clock(end.started_at)}) when {whose}, between {clock(end.at)} "
                    f"and {clock(end.boundary)}, and that process still ran when tmd was back: pid {end.pid} may be "
                    "a second one beside it."
                )
            return (
                f"{name} ran (pid {end.pid}, since {clock(end.started_at)}) when {whose}, between {clock(end.at)} and "
                f"{clock(end.boundary)}; what became of this life is not known."
            )
        case _:
            assert_never(end.how)


def _what(end: End) -> str:
    if end.code is not None:
        return f"exit code {end.code}"
    if end.signal is None:
        return "how is not known"
    name = words.signal_name(end.signal)
    core = ", core dumped" if end.core else ""
    if name.startswith("signal"):
        return f"killed by {name}{core}"
    meaning = MEANINGS.get(end.signal, "")
    colon = "" if not meaning else ", " if ":" in meaning else ": "
    return f"killed by signal {end.signal} ({name}{colon}{meaning}){core}"


def _by_whom(end: End) -> list[str]:
    """Tell where a signal came from, or who wanted a stop."""
    said = []
    if end.how == "stopped":
        said.append(f"Why: {_cause(end)}.")
    if end.ignored_s is not None:
        waited = duration(end.ignored_s)
        said.append(
            f"It was killed with SIGKILL by tmd after it ignored {_stop_signal(end)} for {waited} (stopwaitsecs)."
        )
    elif end.relayed and end.signal is not None:
        said.append(f"tmd sent it {words.signal_name(end.signal)} because somebody asked for that (tmctl signal).")
    elif end.killed_from_outside:
        said.append(f"SIGKILL came from outside: not from tmd. {_memory(end)}".rstrip())
    elif end.signal is not None and end.how != "stopped" and end.signal not in _FROM_WITHIN:
        said.append(f"{words.signal_name(end.signal)} came from outside: not from tmd.")
    elif end.code is None and end.signal is None and end.pid and end.how != "lost":
        said.append("It ended while no tmd ran that could have seen how.")
    return said


def _left_behind(end: End) -> list[str]:
    left = end.left
    if not left.count:
        return []
    one = left.count == 1
    names = ", ".join(map(visible_line, left.names))
    named = f" ({names}{', ...' if left.count > len(left.names) else ''})" if names else ""
    what = f"{left.count} {'process' if one else 'processes'} it left behind{named}"
    if not left.killed:
        return [f"{what} {'was' if one else 'were'} left alone (orphans = warn)."]
    if not left.survivors:
        return [f"{what} {'was' if one else 'were'} killed."]
    some = f"{left.survivors} of them would not die"
    survive = "it would not die" if one else "none of them would die" if left.survivors == left.count else some
    return [f"{what} {'was' if one else 'were'} to be killed, but {survive}."]


def _memory(end: End) -> str:
    match end.oom:
        case "yes":
            return (
                f"The kernel's log says that the machine, or its control group, ran out of memory ({end.oom_detail})."
            )
        case "perhaps":
            return f"Perhaps for want of memory: {end.oom_detail}."
        case "no":
            return "It was not for want of memory: the kernel killed nothing for that reason meanwhile."
        case "unknown":
            return f"Whether it was for want of memory cannot be told: {end.oom_detail}."
        case "":
            return ""
        case _:
            assert_never(end.oom)


def _cause(end: End) -> str:
    match end.cause:
        case "shutdown":
            return "tmd was going down or restarting"
        case "removed":
            return "it left the configuration"
        case "changed":
            return "its settings changed"
        case "listener":
            return "it did not do its work as an event listener"
        case "poststart":
            return "its poststart hook failed (see tmctl maintail)"
        case "outlived":
            return "it outlived the tmd that had started it"
        case "restart":
            return "somebody asked for a restart"
    return "somebody asked for a restart" if end.then == "restart" else "somebody asked for it"


def _reason(end: End) -> str:
    """Return why it could not be started, in plainer words where the daemon's log has Supervisor's."""
    reason = visible_line(end.reason)
    if reason.startswith("can't find command "):
        command = reason.removeprefix("can't find command ")
        return f"there is no file {command} (ENOENT)" if "/" in command else f"there is no command {command} in PATH"
    for beginning, plainer in _PLAINER.items():
        if reason.startswith(beginning):
            return plainer + reason.removeprefix(beginning)
    return reason


_PLAINER = {
    "command at ": "the file ",
    "couldn't chdir to ": "its directory cannot be entered: ",
    "couldn't setuid to ": "it cannot become user ",
    "couldn't exec ": "it cannot be executed: ",
}


def _stop_signal(end: End) -> str:
    return words.signal_name(end.rules.stopsignal)


# --- which rule acted --------------------------------------------------------------------------------------------


def _rule(end: End) -> list[str]:
    if end.how == "exited":
        return [_expectation(end), _restart(end)]
    if end.how in ("too_soon", "not_started"):
        early = end.how == "too_soon"
        said = (
            [f"It has to stay up for {_seconds(end.rules.startsecs)} (startsecs) to count as started."] if early else []
        )
        return [*said, _tries(end)]
    return []


def _expectation(end: End) -> str:
    codes = ", ".join(map(str, end.rules.exitcodes)) or "none"
    if end.code is None and end.signal is None:
        return "An end that nobody saw counts as unexpected."
    if end.code is None:
        return "A death by signal is never expected."
    if end.expected:
        return f"Exit code {end.code} is in exitcodes ({codes}), so this end was expected."
    return f"Exit code {end.code} is not in exitcodes ({codes}), so this end was unexpected."


def _restart(end: End) -> str:
    match end.rules.autorestart, end.then:
        case Autorestart.ALWAYS, "restart":
            return "It was restarted at once, because autorestart is always (true)."
        case _, "restart":
            return "It was restarted at once, because autorestart is unexpected and so was this end."
        case Autorestart.NEVER, _:
            return "It was not restarted, because autorestart is never (false)."
        case Autorestart.UNEXPECTED, _ if end.expected:
            return "It was not restarted, because autorestart is unexpected and this end was expected."
    return "It was not restarted, because it was to be stopped or tmd was going down."


def _more(end: End, clock: Clock) -> list[str]:
    if not end.more:
        return []
    what = "failed start" if end.how == "not_started" else "end"
    ends = f"was one more {what}" if end.more == 1 else f"were {end.more} more {what}s"
    return [f"Before it there {ends} just like it, since {clock(end.since)}."]


def _tries(end: End) -> str:
    times = "once" if end.tries == 1 else f"{end.tries} times"
    retries = f"startretries = {end.rules.startretries}"
    match end.then:
        case "fatal":
            return f"Tried {times} ({retries}), then given up: FATAL."
        case "stopped":
            return f"Tried {times} ({retries}); then somebody asked for a stop, and it was tried no more."
        case "quiesced":
            return f"Tried {times} ({retries}); then tmd went down, and it was tried no more."
    if not end.tries:
        return "The system is to blame, so this does not count as a failed try."
    return f"Tried {times} so far ({retries})."


# --- durations ---------------------------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """Return a duration as people say it: `6 ms`, `0.2 s`, `12 s`, `3 min 20 s`, `5 h 12 min`, `3 d 4 h`."""
    if seconds < 0.095:
        return f"{round(seconds * 1000)} ms"
    if seconds < 10:
        return f"{round(seconds, 1):g} s"
    whole = round(seconds)
    for size, name, smaller, small_name in _UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def ago(seconds: float) -> str:
    """Return how long ago something was: `just now`, `12 seconds ago`, `2 minutes ago`."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now"


def _seconds(seconds: float) -> str:
    return f"{words.seconds(seconds)} s"


def last_lines(text: bytes, count: int) -> list[str]:
    """Return the last lines of output, printable."""
    lines = text.decode(errors="replace").replace("\r\n", "\n").rstrip("\n").split("\n") if text else []
    return [visible_line(line.replace("\t", "    ")) for line in lines[-count:]] if count > 0 else []

"""Replies of the server as lines of text: exactly Supervisor's, because scripts and configuration tools parse them.

Pure: structs and fault codes in, text out. Knows nothing about where text goes or who asked.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tmd.wire.faults import Fault
from tmd.wire.states import ProcessState

Info = dict[str, Any]
Paint = Callable[[str, str], str]
"""(text, colour name) to text"""

_CODES = {"green": "32", "yellow": "33", "red": "31", "grey": "90"}

STATE_COLOURS = {
    "RUNNING": "green",
    "STARTING": "yellow",
    "STOPPING": "yellow",
    "BACKOFF": "yellow",
    "EXITED": "yellow",
    "STOPPED": "grey",
    "FATAL": "red",
    "UNKNOWN": "red",
}

WORST_FIRST = ("FATAL", "UNKNOWN", "BACKOFF", "EXITED", "STOPPED", "STOPPING", "STARTING", "RUNNING")

START_ERRORS = {
    Fault.BAD_NAME: "no such process",
    Fault.NO_FILE: "no such file",
    Fault.NOT_EXECUTABLE: "file is not executable",
    Fault.ALREADY_STARTED: "already started",
    Fault.SPAWN_ERROR: "spawn error",
    Fault.ABNORMAL_TERMINATION: "abnormal termination",
}
SIGNAL_ERRORS = {
    Fault.BAD_NAME: "no such process",
    Fault.BAD_SIGNAL: "bad signal name",
    Fault.NOT_RUNNING: "not running",
}
CLEAR_ERRORS = {Fault.BAD_NAME: "no such process", Fault.FAILED: "failed"}


def plain(text: str, _colour: str) -> str:
    """Paint nothing."""
    return text


def ansi(text: str, colour: str) -> str:
    """Paint for a terminal."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colour in _CODES else text


def namespec(group: str, process: str | None) -> str:
    """Return `group:process`, or one word when both are equal; a whole group is `group:None`, as with Supervisor."""
    return group if group == process else f"{group}:{process}"


def info_name(info: Info) -> str:
    """Return the name of a process as people type it."""
    return namespec(info["group"], info["name"])


def status_lines(infos: Sequence[Info], paint: Paint = plain) -> list[str]:
    """Return one line a process: name, state, description, in columns."""
    names = [info_name(info) for info in infos]
    width = max([30, *map(len, names)]) + 3
    lines = []
    for name, info in zip(names, infos, strict=True):
        state = str(info["statename"])
        padding = " " * (10 - len(state))
        lines.append(f"{name:<{width}}{paint(state, STATE_COLOURS.get(state, ''))}{padding}{info['description']}")
    return lines


def avail_line(config: Info) -> str:
    """Return the line of one configured process."""
    in_use = "in use" if config["inuse"] else "avail"
    start = "auto" if config["autostart"] else "manual"
    return f"{info_name(config):<32} {in_use:<9} {start:<9} {config['group_prio']}:{config['process_prio']}"


def change_lines(added: Iterable[str], changed: Iterable[str], removed: Iterable[str]) -> list[str]:
    """Return what a reread found, sorted by name."""
    words = {**dict.fromkeys(added, "available"), **dict.fromkeys(changed, "changed")}
    words.update(dict.fromkeys(removed, "disappeared"))
    return [f"{name}: {words[name]}" for name in sorted(words)] or ["No config updates to processes"]


def summary_line(group: str, states: Sequence[str], paint: Paint = plain) -> str:
    """Return `web RUNNING 3/3`, or for mixed states the worst first: `web FATAL 1/3, RUNNING 2/3`."""
    parts = []
    for state in sorted(set(states), key=_badness):
        parts.append(f"{paint(state, STATE_COLOURS.get(state, ''))} {states.count(state)}/{len(states)}")
    return f"{group} {', '.join(parts)}"


def _badness(state: str) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else -1


def reason(code: int, text: str, known: dict[Fault, str]) -> str:
    """Return what a fault means in a result line: the known words, else what the server says."""
    for fault, words in known.items():
        if code == fault:
            return words
    return text or f"fault {code}"


def process_record(info: Info) -> Info:
    """Return a process as `--json` shows it: the server's struct, its name as typed, and the uptime in seconds."""
    running = info.get("statename") in ("RUNNING", "STOPPING")
    uptime = max(0, int(info.get("now", 0)) - int(info.get("start", 0))) if running and info.get("start") else 0
    rest = {key: value for key, value in info.items() if key not in ("name", "group", "state", "statename", "logfile")}
    return {
        "name": info_name(info),
        "group": info["group"],
        "process": info["name"],
        "state": info["statename"],
        "uptime_s": uptime,
        **rest,
    }


def is_at_rest(info: Info) -> bool:
    """Whether a process is in one of the states in which nothing runs."""
    return info["state"] in _AT_REST


def is_up(info: Info) -> bool:
    """Whether a process is in one of the states that a stop ends."""
    return info["state"] in _UP


_AT_REST = (ProcessState.STOPPED, ProcessState.EXITED, ProcessState.FATAL, ProcessState.UNKNOWN)
_UP = (ProcessState.RUNNING, ProcessState.BACKOFF, ProcessState.STARTING)

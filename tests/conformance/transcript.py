"""Plays a scenario on a rig and writes down all that a client could see, so that two daemons can be compared.

What differs from run to run (pids, times, directories, random letters) is replaced by a word; nothing else is.
"""

import os
import re
import xmlrpc.client
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from tests.e2e.harness import Rig


class Ctl(NamedTuple):
    """Run the client once; write down its text and exit code. `typed` is its standard input."""

    words: str
    typed: str = ""
    order: Literal["as said", "any"] = "as said"
    """`any`: the lines come in an order that is nobody's promise"""


class Rpc(NamedTuple):
    """Call a method; write down its result or fault."""

    method: str
    arguments: tuple[Any, ...] = ()


class Until(NamedTuple):
    """Wait until a process is in a state. Writes down nothing."""

    name: str
    state: str


class UntilLine(NamedTuple):
    """Wait until so many lines of the daemon's log match. Writes down nothing."""

    pattern: str
    times: int = 1


class UntilText(NamedTuple):
    """Wait until a file contains a text. Writes down nothing."""

    file: str
    text: str


class Config(NamedTuple):
    """Write another configuration."""

    programs: str


class Show(NamedTuple):
    """Write down a file."""

    file: str


class Kill(NamedTuple):
    """Send a signal to a process from outside, as an operator's `kill` would."""

    name: str
    signum: int


PROCESS_KEYS = frozenset(
    (
        "name",
        "group",
        "start",
        "stop",
        "now",
        "state",
        "statename",
        "spawnerr",
        "exitstatus",
        "logfile",
        "stdout_logfile",
        "stderr_logfile",
        "pid",
        "description",
    )
)
_OUTPUT_KEYS = ("capture_maxbytes", "events_enabled", "logfile", "logfile_backups", "logfile_maxbytes", "syslog")
CONFIG_KEYS = frozenset(
    (
        "autostart",
        "command",
        "directory",
        "exitcodes",
        "group",
        "group_prio",
        "inuse",
        "killasgroup",
        "name",
        "process_prio",
        "redirect_stderr",
        "serverurl",
        "startretries",
        "startsecs",
        "stopsignal",
        "stopwaitsecs",
        "uid",
        *(f"{channel}_{key}" for channel in ("stdout", "stderr") for key in _OUTPUT_KEYS),
    )
)
"""what the original tells; more keys are welcome, fewer are not"""

Step = Ctl | Rpc | Until | UntilLine | UntilText | Config | Show | Kill


class Scenario(NamedTuple):
    """Steps on a configuration. `log`: how the lines of the daemon's log are compared at the end."""

    name: str
    programs: str
    steps: Sequence[Step]
    log: Literal["ordered", "any order", "no"] = "ordered"
    daemon: str = ""
    head: str = ""


def play(scenario: Scenario, rig: Rig) -> list[str]:
    """Start the rig, take the steps, stop it; return the transcript."""
    rig.write(scenario.programs, daemon=scenario.daemon, head=scenario.head)
    rig.start()
    told: list[str] = []
    for step in scenario.steps:
        told += [_plain(line, rig) for line in _take(step, rig)]
    rig.stop()
    if scenario.log != "no":
        lines = [f"{line.level} {line.text}" for line in rig.lines()]
        lines = [_plain(line, rig) for line in lines if not re.search(_UNTOLD, line)]
        told += ["---- log", *(lines if scenario.log == "ordered" else sorted(set(lines)))]
    return told


_UNTOLD = (
    r"^INFO (Increased|Set uid|waiting for .* to (stop|die)|configuration read)|^CRIT Supervisor is running as root"
)
"""lines that depend on the machine, come as often as time passes, or that only tmd has"""


def _take(step: Step, rig: Rig) -> list[str]:
    match step:
        case Ctl(words, typed, order):
            answer = rig.ctl(*words.split(), typed=typed)
            said = _without_help(answer.text).split("\n")
            if order == "any":
                said.sort()
            return [f"$ {words}", *said, f"= {answer.code}"]
        case Rpc(method, arguments):
            return [f"{method}{arguments!r}", f"-> {_call(rig, method, arguments)!r}"]
        case Until(name, state):
            rig.until(name, state)
        case UntilLine(pattern, times):
            rig.until_line(pattern, times)
        case UntilText(file, text):
            rig.until_text(file, text)
        case Config(programs):
            rig.write(programs)
        case Show(file):
            return [f"{file}:", rig.text(file)]
        case Kill(name, signum):
            pid = rig.pid(name)
            os.kill(pid, signum)
            rig.wait(lambda: rig.pid(name) != pid, what=f"the end of {pid} is noticed")
    return []


def _without_help(text: str) -> str:
    """After a wrong usage comes the command's help, whose words are each client's own."""
    wrong_usage = text.startswith(("Error: ", "ERROR: no process name supplied"))
    return text.partition("\n")[0] if wrong_usage else text


def _call(rig: Rig, method: str, arguments: tuple[Any, ...]) -> Any:
    try:
        answer = getattr(rig.rpc, method)(*arguments)
    except xmlrpc.client.Fault as fault:
        return f"Fault {fault.faultCode}: {fault.faultString}"
    except xmlrpc.client.ProtocolError as error:
        return f"HTTP {error.errcode}"
    return _timeless(answer)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        known = PROCESS_KEYS if "statename" in value and "name" in value else CONFIG_KEYS if "inuse" in value else value
        return {
            key: ("some" if item else "none") if key in ("pid", "now", "start", "stop") else _timeless(item)
            for key, item in sorted(value.items())
            if key in known
        }
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value


def _plain(line: str, rig: Rig) -> str:
    line = line.replace(str(rig.dir), "DIR").replace(str(rig.daemon_pid or -1), "DAEMON")
    for pattern, word in (
        (r"\bpid \d+", "pid N"),
        (r"\(\d+\) with SIG", "(N) with SIG"),
        (r"uptime \d+:\d\d:\d\d", "uptime T"),
        (r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "TIME"),
        (r"---(\w+)-\w{8}\.log", r"---\1-RANDOM.log"),
        (r"file: \S+ line: \d+", "file: F line: N"),
        (r"^\d+$", "N"),
    ):
        line = re.sub(pattern, word, line, flags=re.MULTILINE)
    return line

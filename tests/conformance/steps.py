"""What a scenario is made of: a configuration, and the steps an operator takes.

Pure data. `{dir}` in any text is the directory of the rig, `{port}` a free TCP port, `{me}` the user who runs
the tests.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tests.e2e.harness import program

Order = Literal["as said", "any"]
"""`any`: the lines come in an order that is nobody's promise"""


class Ctl(NamedTuple):
    """Run the client once; write down its text and exit code. `typed` is its standard input."""

    words: str
    typed: str = ""
    order: Order = "as said"
    file: str = ""
    """another configuration file than the daemon's, `none` for no `-c` at all"""
    told: str = ""
    """a pattern: write down only the lines that match it"""
    errors: bool = False
    """write down its standard error, too"""


class Rpc(NamedTuple):
    """Call a method; write down its result or fault."""

    method: str
    arguments: tuple[Any, ...] = ()


class Until(NamedTuple):
    """Wait until a process is in a state. Writes down nothing."""

    name: str
    state: str
    """one, or several with `|` between"""


class UntilLine(NamedTuple):
    """Wait until so many lines of the daemon's log match. Writes down nothing."""

    pattern: str
    times: int = 1


class UntilText(NamedTuple):
    """Wait until a file contains a text so many times. Writes down nothing."""

    file: str
    text: str
    times: int = 1


class UntilGone(NamedTuple):
    """Wait until a file is not there. Writes down nothing."""

    file: str


class Gone(NamedTuple):
    """Wait for the end of the daemon. Writes down nothing."""


class Config(NamedTuple):
    """Write another configuration."""

    programs: str
    daemon: str = ""
    head: str = ""


class Write(NamedTuple):
    """Write a file, or remove it (`text` None)."""

    file: str
    text: str | None


class Show(NamedTuple):
    """Write down a file."""

    file: str
    order: Order = "as said"
    told: str = ""
    """a pattern: write down only the lines that match it"""


class Facts(NamedTuple):
    """Write down some of what tests/programs/facts.py found; `environment` only those named."""

    file: str
    keys: Sequence[str]
    environment: Sequence[str] = ()


class Kill(NamedTuple):
    """Send a signal to a process from outside, as an operator's `kill` would."""

    name: str
    signum: int


class Signal(NamedTuple):
    """Send a signal to the daemon."""

    signum: int


class Again(NamedTuple):
    """Wait until the daemon has started anew so many times in all, and answers. Writes down nothing."""

    times: int


class Launch(NamedTuple):
    """Run the daemon's command line to its end on a file of its own; write down the exit code and the `Error:` line.

    With no text there is no file, and no `-c`.
    """

    text: str
    arguments: str = "-n"
    says: bool = False
    """write down its standard output, too"""


class Http(NamedTuple):
    """Send bytes over HTTP; write down the status line, the headers that matter, and the body in the way said."""

    request: str
    body: Literal["text", "error", "rpc", "none"] = "text"
    port: bool = False
    """over TCP instead of the unix socket"""
    more: str = ""
    """a second request on the same connection"""
    wire: bool = False
    """write down the version and the `Connection` header, too"""


class Talk(NamedTuple):
    """Connect to a socket (a path, or `port`), send bytes, write down the answer up to its end."""

    target: str
    text: str


class Events(NamedTuple):
    """Write down what tests/programs/recorder.py wrote into a file. `told`: only those whose name and payload match."""

    file: str
    order: Order = "as said"
    told: str = ""


class Mode(NamedTuple):
    """Write down the mode of a file, or that there is none."""

    file: str


Step = (
    Ctl
    | Rpc
    | Until
    | UntilLine
    | UntilText
    | UntilGone
    | Gone
    | Config
    | Write
    | Show
    | Facts
    | Kill
    | Signal
    | Again
    | Launch
    | Http
    | Talk
    | Events
    | Mode
)


class Differs(NamedTuple):
    """A deliberate difference that a scenario shows: patterns of lines, each found in the one transcript only."""

    key: str
    """of docs/differences.toml"""
    original: str = ""
    ours: str = ""
    who: Literal["tmd", "tmctl"] = "tmd"
    """what differs: the daemon, whoever asks it, or only our client"""


class Scenario(NamedTuple):
    """Steps on a configuration. `log`: how the lines of the daemon's log are compared at the end."""

    name: str
    programs: str
    steps: Sequence[Step]
    log: Literal["ordered", "any order", "no"] = "ordered"
    daemon: str = ""
    """more lines of [supervisord]"""
    head: str = ""
    """more sections"""
    server: str = ""
    """more lines of [unix_http_server]"""
    ctl: str = ""
    """more lines of [supervisorctl]"""
    files: Mapping[str, str] = {}
    """files that are there before the daemon starts"""
    environment: Mapping[str, str] = {}
    """more of the daemon's environment"""
    arguments: str = ""
    """more words of the daemon's command line"""
    credentials: tuple[str, str] | None = None
    """how the scenario itself logs in"""
    runs: bool = True
    """False: no daemon is started; the steps launch what they need"""
    ends: bool = False
    """True: the last steps end the daemon"""
    differs: Differs | None = None

    @property
    def asks_clients(self) -> bool:
        """Say whether a client runs in it: if not, all clients look alike."""
        return any(isinstance(step, Ctl) for step in self.steps)


QUICK = "startsecs=0\n"
SLEEP = f"command=sleep 100000\n{QUICK}"
OFF = f"{SLEEP}autostart=false\n"


def section(name: str, *lines: str) -> str:
    """Return a [program:x] section; without lines it sleeps."""
    return f"[program:{name}]\n" + "\n".join(lines or (SLEEP,)) + "\n"


def recorder(name: str, events: str, *lines: str, answers: str = "") -> str:
    """Return an [eventlistener:x] section that records into the file `NAME.events`."""
    return (
        f"[eventlistener:{name}]\ncommand={program('recorder.py')} {{dir}}/{name}.events {answers}\nevents={events}\n"
        + "\n".join((QUICK, *lines))
        + "\n"
    )

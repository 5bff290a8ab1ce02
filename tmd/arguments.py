"""The command line of `tmd`: Supervisor's flags (contract 3) and our own, read into values.

Knows nothing of what the values mean beyond their form; the configuration checks them like those of a file.
"""

import getopt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec


class Flag(NamedTuple):
    """One flag. Its kind says what becomes of it: an action instead of a run, or an option that beats the file's."""

    letters: str
    long: str
    value: str
    """what its value is called; empty: it takes none"""
    help: str
    kind: str = "setting"
    """setting (beats the file), switch (the same, without a value), action, or other"""


FLAGS: tuple[Flag, ...] = (
    Flag("c", "configuration", "FILENAME", "use FILENAME as the configuration; also as the only argument", "other"),
    Flag("n", "nodaemon", "", "stay in the foreground (also --no-daemon)", "switch"),
    Flag("s", "silent", "", "in the foreground: do not copy the log to stdout", "switch"),
    Flag("", "debug", "", "log everything, the output of programs too", "other"),
    Flag("", "no-adopt", "", "leave alone what runs since before a crash of tmd, and start it anew", "other"),
    Flag("", "check-config", "", "check the configuration, say all that is wrong with it, exit 0 or 2", "action"),
    Flag(
        "", "sample", "", "print a commented configuration: ini (or say --sample yaml, --sample supervisor)", "action"
    ),
    Flag("", "explain", "OPTION", "say what an option of the configuration means", "action"),
    Flag("", "shell", "", "start the daemon and open the `tmctl` shell on it; `exit` ends both", "action"),
    Flag(
        "",
        "install-names",
        "DIRECTORY",
        "link supervisord, supervisorctl, ... in DIRECTORY to these programs",
        "action",
    ),
    Flag("u", "user", "USER", "run as this user (name or number)"),
    Flag("m", "umask", "UMASK", "the file mode mask, octal"),
    Flag("d", "directory", "DIRECTORY", "change to this directory"),
    Flag("l", "logfile", "FILENAME", "use FILENAME as the daemon's own log"),
    Flag("y", "logfile_maxbytes", "BYTES", "rotate it at this size (KB, MB, GB; 0 never)"),
    Flag("z", "logfile_backups", "NUM", "keep this many rotated logs"),
    Flag("e", "loglevel", "LEVEL", "critical, error, warn, info, debug, trace, blather"),
    Flag("j", "pidfile", "FILENAME", "where the pid is written, and locked against a second instance"),
    Flag("i", "identifier", "NAME", "this daemon's name in events and log names"),
    Flag("q", "childlogdir", "DIRECTORY", "where logs of programs without a logfile go"),
    Flag("k", "nocleanup", "", "keep old generated logs at start", "switch"),
    Flag("a", "minfds", "NUM", "descriptors needed"),
    Flag("", "minprocs", "NUM", "processes needed"),
    Flag("t", "strip_ansi", "", "remove colour sequences from logs of programs", "switch"),
    Flag("", "container", "", "be the main program of a container: output of programs on stdout and stderr", "switch"),
    Flag("", "profile_options", "LIST", "profile this run (cumulative,calls,callers), print at the end", "other"),
    Flag("", "profile", "FILENAME", "profile the main thread for pstats; written at the end, and at SIGUSR2", "other"),
    Flag("v", "version", "", "print the version", "action"),
    Flag("h?", "help", "", "print this", "action"),
)

SHORT = "".join(letter + (":" if flag.value else "") for flag in FLAGS for letter in flag.letters)
LONG = [*(flag.long + ("=" if flag.value else "") for flag in FLAGS), "no-daemon"]
LETTERS = {f"-{letter}": flag.long for flag in FLAGS for letter in flag.letters} | {"--no-daemon": "nodaemon"}
SETTINGS = frozenset(flag.long for flag in FLAGS if flag.kind == "setting")
SWITCHES = frozenset(flag.long for flag in FLAGS if flag.kind == "switch")
ACTIONS = ("help", "version", "sample", "explain", "install-names", "check-config", "shell")
"""What is done instead of running, the first of them when several are asked for."""
SAMPLES = ("ini", "yaml", "supervisor")
PROFILE_ORDERS = ("cumulative", "calls", "callers")

EXAMPLES = (
    ("-c etc/taskmaster.ini", "start as a daemon"),
    ("-n -c etc/taskmaster.yaml", "stay in the foreground"),
    ("--check-config /etc/supervisor/supervisord.conf", "see what is wrong with a file"),
)


def usage(program: str = "tmd") -> str:
    """Return the help page; as `supervisord` it writes flags the way people and scripts know them from there."""
    known = program == "supervisord"
    others = [
        flag for flag in FLAGS if flag.kind in ("other", "action") or flag.long in ("nodaemon", "silent", "container")
    ]
    beating = [flag for flag in FLAGS if flag not in others]
    width = max(len(command) for command, _ in EXAMPLES) + 3
    return "\n".join(
        [
            f"{program} -- run a set of applications, keep them alive, answer for them"
            + (" (this is tmd)" if known else " (tmctl asks)"),
            "",
            f"usage: {program} [options] [CONFIG]",
            "",
            *_flag_lines(others, known=known),
            "",
            "These beat the file:",
            *_flag_lines(beating, known=known),
            "",
            "examples:",
            *(f"  {program} {command:<{width}}{meaning}" for command, meaning in EXAMPLES),
            "",
        ]
    )


def _flag_lines(flags: Iterable[Flag], *, known: bool) -> list[str]:
    rows = []
    for flag in flags:
        spellings = [*(f"-{letter}" for letter in flag.letters), f"--{flag.long}"]
        left = "/".join(spellings) if known else ("" if flag.letters else "    ") + ", ".join(spellings)
        rows.append((f"{left} {flag.value}".rstrip(), flag.help))
    if known:
        return [f"{left} -- {text}" for left, text in rows]
    width = max(len(left) for left, _ in rows) + 2
    return [f"  {left:<{width}}{text}" for left, text in rows]


class UsageError(Exception):
    """The command line cannot be understood; the text follows `Error: `."""


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    configuration: str | None = None
    overrides: dict[str, str] = {}
    """options of the daemon's section, as text, that beat the file"""
    flags: dict[str, str] = {}
    """how each override was written (`-e`, `--loglevel`), for messages"""
    action: str = "run"
    """run, or one of `ACTIONS`"""
    subject: str = ""
    """the kind of sample, the option to explain, the directory for names"""
    profile: tuple[str, ...] = ()
    """what of a profile is printed at the end"""
    profile_file: str = ""
    """where a profile is written"""
    adopt: bool = True
    """whether what outlived an earlier daemon is taken back"""


def parse(argv: Sequence[str]) -> Arguments:
    """Return the arguments; raises `UsageError`."""
    try:
        pairs, rest = getopt.gnu_getopt(list(argv), SHORT, LONG)
    except getopt.GetoptError as why:
        raise UsageError(why.msg) from why
    seen: dict[str, tuple[str, str]] = {}
    for flag, value in pairs:
        name = LETTERS.get(flag, flag.removeprefix("--"))
        if name in seen and name not in ("help", "version", "debug"):
            raise UsageError(f"conflicting command line option '{flag}'")
        seen[name] = (flag, value)
    if "profile" in seen and "profile_options" not in seen and set(seen["profile"][1].split(",")) <= {*PROFILE_ORDERS}:
        seen["profile_options"] = seen.pop("profile")  # as Supervisor takes it: an option cut short
    return _arguments(seen, rest)


def _arguments(seen: dict[str, tuple[str, str]], rest: list[str]) -> Arguments:
    action = next((name for name in ACTIONS if name in seen), "run")
    subject = seen[action][1] if action in seen else ""
    if action == "sample":
        subject = rest.pop(0) if rest else "ini"
    configuration = seen["configuration"][1] if "configuration" in seen else None
    if rest and configuration is None:
        configuration = rest.pop(0)
    if rest and action not in ("help", "version"):
        raise UsageError(f"positional arguments are not supported: {rest!r}")
    overrides = {name: value for name, (_, value) in seen.items() if name in SETTINGS}
    overrides.update({name: "true" for name in seen if name in SWITCHES})
    flags = {name: flag for name, (flag, _) in seen.items()}
    if "debug" in seen:
        overrides["loglevel"] = "debug"
    return Arguments(
        configuration=configuration,
        overrides=overrides,
        flags=flags,
        action=action,
        subject=subject,
        adopt="no-adopt" not in seen,
        profile=_profile(seen["profile_options"]) if "profile_options" in seen else (),
        profile_file=seen["profile"][1] if "profile" in seen else "",
    )


def _profile(given: tuple[str, str]) -> tuple[str, ...]:
    flag, text = given
    orders = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in orders:
        if word not in PROFILE_ORDERS:
            raise UsageError(f"invalid value for {flag} '{text}': unknown order '{word}' ({', '.join(PROFILE_ORDERS)})")
    return orders

"""The command line of `tmd`: Supervisor's flags (contract 3) and our own, read into values.

Knows nothing of what the values mean beyond their form; the configuration checks them like those of a file.
"""

import getopt
from collections.abc import Sequence
from dataclasses import dataclass, field

USAGE = """\
usage: tmd [options] [CONFIG]

Starts the programs of CONFIG, keeps them alive and answers for them (`tmctl` asks).

  -c, --configuration FILE   the configuration; also as the only argument
  -n, --nodaemon             stay in the foreground (also --no-daemon)
  -s, --silent               in the foreground: do not copy the log to stdout
      --debug                log everything, the output of programs too
      --check-config         check the configuration, say all that is wrong with it, exit 0 or 2
      --sample [KIND]        print a commented configuration: ini, yaml or supervisor
      --explain OPTION       say what an option of the configuration means
      --shell                start the daemon and open the `tmctl` shell on it; `exit` ends both

These beat the file:
  -u, --user USER            run as this user (name or number)
  -m, --umask UMASK          octal
  -d, --directory DIR        change to this directory
  -l, --logfile FILE         the daemon's own log
  -y, --logfile_maxbytes N   rotate it at this size (KB, MB, GB; 0 never)
  -z, --logfile_backups N    keep this many rotated logs
  -e, --loglevel LEVEL       critical, error, warn, info, debug, trace, blather
  -j, --pidfile FILE         where the pid is written, and locked against a second instance
  -i, --identifier NAME      this daemon's name in events and log names
  -q, --childlogdir DIR      where logs of programs without a logfile go
  -k, --nocleanup            keep old generated logs at start
  -a, --minfds N             descriptors needed
      --minprocs N           processes needed
  -t, --strip_ansi           remove colour sequences from logs of programs

      --profile_options LIST profile this run (cumulative,calls,callers), print at the end
  -v, --version              print the version
  -h, -?, --help             print this

examples:
  tmd -c etc/taskmaster.ini          start as a daemon
  tmd -n -c etc/taskmaster.yaml      stay in the foreground
  tmd --check-config /etc/supervisor/supervisord.conf
"""

SHORT = "c:nsvu:m:d:l:y:z:e:j:i:q:ka:th?"
LONG = [
    "configuration=",
    "nodaemon",
    "no-daemon",
    "silent",
    "debug",
    "check-config",
    "sample",
    "explain=",
    "shell",
    "user=",
    "umask=",
    "directory=",
    "logfile=",
    "logfile_maxbytes=",
    "logfile_backups=",
    "loglevel=",
    "pidfile=",
    "identifier=",
    "childlogdir=",
    "nocleanup",
    "minfds=",
    "minprocs=",
    "strip_ansi",
    "profile_options=",
    "version",
    "help",
]
LETTERS = {
    "-c": "configuration",
    "-n": "nodaemon",
    "-s": "silent",
    "-v": "version",
    "-u": "user",
    "-m": "umask",
    "-d": "directory",
    "-l": "logfile",
    "-y": "logfile_maxbytes",
    "-z": "logfile_backups",
    "-e": "loglevel",
    "-j": "pidfile",
    "-i": "identifier",
    "-q": "childlogdir",
    "-k": "nocleanup",
    "-a": "minfds",
    "-t": "strip_ansi",
    "-h": "help",
    "-?": "help",
    "--no-daemon": "nodaemon",
}
SETTINGS = frozenset(
    {
        "user", "umask", "directory", "logfile", "logfile_maxbytes", "logfile_backups", "loglevel", "pidfile",
        "identifier", "childlogdir", "minfds", "minprocs",
    }
)  # fmt: skip
SWITCHES = frozenset({"nodaemon", "silent", "nocleanup", "strip_ansi"})
PROFILE_ORDERS = ("cumulative", "calls", "callers")


class UsageError(Exception):
    """The command line cannot be understood; the text follows `Error: `."""


@dataclass(frozen=True)
class Arguments:
    """What was asked for."""

    configuration: str | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    """options of the daemon's section, as text, that beat the file"""
    flags: dict[str, str] = field(default_factory=dict)
    """how each override was written (`-e`, `--loglevel`), for messages"""
    action: str = "run"
    """run, check-config, sample, explain, shell, version or help"""
    subject: str = ""
    """the kind of sample, the option to explain"""
    profile: tuple[str, ...] = ()


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
    return _arguments(seen, rest)


def _arguments(seen: dict[str, tuple[str, str]], rest: list[str]) -> Arguments:
    actions = [name for name in ("help", "version", "sample", "explain", "check-config", "shell") if name in seen]
    action = actions[0] if actions else "run"
    subject = ""
    if action == "sample":
        subject = rest.pop(0) if rest else "ini"
    elif action == "explain":
        subject = seen["explain"][1]
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
        profile=_profile(seen["profile_options"]) if "profile_options" in seen else (),
    )


def _profile(given: tuple[str, str]) -> tuple[str, ...]:
    flag, text = given
    orders = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in orders:
        if word not in PROFILE_ORDERS:
            raise UsageError(f"invalid value for {flag} '{text}': unknown order '{word}' ({', '.join(PROFILE_ORDERS)})")
    return orders

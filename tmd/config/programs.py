"""From the section of one program to the processes it stands for."""

import posixpath
from typing import Any, NamedTuple

from tmd.config import native_kinds, supervisor_kinds
from tmd.config.expand import CannotExpand, expand_supervisor
from tmd.config.names import unsayable
from tmd.config.option import Options
from tmd.config.program_options import FCGI, LISTENER, PROGRAM
from tmd.config.reader import Again, Reader, Setup
from tmd.config.servers import absolute
from tmd.config.settings import AUTO, HOOKS, ProcessKind, ProcessSpec, SocketSpec
from tmd.tree.node import Mapping
from tmd.tree.problems import Problem

_OPTIONS = {
    kind: Options.of(options)
    for kind, options in (("program", PROGRAM), ("eventlistener", LISTENER), ("fcgi-program", FCGI))
}
_MAX_PROCESSES = 100_000
# Read in Supervisor's order: of several problems it tells the first.
_FIRST = (
    "priority",
    "autostart",
    "autorestart",
    "startsecs",
    "startretries",
    "stopsignal",
    "stopwaitsecs",
    "stopasgroup",
    "killasgroup",
    "exitcodes",
    "redirect_stderr",
    "tty",
)
_THEN = (
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "serverurl",
    "user_environment",
    "log_format",
    "hook_timeout",
    "hook_failure",
    "adopt",
    "essential",
    "orphans",
)


class ForAll(NamedTuple):
    """What the daemon's own section says for all programs."""

    environment: dict[str, str]
    user: str | None = None
    uid: int | None = None
    gid: int | None = None


def section_reader(body: Mapping, setup: Setup, kind: ProcessKind = "program") -> Reader:
    """Return a reader of a section with processes, for what concerns the section as a whole."""
    return Reader(body, _OPTIONS[kind], setup)


def program_reader(body: Mapping, setup: Setup, kind: ProcessKind = "program") -> Reader:
    """Return a reader for what concerns the processes of a section, with the words Supervisor adds to its problems."""
    suffix = "" if setup.native else f" in section {body.label!r} (file: {body.origin.file!r})"
    return Reader(body, _OPTIONS[kind], setup, suffix)


def read_program(
    reader: Reader,
    program: str,
    group: str,
    setup: Setup,
    for_all: ForAll,
    *,
    kind: ProcessKind = "program",
    socket: SocketSpec | None = None,
) -> tuple[ProcessSpec, ...]:
    """Return the processes of a program as members of a group; problems are noted, in the order Supervisor has them."""
    names = setup.names(program_name=program, host_node_name=setup.host.hostname, group_name=group)
    common: dict[str, Any] = {"kind": kind, "socket": socket, **reader.read_all(_FIRST, names)}
    if common["tty"]:
        _on_terminal(reader, kind, common)
    if common["killasgroup"] is None:
        common["killasgroup"] = common["stopasgroup"]
    count = reader.read("numprocs", names)
    first = reader.read("numprocs_start", names)
    common |= reader.read_all(_THEN, names)
    common |= _user(reader, names, for_all, setup)
    common["umask"] = reader.read("umask", names)
    common["restore_signals"] = setup.native
    pattern = _name_pattern(reader, count, setup)
    if common["stopasgroup"] and not common["killasgroup"]:
        option = "killasgroup" if reader.entry("killasgroup") else "stopasgroup"
        hint = "killasgroup follows stopasgroup when left out" if not setup.native else "leave out killasgroup"
        reader.fail(option, "Cannot set stopasgroup=true and killasgroup=false", hint)
    if count > _MAX_PROCESSES:
        reader.fail("numprocs", f"cannot be more than {_MAX_PROCESSES}, got {count}")
        count = 1
    if setup.native and count == 0:
        _command(reader, names, setup)
    specs = []
    left_over: dict[str, str | int] = {}
    for number in range(first, first + count):
        # under Supervisor the variables of one process can be used by those after it
        own_names = {**left_over, **names, "process_num": number, "numprocs": count}
        own = _per_process(reader, own_names, common, setup)
        if not setup.native:
            left_over |= {f"ENV_{name}": value for name, value in own["environment"].items()}
        if own["environment_file"]:
            own["environment_own"] = tuple(sorted(own["environment"]))
        shared = for_all.environment  # one and the same for all programs that have nothing to add
        own["environment"] = {**shared, **own["environment"]} if own["environment"] else shared
        name = _name(reader, pattern, own_names, setup)
        specs.append(ProcessSpec(name=name, group=group, program=program, process_num=number, **common, **own))
        _watch_logs(reader, specs[-1], setup)
        _note_environment_files(reader, specs[-1], setup)
    if not setup.native:
        specs.sort(key=lambda spec: spec.name)
    return tuple(specs)


def _on_terminal(reader: Reader, kind: ProcessKind, common: dict[str, Any]) -> None:
    """Settle what a terminal of its own means: one stream for all output, and nothing else in the place of stdin."""
    if kind == "eventlistener":
        reader.fail("tty", "cannot be true for an event listener: standard input and output are how it answers")
    elif kind == "fcgi-program":
        reader.fail("tty", "cannot be true for a FastCGI program: its standard input is the socket")
    common["redirect_stderr"] = kind != "eventlistener"


def _user(reader: Reader, names: dict[str, str | int], for_all: ForAll, setup: Setup) -> dict[str, Any]:
    found = reader.read("user", names)
    gid = reader.read("gid", names)
    if found is None:
        return {"user": for_all.user, "uid": for_all.uid, "gid": for_all.gid if gid is None else gid}
    uid, named_gid = found
    if gid is not None and named_gid is not None:
        reader.fail("gid", "a group is given with the user, too", "keep one")
    gid = named_gid if gid is None else gid
    if gid is None and setup.host.find_user(str(uid)) is None:
        reader.fail("user", f"cannot find user {str(uid)!r}", "a number without an account needs a gid")
    return {"user": reader.text("user", names), "uid": uid, "gid": gid}


def _name_pattern(reader: Reader, count: int, setup: Setup) -> str:
    """Return the unexpanded process name, checked to tell several processes apart."""
    written = reader.raw("process_name")
    if written is None:
        pattern = "%(program_name)s_%(process_num)02d" if setup.native and count > 1 else "%(program_name)s"
    elif setup.native:
        pattern = written
    else:
        try:
            pattern = supervisor_kinds.process_name(written, setup.host)
        except ValueError as error:
            reader.fail("process_name", str(error))
            return "%(program_name)s_%(process_num)d"
    if count > 1 and "%(process_num)" not in pattern:
        reader.fail(
            "process_name",
            "%(process_num) must be present within process_name when numprocs > 1",
            "e.g. process_name = %(program_name)s_%(process_num)02d",
        )
    return pattern


def _name(reader: Reader, pattern: str, names: dict[str, str | int], setup: Setup) -> str:
    if setup.native and reader.entry("process_name") is not None:
        return reader.read("process_name", names) or pattern
    try:
        name = expand_supervisor(pattern, names, "process_name")
    except CannotExpand as error:
        reader.fail("process_name", str(error), error.hint)
        return pattern
    if reader.entry("process_name") is not None and unsayable(name):
        reason = f"no client can ask for {name!r}: a character in it cannot be sent"
        setup.findings.warn(str(Problem(*reader.place("process_name"), reason)))
    return name


def _per_process(reader: Reader, names: dict[str, str | int], common: dict[str, Any], setup: Setup) -> dict[str, Any]:
    """Return the options that may differ from process to process; `names` gets the program's own variables."""
    own: dict[str, Any] = {"environment": reader.read("environment", names, label="environment")}
    names.update({f"ENV_{variable}": value for variable, value in own["environment"].items()})
    own["directory"] = reader.read("directory", names)
    own["environment_file"] = reader.read("environment_file", names)
    own |= reader.read_all(HOOKS, names)
    for stream in ("stdout", "stderr"):
        own |= _log(reader, stream, names, setup)
    if common["redirect_stderr"]:
        if own["stderr_logfile"] not in (AUTO, None):
            cause = "tty" if common["tty"] else "redirect_stderr"
            setup.findings.warn(
                f"For [{reader.body.label}], {cause}=true but stderr_logfile has also been set to a filename, "
                "the filename has been ignored"
            )
        own["stderr_logfile"] = None
    own["command"] = _command(reader, names, setup)
    return own


def _watch_logs(reader: Reader, spec: ProcessSpec, setup: Setup) -> None:
    for option, file in (("stdout_logfile", spec.stdout_logfile), ("stderr_logfile", spec.stderr_logfile)):
        if file is not None:
            directory = AUTO if file == AUTO else posixpath.dirname(absolute(file, setup))
            setup.findings.watch(directory, spec.uid, *reader.place(option))


def _note_environment_files(reader: Reader, spec: ProcessSpec, setup: Setup) -> None:
    if spec.uid is None and reader.entry("user") is not None:
        return  # there is no such user: who may have written them is not known
    for file in spec.environment_file:
        setup.findings.environment_files.setdefault((file, spec.uid), reader.place("environment_file"))


def _command(reader: Reader, names: dict[str, str | int], setup: Setup) -> str:
    if reader.entry("command") is None:
        if setup.native:
            reader.fail("command", "is missing", "say what to run, e.g. command: python3 -m http.server")
        else:
            reader.fail("command", f"program section {reader.body.label} does not specify a command")
        return ""
    command: str = reader.read("command", names) or ""
    if not setup.native and (why := native_kinds.unsplittable(command)):
        # Supervisor starts with it: it is that program alone that cannot
        setup.findings.warn(str(Problem(*reader.place("command"), why, "it will not start")))
    return command


def _log(reader: Reader, stream: str, names: dict[str, str | int], setup: Setup) -> dict[str, Any]:
    file_key, syslog_key = f"{stream}_logfile", f"{stream}_syslog"
    file = reader.read(file_key, names, again=Again(names, file_key))
    backups = reader.read(f"{file_key}_backups", names)
    max_bytes = reader.read(f"{file_key}_maxbytes", names)
    syslog = reader.read(syslog_key, names)
    if file == supervisor_kinds.SYSLOG:
        setup.findings.warn(
            f"For [{reader.body.label}], {file_key}=syslog but this is deprecated and will be removed.  "
            f"Use {syslog_key}=true to enable syslog instead."
        )
        file, syslog = None, True
    if file == AUTO and not max_bytes:
        setup.findings.warn(
            f"For [{reader.body.label}], AUTO logging used for {file_key} without rollover, "
            "set maxbytes > 0 to avoid filling up filesystem unintentionally"
        )
    return {file_key: file, f"{file_key}_backups": backups, f"{file_key}_maxbytes": max_bytes, syslog_key: syslog}

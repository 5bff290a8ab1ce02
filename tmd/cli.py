"""`tmd`: reads the command line, then runs the daemon, or does the one thing it was asked for instead."""

import gc
import os
import signal
import socket
import sys
import termios
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tmd import __version__
from tmd.arguments import SWITCHES, Arguments, UsageError, parse, usage
from tmd.config.daemon import check_flags
from tmd.config.host import Host
from tmd.config.load import Loaded, load_file
from tmd.config.settings import Dialect
from tmd.daemon.environment_files import EnvironmentFiles
from tmd.daemon.host import host_state, machine_host
from tmd.drop_in import DAEMON, SAMPLE, CannotInstall, called_as, install_names
from tmd.tree.problems import ConfigRefused
from tmd.wire.methods import SUPERVISOR_VERSION
from tmd.wire.places import config_candidates, files_here, passed_over_here

if TYPE_CHECKING:
    from tmd.daemon.main import Succession

CHECK = "--check-handover"
"""for a daemon that is to be upgraded, and nobody else"""
VARIABLE = "TASKMASTER_HANDOVER"
"""in the environment of a process that takes the place of another: the number of the descriptor that has the state"""
POLL_S = 0.02
"""how often `--shell` looks whether its daemon answers"""
BAD_START = 2
"""exit code: wrong flags, wrong configuration, cannot start (contract 1.7)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tmd`; returns the exit code: 0 a normal end, 2 nothing was started."""
    _secure_standard_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    if CHECK in words:
        return _check_handover([word for word in words if word != CHECK])
    if VARIABLE in os.environ:
        return _go_on(words, os.environ.pop(VARIABLE))
    called = called_as(sys.argv[0])
    if called == SAMPLE:
        return _sample("supervisor")
    try:
        arguments = parse(words)
        match arguments.action:
            case "help":
                print(usage(called if called == DAEMON else "tmd"), end="")
                return 0
            case "version":
                print(SUPERVISOR_VERSION if called == DAEMON else __version__)
                return 0
            case "install-names":
                return _install_names(arguments.subject)
            case "sample":
                return _sample(arguments.subject)
            case "explain":
                return _explain(arguments.subject)
        host = machine_host(arguments.overrides, arguments.flags)
        if arguments.action == "check-config":
            host = msgspec.structs.replace(host, environment_file_problems=EnvironmentFiles().problems)
        check_flags(host, supervisors=called == DAEMON)
        path = arguments.configuration or _found(supervisors=called == DAEMON)
        if not os.path.isabs(path) and _nowhere():
            return _fail(f"cannot read '{path}': the current directory was removed (name the file with its whole path)")
        loaded = _load(path, host, names_in_log=arguments.action == "run")
    except UsageError as why:
        return _fail(str(why))
    except ConfigRefused as refusal:
        return _refuse(refusal)
    if arguments.action == "check-config":
        return _approve(path, loaded)
    if arguments.action == "shell":
        return _shell(path, loaded, arguments)
    whole = os.path.join(host.cwd, path)
    return _profiled(arguments, lambda write: _run(whole, host, loaded, adopt=arguments.adopt, write_profile=write))


def _check_handover(words: Sequence[str]) -> int:
    """Tell whether this version could go on with the state that comes on stdin."""
    import tmd.daemon.main  # noqa: PLC0415
    import tmd.http.listeners  # noqa: F401, PLC0415 - all that is to run has to be there
    from tmd.daemon.handover import CannotHandOver, unpack  # noqa: PLC0415
    from tmd.daemon.upgrading import FITS  # noqa: PLC0415
    from tmd.http.carrying import unpacked  # noqa: PLC0415

    try:
        state = unpack(sys.stdin.buffer.read())
        unpacked(state.http)
        arguments = parse(words)
        host = machine_host(arguments.overrides, arguments.flags, state.boot.host)
        check_flags(host, supervisors=called_as(sys.argv[0]) == DAEMON)
        load_file(state.config_path, host)
    except (CannotHandOver, UsageError) as why:
        print(f"Error: {why}")
        return BAD_START
    except ConfigRefused as refusal:
        print(f"Error: {refusal.text}")
        return BAD_START
    print(f"{FITS}{__version__} (Python {sys.version.split()[0]})")
    return 0


def _go_on(words: Sequence[str], descriptor: str) -> int:
    """Run in the place of an earlier daemon, which has made way; nothing may keep us from that."""
    from tmd.config.load import in_force  # noqa: PLC0415
    from tmd.daemon.handover import CannotHandOver, receive  # noqa: PLC0415
    from tmd.daemon.main import Succession  # noqa: PLC0415

    arguments = parse(words)
    try:
        state = receive(int(descriptor))
    except (CannotHandOver, ValueError) as why:
        # It could be read a moment ago. What is left is to take programs back as after a crash.
        print(f"Error: cannot go on with what the daemon before has left: {why}", file=sys.stderr)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        host = machine_host(arguments.overrides, arguments.flags)
        path = arguments.configuration or _found(supervisors=called_as(sys.argv[0]) == DAEMON)
        return _run(os.path.join(host.cwd, path), host, load_file(path, host), adopt=True, detached=True)
    host = machine_host(arguments.overrides, arguments.flags, state.boot.host)
    settings = msgspec.structs.replace(state.settings, groups=tuple(state.active))
    before = in_force(settings, state.config_path, host)
    succession = Succession(state, before)
    try:
        loaded = load_file(state.config_path, host)
    except ConfigRefused as refusal:
        loaded = before
        reason = f"the configuration was broken meanwhile, what was in force goes on: {refusal.text}"
        succession = Succession(state, before, reason)

    def run(write: Callable[[], str]) -> int:
        path, adopt = state.config_path, state.boot.adopt
        return _run(path, host, loaded, adopt=adopt, succession=succession, write_profile=write)

    return _profiled(arguments, run)


def _secure_standard_streams() -> None:
    """Put /dev/null where 0, 1 or 2 was closed: the next file opened would get the number, and our output."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _run(
    path: str,
    host: Host,
    loaded: Loaded,
    *,
    adopt: bool,
    succession: "Succession | None" = None,
    detached: bool = False,
    write_profile: Callable[[], str] = lambda: "",
) -> int:
    """Run the daemon. `succession`: what another one has left for it; `detached`: it is in the background already."""
    from tmd.daemon.footing import CannotStart  # noqa: PLC0415 - checking a file needs none of this
    from tmd.daemon.main import Boot, run  # noqa: PLC0415
    from tmd.http.listeners import open_servers  # noqa: PLC0415
    from tmd.posix.daemonize import Readiness, detach  # noqa: PLC0415
    from tmd.posix.notify import Contract, take_contract  # noqa: PLC0415

    foreground = loaded.settings.daemon.nodaemon
    readiness: Readiness | None = None
    if succession is not None:
        earlier = succession.state.boot
        foreground, contract = earlier.foreground, Contract(earlier.address, earlier.watchdog_s)
    else:
        readiness = None if foreground or detached else detach()
        contract = take_contract(os.environ)
    boot = Boot(
        path=path,
        load=lambda path: load_file(path, host),
        open_servers=open_servers,
        environ=dict(os.environ),
        host=host_state(host),
        foreground=foreground,
        ready=readiness.ready if readiness else lambda: None,
        contract=contract,
        adopt=adopt and os.getpid() != 1,  # nothing outlives the first process of a container
        write_profile=write_profile,
    )
    gc.freeze()  # what is there by now stays: nobody has to go through it time and again
    try:
        return run(boot, loaded, succession)
    except CannotStart as why:
        text = f"Error: {why}\nFor help, use {_program()} -h\n"
        if readiness is not None:
            readiness.failed(text, BAD_START)
        else:
            sys.stderr.write(text)
        return BAD_START


def _load(path: str, host: Host, *, names_in_log: bool) -> Loaded:
    """Read a configuration. What is refused is told by the name it was given, what the log tells by its whole path."""
    # The collector would look at a large configuration again and again while it grows, and find it all in use.
    gc.disable()
    try:
        if not names_in_log or os.path.isabs(path):
            return load_file(path, host)
        try:
            return load_file(os.path.join(host.cwd, path), host)
        except ConfigRefused:
            load_file(path, host)
            raise
    finally:
        gc.enable()


def _nowhere() -> bool:
    """Tell whether the current directory was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _found(*, supervisors: bool) -> str:
    """Return the first file of the search; `supervisors`: we were called by Supervisor's name."""
    uid, directory = os.geteuid(), os.path.dirname(os.path.abspath(sys.argv[0]))
    candidates = config_candidates(os.environ, uid, os.path.expanduser("~"), directory, supervisors=supervisors)
    for candidate in candidates:
        if os.path.exists(candidate):
            if uid == 0 and candidate in files_here(uid, supervisors=supervisors):
                print(
                    f"warning: root obeys '{candidate}' of the current directory: whoever may write there can have "
                    "anything run as root (name the file with -c)",
                    file=sys.stderr,
                )
            return candidate
    here = next(filter(os.path.exists, passed_over_here(uid, supervisors=supervisors)), None)
    hint = f" (./{here} is not read as root: say -c ./{here})" if here else ""
    raise UsageError(
        f"No config file found at default paths ({', '.join(candidates)}); "
        f"use the -c option to specify a config file at a different path{hint}"
    )


def _sample(kind: str) -> int:
    from tmd.config import exports  # noqa: PLC0415

    try:
        print(exports.sample(kind), end="")
    except ValueError as why:
        return _fail(str(why))
    return 0


def _install_names(directory: str) -> int:
    import sysconfig  # noqa: PLC0415 - only here

    homes = [os.path.dirname(os.path.realpath(sys.argv[0])), sysconfig.get_path("scripts")]
    try:
        said = install_names(directory, [*homes, *os.environ.get("PATH", "").split(os.pathsep)])
    except CannotInstall as why:
        return _fail(str(why))
    print("\n".join(said))
    return 0


def _explain(option: str) -> int:
    from tmd.config import exports  # noqa: PLC0415

    try:
        print(exports.explain(option))
    except ValueError as why:
        return _fail(str(why))
    return 0


def _approve(path: str, loaded: Loaded) -> int:
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    groups = loaded.settings.groups
    processes = sum(len(group.processes) for group in groups)
    dialect = "native" if loaded.settings.dialect is Dialect.NATIVE else "Supervisor"
    print(f"{path}: ok ({dialect} dialect, {_count(len(groups), 'group')}, {_count(processes, 'process')})")
    return 0


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def _refuse(refusal: ConfigRefused) -> int:
    print(f"Error: {refusal.supervisor_text}", file=sys.stderr)
    for line in refusal.more:
        print(f"  {line}", file=sys.stderr)
    count = len(refusal.problems)
    if count > 1:
        print(f"{count} problems in all (nothing was started or changed)", file=sys.stderr)
    print(f"For help, use {_program()} -h", file=sys.stderr)
    return BAD_START


def _fail(text: str) -> int:
    print(f"Error: {text}\nFor help, use {_program()} -h", file=sys.stderr)
    return BAD_START


def _program() -> str:
    return sys.argv[0]


def _profiled(arguments: Arguments, run: Callable[[Callable[[], str]], int]) -> int:
    """Run, with a profile if one was asked for; `run` is given what writes the profile there is so far."""
    if not (arguments.profile or arguments.profile_file):
        return run(lambda: "")
    from tmd.profiling import Profile  # noqa: PLC0415 - hardly ever

    try:
        profile = Profile(arguments.profile_file, arguments.profile)
    except OSError as why:
        return _fail(f"cannot write the profile '{arguments.profile_file}': {why.strerror}")
    return profile.run(lambda: run(profile.write))


def _shell(path: str, loaded: Loaded, arguments: Arguments) -> int:
    """Run the daemon as a child and the shell in front of it; `exit`, a hang-up or a TERM ends both."""
    url = loaded.settings.serverurl
    if url is None:
        return _fail(f"cannot open a shell: '{path}' has no server to talk to (add a socket)")
    if _answers(url):
        return _fail(f"cannot start a daemon: one answers at {url} already (tmctl -s {url} opens a shell on it)")
    import subprocess  # noqa: PLC0415 - only here

    command = [sys.executable, "-m", "tmd", "--nodaemon", "--silent", "-c", path]
    for option, value in arguments.overrides.items():
        if option not in ("nodaemon", "silent"):
            command += [f"--{option}"] if option in SWITCHES else [f"--{option}", value]
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _leave)
    signal.signal(signal.SIGINT, _stay)  # Ctrl-C is for what runs in the shell; a handler, so that it is not inherited
    modes = _terminal_modes()
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while daemon.poll() is None and not _answers(url):
            time.sleep(POLL_S)
        if daemon.poll() is None:
            subprocess.run([sys.executable, "-m", "tmctl", "-c", path, "-s", url], check=False)
    finally:
        _restore_terminal(modes)
        if daemon.poll() is None:
            daemon.terminate()
        code = daemon.wait()
    return code


def _terminal_modes() -> list[Any] | None:
    """Return the terminal's modes, None without a terminal."""
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def _restore_terminal(modes: list[Any] | None) -> None:
    """Undo what a shell that was cut short left behind: no echo, no line editing."""
    if modes is None:
        return
    try:
        termios.tcsetattr(0, termios.TCSANOW, modes)
    except termios.error:
        return  # the terminal is gone


def _leave(signum: int, _frame: object) -> None:
    raise SystemExit(128 + signum)


def _stay(_signum: int, _frame: object) -> None:
    return


def _answers(url: str) -> bool:
    """Tell whether somebody listens at a server's address."""
    local = url.startswith("unix://")
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        with socket.socket(socket.AF_UNIX if local else socket.AF_INET) as probe:
            probe.connect(url.removeprefix("unix://") if local else (host, int(port)))
    except OSError:
        return False
    return True

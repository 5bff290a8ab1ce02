"""A container's main program: where output goes, what ends the daemon, how long its end may take."""

from pathlib import Path

import pytest

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_native import load, problems, settings
from tmd.config.additions import read_addition
from tmd.config.exit_kinds import names_of
from tmd.config.load import Loaded
from tmd.config.option import Effect
from tmd.config.options import DAEMON
from tmd.config.program_options import PROGRAM
from tmd.config.settings import AUTO, ProcessSpec, Settings


def spec(read: Settings, name: str) -> ProcessSpec:
    return next(each for group in read.groups for each in group.processes if each.name == name)


def placed(each: ProcessSpec) -> tuple[str | None, str | None, str]:
    """Return both logs, marked with a star where their lines have prefixes, and the format."""
    out, err = (
        f"{path}*" if path and stream in each.prefixed else path
        for stream, path in (("stdout", each.stdout_logfile), ("stderr", each.stderr_logfile))
    )
    return out, err, each.log_format


NATIVE = """\
taskmaster: {container: yes, http: false}
programs:
  plain: {command: x}
  one: {command: x, redirect_stderr: yes}
  json: {command: x, log_format: json}
  own: {command: x, stdout_logfile: /srv/own.log, stderr_logfile: NONE}
  half: {command: x, stdout_logfile: /srv/own.log}
  quiet: {command: x, stdout_logfile: NONE, stderr_logfile: NONE}
  screen: {command: x, tty: yes}
eventlisteners: {ears: {command: x, events: TICK_5}}
fcgi-programs: {app: {command: x, socket: 'tcp://127.0.0.1:1'}}
"""


def test_output_that_nobody_placed_goes_to_the_containers(tmp_path: Path) -> None:
    read = settings(tmp_path, NATIVE)
    out, err = "/dev/stdout*", "/dev/stderr*"
    assert placed(spec(read, "plain")) == (out, err, "raw")
    assert placed(spec(read, "one")) == (out, None, "raw")
    assert placed(spec(read, "json")) == (out, err, "json")
    assert placed(spec(read, "own")) == ("/srv/own.log", None, "raw")
    assert placed(spec(read, "half")) == ("/srv/own.log", err, "raw")
    assert placed(spec(read, "quiet")) == (None, None, "raw")
    assert placed(spec(read, "screen")) == (out, None, "raw")
    assert placed(spec(read, "app")) == (out, err, "raw")
    # what a listener says on stdout is a protocol
    assert placed(spec(read, "ears")) == (None, err, "raw")
    assert (spec(read, "plain").stdout_logfile_maxbytes, spec(read, "plain").stderr_logfile_maxbytes) == (0, 0)
    assert spec(read, "own").stdout_logfile_maxbytes > 0


def test_the_daemon_itself_stays_in_front_and_says_it_there_too(tmp_path: Path) -> None:
    daemon = settings(tmp_path, NATIVE).daemon
    assert (daemon.container, daemon.nodaemon, daemon.logfile, daemon.logfile_maxbytes) == (
        True,
        True,
        "/dev/stdout",
        0,
    )
    assert daemon.statedir == "/run/taskmaster"
    said = settings(
        tmp_path, "taskmaster: {container: yes, logfile: /srv/d.log, statedir: /srv, nodaemon: no}\n"
    ).daemon
    assert (said.nodaemon, said.logfile, said.statedir) == (True, "/srv/d.log", "/srv")
    ordinary = settings(tmp_path, "taskmaster: {http: false}\nprograms: {a: {command: x}}\n")
    assert (ordinary.daemon.container, ordinary.daemon.nodaemon) == (False, False)
    assert ordinary.daemon.statedir == "/var/lib/taskmaster"
    assert placed(spec(ordinary, "a")) == (AUTO, AUTO, "raw")


def test_the_flag_means_the_same_for_a_file_that_does_not_say_so(tmp_path: Path) -> None:
    host = made_up_host(overrides={"container": "true"})
    read = settings(tmp_path, "programs: {a: {command: x}}\n", host=host)
    assert placed(spec(read, "a")) == ("/dev/stdout*", "/dev/stderr*", "raw")
    assert read.daemon.nodaemon


def test_the_same_in_supervisors_dialect_where_a_device_that_is_named_stays_raw(tmp_path: Path) -> None:
    text = """\
[supervisord]
[program:new]
command=x
[program:known]
command=x
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
redirect_stderr=true
"""
    before = settings(tmp_path, text, "t.conf", made_up_host(directories=("/", "/tmp", "/srv", "/dev", "/dev/fd")))
    assert placed(spec(before, "new")) == (AUTO, AUTO, "raw")
    host = made_up_host(directories=("/", "/tmp", "/srv", "/dev", "/dev/fd"), overrides={"container": "true"})
    read = settings(tmp_path, text, "t.conf", host)
    assert placed(spec(read, "new")) == ("/dev/stdout*", "/dev/stderr*", "raw")
    assert spec(read, "known") == spec(before, "known")
    assert (read.daemon.logfile, read.daemon.nodaemon) == ("/dev/stdout", True)
    assert (before.daemon.logfile, before.daemon.nodaemon) == ("/srv/supervisord.log", False)


def test_a_program_that_joins_is_placed_like_the_others(tmp_path: Path) -> None:
    basis = load(tmp_path, NATIVE).basis
    (joined,) = read_addition(basis, "g", "p", {"command": "x"}).processes
    assert placed(joined) == ("/dev/stdout*", "/dev/stderr*", "raw")
    outside = load(tmp_path, "programs: {a: {command: x}}\n").basis
    (joined,) = read_addition(outside, "g", "p", {"command": "x"}).processes
    assert placed(joined) == (AUTO, AUTO, "raw")


# What ends the daemon.

SHOP = """\
taskmaster: {{http: false, exit_on: {exit_on}}}
programs:
  web: {{command: x, essential: yes}}
  worker: {{command: x, numprocs: 2}}
groups: {{shop: {{programs: [worker]}}}}
"""


def shop(tmp_path: Path, exit_on: str) -> Loaded:
    return load(tmp_path, SHOP.format(exit_on=exit_on))


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("fatal:any", ("fatal:any",)),
        ("'FATAL: any'", ("fatal:any",)),
        ("[fatal:any, 'Exit:web']", ("fatal:any", "exit:web")),
        ("'fatal:web, exit:worker'", ("fatal:web", "exit:worker")),
        ("[exit:shop, 'exit:shop:*', 'exit:shop:worker_01']", ("exit:shop", "exit:shop:*", "exit:shop:worker_01")),
        ("[exit:web, exit:web]", ("exit:web",)),
        ("[]", ()),
        ("~", ()),
    ],
)
def test_what_ends_the_daemon(written: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    read = shop(tmp_path, written)
    assert read.settings.daemon.exit_on == wanted
    assert read.warnings == ()
    assert spec(read.settings, "web").essential
    assert not spec(read.settings, "worker_00").essential


@pytest.mark.parametrize("written", ["any", "fatal", "'fatal:'", "stopped:web", "[exit:web, sometimes]"])
def test_a_reason_that_is_none_is_refused_with_its_place(written: str, tmp_path: Path) -> None:
    wrong = problems(tmp_path, SHOP.format(exit_on=written))
    assert len(wrong) == 1
    assert wrong[0].startswith("1:")
    assert "taskmaster.exit_on: cannot read" in wrong[0]
    assert "as a reason to end (fatal: or exit: and a program, a group or any, e.g. fatal:any)" in wrong[0]


def test_a_name_that_means_nobody_is_warned_of(tmp_path: Path) -> None:
    (warning,) = shop(tmp_path, "[fatal:any, exit:wbe]").warnings
    assert warning.endswith("taskmaster.exit_on: there is no program 'wbe' (did you mean 'web'?)")
    text = "[supervisord]\nexit_on=fatal:wbe\n[program:web]\ncommand=x\nessential=true\n"
    read = load(tmp_path, text, "t.conf")
    assert read.warnings == (
        f"{tmp_path}/t.conf:2:1: supervisord.exit_on: there is no program 'wbe' (did you mean 'web'?)",
    )
    assert (read.settings.daemon.exit_on, spec(read.settings, "web").essential) == (("fatal:wbe",), True)


def test_by_which_names_a_process_may_be_meant(tmp_path: Path) -> None:
    worker = spec(shop(tmp_path, "[]").settings, "worker_01")
    assert set(names_of(worker)) == {"any", "worker", "shop", "shop:*", "shop:worker_01"}
    assert {"any", "web", "web:*", "web:web"} == set(names_of(spec(shop(tmp_path, "[]").settings, "web")))


def test_these_apply_at_once() -> None:
    options = {option.name: option for option in (*DAEMON, *PROGRAM)}
    assert options["exit_on"].effect is Effect.LIVE
    assert options["stop_grace"].effect is Effect.LIVE
    assert options["essential"].effect is Effect.LIVE


# How long the end may take.


@pytest.mark.parametrize(
    ("written", "wanted"), [("stop_grace: 30", 30.0), ("stop_grace: 1m", 60.0), ("stop_grace: 0", 0.0), ("", None)]
)
def test_the_grace(written: str, wanted: float | None, tmp_path: Path) -> None:
    assert settings(tmp_path, f"taskmaster: {{http: false, {written}}}\n").daemon.stop_grace == wanted


def test_a_grace_that_is_none(tmp_path: Path) -> None:
    (wrong,) = problems(tmp_path, "taskmaster: {stop_grace: -1}\n")
    assert "taskmaster.stop_grace: cannot be negative, got -1" in wrong

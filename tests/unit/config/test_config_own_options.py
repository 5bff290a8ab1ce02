"""Options that Supervisor does not have: hooks, formats of logs, files of variables, who runs as whom."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_native import load, one, problems, settings
from tmd.config.additions import read_addition
from tmd.config.option import Effect
from tmd.config.program_options import FCGI, LISTENER, PROGRAM
from tmd.config.settings import HOOKS, EnvironmentFile, ProcessSpec

OWN = {
    *HOOKS,
    "hook_timeout",
    "hook_failure",
    "log_format",
    "environment_file",
    "user_environment",
    "gid",
    "tty",
    "adopt",
    "essential",
    "orphans",
}
VALUES: list[tuple[str, str, Any]] = [
    ("prestart: migrate %(program_name)s %(process_num)d", "prestart", "migrate a 0"),
    ("poststart: 'x y'", "poststart", "x y"),
    ("prestop: '%(ENV_COLOUR)s'", "prestop", "blue"),
    ("poststop: x", "poststop", "x"),
    ("hook_timeout: 500ms", "hook_timeout", 0.5),
    ("hook_timeout: 0", "hook_timeout", 0),
    ("hook_failure: abort", "hook_failure", "abort"),
    ("hook_failure: IGNORE", "hook_failure", "ignore"),
    ("log_format: json", "log_format", "json"),
    ("log_format: Prefix", "log_format", "prefix"),
    ("log_format: raw", "log_format", "raw"),
    ("adopt: yes", "adopt", "yes"),
    ("adopt: 'on'", "adopt", "yes"),
    ("adopt: no", "adopt", "no"),
    ("adopt: false", "adopt", "no"),
    ("adopt: Kill", "adopt", "kill"),
    ("tty: yes", "tty", True),
    ("tty: yes", "redirect_stderr", True),
    ("tty: yes", "stderr_logfile", None),
    ("tty: no", "redirect_stderr", False),
    ("orphans: kill", "orphans", "kill"),
    ("orphans: Warn", "orphans", "warn"),
    ("orphans: keep", "orphans", "keep"),
    ("user_environment: no", "user_environment", False),
    ("environment_file: []", "environment_file", ()),
    ("environment_file: -x", "environment_file", (EnvironmentFile("HERE/x", optional=True),)),
    ("environment_file: '- x'", "environment_file", (EnvironmentFile("HERE/x", optional=True),)),
    (
        "environment_file: ['-/a/%(program_name)s-%(process_num)d', t.yaml]",
        "environment_file",
        (EnvironmentFile("/a/a-0", optional=True), EnvironmentFile("HERE/t.yaml")),
    ),
    (
        "environment_file: '-a, -~/b'",
        "environment_file",
        tuple(EnvironmentFile(x, True) for x in ("HERE/a", "/home/web/b")),
    ),
    ("uid: web", "uid", 1000),
    ("uid: 1000", "user", "1000"),
    ("gid: webs", "gid", 1001),
    ("gid: 12345", "gid", 12345),
    ("uid: 12345:54321", "uid", 12345),
    ("uid: 12345:54321", "gid", 54321),
]


@pytest.mark.parametrize(("option", "field", "wanted"), VALUES)
def test_values(option: str, field: str, wanted: Any, tmp_path: Path) -> None:
    def here(value: Any) -> Any:
        if isinstance(value, EnvironmentFile):
            return EnvironmentFile(value.path.replace("HERE", str(tmp_path)), value.optional)
        return tuple(here(each) for each in value) if isinstance(value, tuple) else value

    assert getattr(one(tmp_path, option), field) == here(wanted)


WRONG = [
    ("prestart: ''", "prestart: cannot be empty (a program and its arguments)"),
    ("poststop: [x]", "poststop: must be one value, got a list"),
    *(
        (f'{hook}: "echo \'x"', f"{hook}: cannot be split into words: a quote is not closed (a program and its arg")
        for hook in HOOKS
    ),
    ("poststop: 'x\\'", "poststop: cannot be split into words: nothing follows the backslash at its end"),
    ("hook_timeout: -1", "hook_timeout: cannot be negative, got -1 (seconds, e.g. 2.5)"),
    ("hook_failure: abrt", "hook_failure: cannot read 'abrt' (did you mean 'abort'?)"),
    ("log_format: xml", "log_format: cannot read 'xml' (raw, prefix, json)"),
    ("orphans: leave", "orphans: cannot read 'leave' (kill, warn, keep)"),
    ("adopt: never", "adopt: cannot read 'never' (yes, no, kill)"),
    ("user_environment: maybe", "user_environment: cannot read 'maybe' as yes or no"),
    ("environment_file: [a: b]", "environment_file: must be one value, got a mapping"),
    ("environment_file: '-'", "environment_file: cannot be empty"),
    ("uid: ghost", "uid: cannot find user 'ghost' (an existing user name or number)"),
    ("uid: 12345", "uid: cannot find user '12345' (a number without an account needs a gid)"),
    ("uid: -1", "uid: cannot find user '-1'"),
    ("uid: 4294967295", "uid: cannot find user '4294967295'"),
    ("uid: 99999999999999999999", "uid: cannot find user '99999999999999999999'"),
    ("gid: ghosts", "gid: cannot find group 'ghosts' (a name or number from the group database)"),
    ("gid: 4294967295", "gid: cannot find group '4294967295'"),
    ("{user: web:webs, gid: nogroup}", "gid: a group is given with the user, too (keep one)"),
    ("{user: web, uid: web}", "uid: says the same as 'user', which is given, too"),
]


@pytest.mark.parametrize(("option", "wanted"), WRONG)
def test_what_is_wrong_has_its_place(option: str, wanted: str, tmp_path: Path) -> None:
    written = option.strip("{}")
    (problem,) = problems(tmp_path, f"programs:\n  a: {{command: x, {written}}}\n")
    assert problem.startswith("2:")
    assert f"programs.a.{wanted.replace('HERE', str(tmp_path))}" in problem


def test_a_command_that_no_shell_could_split_is_refused_but_in_supervisors_dialect(tmp_path: Path) -> None:
    """Supervisor starts with it; a hook is none of its options."""
    for end, what in (("'", "a quote is not closed"), ("\\", "nothing follows the backslash at its end")):
        assert problems(tmp_path, f"[a]\ncommand=echo x{end}\n", "t.ini")[0].startswith(
            f"2:1: a.command: cannot be split into words: {what}"
        )
    section = "[supervisord]\n[program:a]\n"
    lines = "command=echo 'x %(process_num)d\nnumprocs=2\nprocess_name=%(process_num)d\n"
    loaded = load(tmp_path, section + lines, "t.conf")
    reason = "cannot be split into words: a quote is not closed"
    assert loaded.warnings == (f"{tmp_path}/t.conf:3:1: program:a.command: {reason} (it will not start)",)
    assert loaded.settings.groups[0].processes[1].command == "echo 'x 1"
    assert problems(tmp_path, f"{section}command=x\nprestart=echo 'x\n", "t.conf")[0].startswith(
        f"4:1: program:a.prestart: {reason}"
    )


def test_the_same_in_supervisors_dialect_where_they_change_no_default(tmp_path: Path) -> None:
    (tmp_path / "web.env").touch()
    written = (
        "prestart=migrate %(process_num)d\nhook_timeout=0.5\nhook_failure=abort\nlog_format=json\norphans=warn\n"
        "gid=nogroup\n"
        "environment_file=web.env, -/no/%(program_name)s.env\nuser_environment=true\nenvironment=B=1,A=2\nuser=web\n"
    )
    read = load(tmp_path, f"[supervisord]\nenvironment=Z=1\n[program:a]\ncommand=x\n{written}", "t.conf")
    assert read.warnings == ()
    assert read.settings.groups[0].processes[0] == ProcessSpec(
        name="a",
        group="a",
        program="a",
        command="x",
        restore_signals=False,
        prestart="migrate 0",
        hook_timeout=0.5,
        hook_failure="abort",
        log_format="json",
        orphans="warn",
        user="web",
        uid=1000,
        gid=65534,
        environment={"Z": "1", "B": "1", "A": "2"},
        environment_own=("A", "B"),
        environment_file=(
            EnvironmentFile(f"{tmp_path}/web.env"),
            EnvironmentFile("/no/a.env", optional=True),
        ),
        user_environment=True,
    )
    for line, wanted in (
        ("hook_timeout=x", "a.hook_timeout: cannot read 'x' as a number of seconds"),
        ("log_format=xml", "a.log_format: cannot read 'xml'"),
        ("gid=ghosts", "a.gid: cannot find group 'ghosts'"),
    ):
        (problem,) = problems(tmp_path, f"[supervisord]\n[program:a]\ncommand=x\n{line}\n", "t.conf")
        assert wanted in problem
    unknown = load(tmp_path, "[supervisord]\n[program:a]\ncommand=x\nuid=web\n", "t.conf")
    assert "program:a.uid: unknown option, ignored" in unknown.warnings[0]
    assert unknown.settings.groups[0].processes[0].uid is None


def test_a_file_of_variables_that_is_missing_is_warned_of_with_its_place(tmp_path: Path) -> None:
    """It concerns one program, and perhaps is there when that program starts."""
    (tmp_path / "b.env").touch()
    native = "programs:\n  a:\n    command: x\n    numprocs: 3\n    environment_file: [no.env, b.env, -c.env, d.env]\n"
    supervisors = "[supervisord]\n[program:a]\ncommand=x\nenvironment_file=no.env,b.env,-c.env,d.env\n"
    for text, name, place in (
        (native, "t.yaml", "5:5: programs.a"),
        (supervisors, "t.conf", "4:1: program:a"),
    ):
        read = load(tmp_path, text, name)
        assert read.warnings == tuple(
            f"{tmp_path}/{name}:{place}.environment_file: there is no file '{tmp_path}/{missing}.env' "
            f"(-{tmp_path}/{missing}.env if it may be missing)"
            for missing in ("no", "d")
        )
        files = read.settings.groups[0].processes[0].environment_file
        assert [(file.path, file.optional) for file in files] == [
            (f"{tmp_path}/{each}.env", each == "c") for each in ("no", "b", "c", "d")
        ]


def test_a_program_that_joins_without_its_file_is_warned_of_too(tmp_path: Path) -> None:
    basis = load(tmp_path, "programs: {a: {command: x}}\n").basis
    (warning,) = read_addition(basis, "g", "p", {"command": "x", "environment_file": "no.env"}).warnings
    assert f"p.environment_file: there is no file '{tmp_path}/no.env'" in warning


def test_listeners_and_fastcgi_programs_have_them_too(tmp_path: Path) -> None:
    text = """\
eventlisteners: {mail: {command: x, events: TICK_5, prestart: a, log_format: json, environment_file: -e}}
fcgi-programs: {app: {command: x, socket: 'tcp://127.0.0.1:1', poststop: b, hook_failure: ignore}}
"""
    mail, app = (group.processes[0] for group in settings(tmp_path, text).groups)
    assert (mail.prestart, mail.log_format, mail.environment_file[0].optional) == ("a", "json", True)
    assert (app.poststop, app.hook_failure) == ("b", "ignore")
    for options in (PROGRAM, LISTENER, FCGI):
        assert {option.name for option in options} >= OWN


def test_who_cannot_have_a_terminal(tmp_path: Path) -> None:
    text = """\
eventlisteners: {mail: {command: x, events: TICK_5, tty: true}}
fcgi-programs: {app: {command: x, socket: 'tcp://127.0.0.1:1', tty: true}}
"""
    assert [problem.partition(": ")[2] for problem in problems(tmp_path, text)] == [
        "eventlisteners.mail.tty: cannot be true for an event listener: standard input and output are how it answers",
        "fcgi-programs.app.tty: cannot be true for a FastCGI program: its standard input is the socket",
    ]
    conf = "[supervisord]\n[eventlistener:mail]\ncommand=x\nevents=TICK_5\ntty=true\n"
    assert "cannot be true for an event listener" in problems(tmp_path, conf, "t.conf")[0]


def test_a_terminal_has_one_stream_only(tmp_path: Path) -> None:
    conf = "[supervisord]\n[program:a]\ncommand=x\ntty=true\nstderr_logfile=/tmp/err\n"
    read = load(tmp_path, conf, "t.conf")
    assert "[program:a], tty=true but stderr_logfile has also been set to a filename" in read.warnings[0]
    spec = read.settings.groups[0].processes[0]
    assert (spec.tty, spec.redirect_stderr, spec.stderr_logfile) == (True, True, None)


def test_own_names_are_kept_only_beside_files_of_variables(tmp_path: Path) -> None:
    assert one(tmp_path, "env: {A: 1}").environment_own == ()
    spec = one(tmp_path, "environment_file: -e\n    env: {B: 1, A: 2}")
    assert spec.environment_own == ("A", "B")


def test_a_group_without_a_user(tmp_path: Path) -> None:
    text = "taskmaster: {{uid: web}}\nprograms: {{a: {{command: x, {0}}}}}\n"
    spec = settings(tmp_path, text.format("gid: nogroup")).groups[0].processes[0]
    assert (spec.user, spec.uid, spec.gid) == ("web", 1000, 65534)
    assert one(tmp_path, "gid: nogroup").uid is None


def test_user_and_group_of_the_daemon(tmp_path: Path) -> None:
    read = settings(tmp_path, "taskmaster: {user: 'web:nogroup'}\nprograms: {a: {command: x}}\n")
    assert (read.daemon.user, read.daemon.uid, read.daemon.gid) == ("web:nogroup", 1000, 65534)
    supervisors = "[supervisord]\nuser=web:nogroup\n[program:a]\ncommand=x\n"
    assert "Invalid user name web:nogroup" in problems(tmp_path, supervisors, "t.conf")[0]


def test_where_what_outlives_the_daemon_is(tmp_path: Path) -> None:
    programs = "programs: {a: {command: x}}\n"
    assert settings(tmp_path, programs).daemon.statedir == "/var/lib/taskmaster"
    assert settings(tmp_path, f"taskmaster: {{statedir: s}}\n{programs}").daemon.statedir == f"{tmp_path}/s"
    conf = "[supervisord]\n{}\n[program:a]\ncommand=x\n"
    assert settings(tmp_path, conf.format(""), "t.conf").daemon.statedir == "/tmp"
    assert settings(tmp_path, conf.format("childlogdir=/var/log"), "t.conf").daemon.statedir == "/var/log"
    assert settings(tmp_path, conf.format("statedir=%(here)s/s"), "t.conf").daemon.statedir == f"{tmp_path}/s"


def test_what_outlives_the_daemon_is_not_where_others_could_write(tmp_path: Path) -> None:
    def statedir(of_supervisord: str = "", *, uid: int = 0, unsafe: str = "", shared: str = "", state: str = "") -> str:
        host = made_up_host(uid=uid)
        host = msgspec.structs.replace(
            host,
            unsafe_directory=lambda path, uids: "anybody can write there" if path == unsafe else None,
            open_to_all=lambda path: path == shared,
            places=host.places._replace(state=state) if state else host.places,
        )
        text = f"[supervisord]\n{of_supervisord}\n[program:a]\ncommand=x\n"
        return settings(tmp_path, text, "t.conf", host=host).daemon.statedir

    ours, logs = "/var/lib/taskmaster", "childlogdir=/var/log"
    assert statedir(logs) == "/var/log"
    assert statedir(logs, unsafe="/var/log") == ours
    assert statedir(shared="/tmp") == ours
    assert statedir(shared="/tmp", uid=1000) == ours
    assert statedir("user=root", shared="/tmp") == ours
    assert statedir("user=web", shared="/tmp") == "/tmp", "that user has no place of its own that we know of"
    assert statedir(shared="/tmp", uid=1000, state="/tmp/taskmaster-1000/taskmaster") == "/tmp"
    assert statedir("statedir=/srv", shared="/srv") == "/srv", "as it was said"


@pytest.mark.parametrize("user", ["", "user: root"])
def test_keeping_root_to_spawn_wants_a_user(user: str, tmp_path: Path) -> None:
    text = "taskmaster:\n  keep_root_to_spawn: yes\n  {}\nprograms: {{a: {{command: x}}}}\n"
    said = "keep_root_to_spawn: means nothing while the daemon stays the superuser (say with 'user' whom it becomes)"
    assert problems(tmp_path, text.format(user)) == [f"2:3: taskmaster.{said}"]
    assert settings(tmp_path, text.format("user: web")).daemon.keep_root_to_spawn
    conf = f"[supervisord]\nkeep_root_to_spawn=1\n{user.replace(': ', '=')}\n[program:a]\ncommand=x\n"
    assert load(tmp_path, conf, "t.conf").warnings == (f"{tmp_path}/t.conf:2:1: supervisord.{said}",)
    flagged = made_up_host(overrides={"user": "web"})
    assert load(tmp_path, text.format(user), host=flagged).settings.daemon.keep_root_to_spawn


def test_when_a_change_applies() -> None:
    effects = {option.name: option.effect for option in PROGRAM if option.name in OWN}
    assert {name for name, effect in effects.items() if effect is Effect.LIVE} == {
        *HOOKS,
        "hook_timeout",
        "hook_failure",
        "log_format",
        "adopt",
        "essential",
    }
    assert {name for name, effect in effects.items() if effect is Effect.NEXT_START} == {"environment_file", "orphans"}


def test_options_supervisor_does_not_have_are_read_alike_in_both_dialects() -> None:
    assert {option.name for option in PROGRAM if option.kind.supervisor is None} == OWN

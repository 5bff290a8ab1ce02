"""The native dialect: synonyms, kinds of value, defaults, and every problem with its place."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.hosts import made_up_host
from tmd.config.host import Host
from tmd.config.load import Loaded, load_file
from tmd.config.settings import AUTO, Autorestart, Dialect, ProcessSpec, ServerSpec, Settings
from tmd.tree.problems import ConfigRefused
from tmd.wire.levels import Level


def load(tmp_path: Path, text: str, name: str = "t.yaml", host: Host | None = None) -> Loaded:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_file(str(path), host or made_up_host())


def settings(tmp_path: Path, text: str, name: str = "t.yaml", host: Host | None = None) -> Settings:
    return load(tmp_path, text, name, host).settings


def problems(tmp_path: Path, text: str, name: str = "t.yaml", host: Host | None = None) -> list[str]:
    with pytest.raises(ConfigRefused) as caught:
        load(tmp_path, text, name, host)
    prefix = f"{tmp_path / name}:"
    return [line.removeprefix(prefix) for line in caught.value.text.splitlines()]


def one(tmp_path: Path, option: str, name: str = "t.yaml") -> ProcessSpec:
    text = f"[a]\ncommand=x\n{option}\n" if name.endswith("ini") else f"programs:\n  a:\n    command: x\n    {option}\n"
    return settings(tmp_path, text, name).groups[0].processes[0]


YAML_VALUES: list[tuple[str, str, Any]] = [
    ("workingdir: /tmp", "directory", "/tmp"),
    ("starttime: 2.5", "startsecs", 2.5),
    ("starttime: 500ms", "startsecs", 0.5),
    ("startsecs: 10s", "startsecs", 10.0),
    ("stoptime: 2m", "stopwaitsecs", 120.0),
    ("stopwaitsecs: 1h", "stopwaitsecs", 3600.0),
    ("stdout: NONE", "stdout_logfile", None),
    ("stderr: auto", "stderr_logfile", AUTO),
    ("stdout: ~", "stdout_logfile", None),
    ("stdout: /tmp/x.log", "stdout_logfile", "/tmp/x.log"),
    ("env: {A: 1, B: x y, C: '', D: on}", "environment", {"A": "1", "B": "x y", "C": "", "D": "on"}),
    ("""env: 'A=1,B="x,y"'""", "environment", {"A": "1", "B": "x,y"}),
    ("env: {A: '%(program_name)s', B: '%(ENV_COLOUR)s'}", "environment", {"A": "a", "B": "blue"}),
    ("autorestart: always", "autorestart", Autorestart.ALWAYS),
    ("autorestart: never", "autorestart", Autorestart.NEVER),
    ("autorestart: unexpected", "autorestart", Autorestart.UNEXPECTED),
    ("autorestart: on", "autorestart", Autorestart.ALWAYS),
    ("autorestart: off", "autorestart", Autorestart.NEVER),
    ("autorestart: true", "autorestart", Autorestart.ALWAYS),
    ("stopsignal: SIGTERM", "stopsignal", 15),
    ("stopsignal: usr1", "stopsignal", 10),
    ("stopsignal: 9", "stopsignal", 9),
    ("umask: 022", "umask", 0o22),
    ('umask: "022"', "umask", 0o22),
    ("umask: 0o22", "umask", 0o22),
    ("umask: 22", "umask", 0o22),
    ("exitcodes: 2", "exitcodes", (2,)),
    ("exitcodes: [0, 2]", "exitcodes", (0, 2)),
    ('exitcodes: "0,2"', "exitcodes", (0, 2)),
    ("exitcodes: []", "exitcodes", ()),
    ("user: web", "uid", 1000),
    ("user: web:nogroup", "gid", 65534),
    ("user: 1000", "user", "1000"),
    ("stdout_logfile_maxbytes: 2K", "stdout_logfile_maxbytes", 2048),
    ("stdout_logfile_maxbytes: 1 MiB", "stdout_logfile_maxbytes", 1024**2),
    ("stdout_logfile_maxbytes: 0", "stdout_logfile_maxbytes", 0),
    ("directory: sub/../dir", "directory", "HERE/dir"),
    ("directory: ~/x", "directory", "/home/web/x"),
    ("directory: '%(here)s/x'", "directory", "HERE/x"),
    ("serverurl: AUTO", "serverurl", None),
    ("serverurl: http://x:1", "serverurl", "http://x:1"),
    ("priority: -5", "priority", -5),
    ("process_name: '%(program_name)s-%(process_num)d'", "name", "a-0"),
]


@pytest.mark.parametrize(("option", "field", "wanted"), YAML_VALUES)
def test_values(option: str, field: str, wanted: Any, tmp_path: Path) -> None:
    if isinstance(wanted, str):
        wanted = wanted.replace("HERE", str(tmp_path))
    assert getattr(one(tmp_path, option), field) == wanted


SYNONYMS = {
    "cmd": ("command", "y"),
    "workingdir": ("directory", "/tmp"),
    "starttime": ("startsecs", "3"),
    "stoptime": ("stopwaitsecs", "3"),
    "stdout": ("stdout_logfile", "NONE"),
    "stderr": ("stderr_logfile", "NONE"),
    "env": ("environment", "A=1"),
}


@pytest.mark.parametrize("synonym", SYNONYMS)
@pytest.mark.parametrize("name", ["t.yaml", "t.ini"])
def test_a_synonym_is_its_option_and_not_beside_it(synonym: str, name: str, tmp_path: Path) -> None:
    option, value = SYNONYMS[synonym]
    shape = "[a]\n{}\n" if name.endswith("ini") else "programs:\n  a:\n    {}\n"
    between, indent = ("=", "") if name.endswith("ini") else (": ", "    ")
    command = "" if option == "command" else f"\n{indent}command{between}x"
    written = [shape.format(f"{word}{between}{value}{command}") for word in (synonym, option)]
    assert settings(tmp_path, written[0], name) == settings(tmp_path, written[1], name)
    both = shape.format(f"{option}{between}{value}\n{indent}{synonym}{between}{value}{command}")
    assert len(problems(tmp_path, both, name)) == 1
    assert f"{synonym}: says the same as '{option}', which is given, too" in problems(tmp_path, both, name)[0]


def test_defaults(tmp_path: Path) -> None:
    read = settings(tmp_path, "programs: {a: {command: x}}")
    assert read.dialect is Dialect.NATIVE
    assert read.daemon.identifier == "taskmaster"
    assert read.daemon.logfile == "/var/log/taskmaster/tmd.log"
    assert read.daemon.pidfile == "/run/taskmaster/tmd.pid"
    assert read.daemon.childlogdir == "/var/log/taskmaster"
    assert read.servers == (ServerSpec(section="socket", family="unix", file="/run/taskmaster/tmd.sock"),)
    spec = read.groups[0].processes[0]
    assert spec == ProcessSpec(
        name="a",
        group="a",
        program="a",
        command="x",
        stopasgroup=True,
        killasgroup=True,
        restore_signals=True,
        user_environment=True,
        orphans="kill",
    )


def test_supervisor_defaults(tmp_path: Path) -> None:
    read = settings(tmp_path, "[supervisord]\n[program:a]\ncommand=x\n", "t.conf")
    assert read.dialect is Dialect.SUPERVISOR
    assert read.daemon.logfile == "/srv/supervisord.log"
    assert read.servers == ()
    assert read.groups[0].processes[0] == ProcessSpec(
        name="a", group="a", program="a", command="x", restore_signals=False
    )


def test_several_processes_are_named_and_ordered_by_number(tmp_path: Path) -> None:
    read = settings(tmp_path, "programs: {a: {command: 'x %(process_num)s/%(numprocs)s', numprocs: 101}}")
    specs = read.groups[0].processes
    assert [spec.name for spec in specs[:2]] == ["a_00", "a_01"]
    assert specs[-1].name == "a_100"
    assert specs[7].command == "x 7/101"
    assert [spec.process_num for spec in specs] == list(range(101))


PROBLEMS = [
    ("startsecs: -1", "4:5: programs.a.startsecs: cannot be negative, got -1 (seconds, e.g. 2.5)"),
    ("starttime: soon", "4:5: programs.a.starttime: cannot read 'soon' as a number of seconds (seconds, e.g. 2.5)"),
    ("startsecs: .nan", "4:5: programs.a.startsecs: cannot read '.nan' as a number of seconds (seconds, e.g. 2.5)"),
    ("startsecs: nan", "4:5: programs.a.startsecs: cannot be more than ten years, got nan (seconds, e.g. 2.5)"),
    ("startsecs: [1]", "4:5: programs.a.startsecs: must be one value, got a list (seconds, e.g. 2.5)"),
    ("startsecs:", "4:5: programs.a.startsecs: must be one value, got nothing (seconds, e.g. 2.5)"),
    ("numprocs: -1", "4:5: programs.a.numprocs: cannot be negative, got -1 (a whole number, e.g. 3)"),
    ("numprocs: 1.5", "4:5: programs.a.numprocs: cannot read '1.5' as a whole number (a whole number, e.g. 3)"),
    ("numprocs: 1000000", "4:5: programs.a.numprocs: cannot be more than 100000, got 1000000 (a whole number, e.g. 3)"),
    ("startretries: -1", "4:5: programs.a.startretries: cannot be negative, got -1 (a whole number, e.g. 3)"),
    ("autostart: maybe", "4:5: programs.a.autostart: cannot read 'maybe' as yes or no (true or false)"),
    ("autorestart: often", "4:5: programs.a.autorestart: cannot read 'often' (always, never or unexpected)"),
    ("stopsignal: NOPE", "4:5: programs.a.stopsignal: cannot read 'NOPE' as a signal (e.g. TERM, SIGTERM or 15)"),
    ("stopsignal: 0", "4:5: programs.a.stopsignal: cannot read '0' as a signal (e.g. TERM, SIGTERM or 15)"),
    ("stopsignal: _DFL", "4:5: programs.a.stopsignal: cannot read '_DFL' as a signal (e.g. TERM, SIGTERM or 15)"),
    ("umask: 9", "4:5: programs.a.umask: cannot read '9' as an octal number (octal, e.g. 022)"),
    ("umask: 77777", "4:5: programs.a.umask: must be between 0 and 7777, got 77777 (octal, e.g. 022)"),
    (
        "exitcodes: [0, 256]",
        "4:5: programs.a.exitcodes: cannot be more than 255, got 256 (numbers from 0 to 255, e.g. 0,2)",
    ),
    ("user: ghost", "4:5: programs.a.user: cannot find user 'ghost' (an existing user name or number)"),
    ("stdout_logfile_maxbytes: 5 cows", "4:5: programs.a.stdout_logfile_maxbytes: cannot read '5 cows' as a size"),
    ("stdout_logfile_maxbytes: -5MB", "4:5: programs.a.stdout_logfile_maxbytes: cannot be negative, got -5MB"),
    ("stdout: /no/where/x", "cannot use '/no/where/x': there is no directory '/no/where' (make the directory first)"),
    ("env: [A]", "4:5: programs.a.env: must be one value, got a list"),
    ("env: {A: [1]}", """A must be one value, got a list (write "" for an empty one)"""),
    ("env: A=a b c", "4:5: programs.a.env: cannot read 'A=a b c' as variables: a value may need quotes"),
    ("serverurl: nonsense", "4:5: programs.a.serverurl: cannot read 'nonsense' as the address of a server"),
    ("process_name: a b", "4:5: programs.a.process_name: cannot name a process 'a b' (no blanks, no : and no /"),
    ("directory: '%(process_nums)s'", "no value for 'process_nums' (known here: group_name, here, host_node_name"),
    ("directory: '%(ENV_NOPE)s'", "no value for 'ENV_NOPE' (the environment has no variable 'NOPE')"),
    ("directory: 100%", "cannot expand '100%': a lone percent sign (write %% for one: 100%%)"),
    ("directory: '%(here)d'", "'here' is not a number (write %(here)s)"),
    ("strtsecs: 1", "4:5: programs.a.strtsecs: unknown option (did you mean 'startsecs'?)"),
    ("killasgroup: false", "Cannot set stopasgroup=true and killasgroup=false (leave out killasgroup)"),
    ("command: x", "4:5: programs.a.command: given twice (first at line 3: keep one)"),
]


@pytest.mark.parametrize(("option", "wanted"), PROBLEMS)
def test_problems(option: str, wanted: str, tmp_path: Path) -> None:
    text = f"programs:\n  a:\n    command: x\n    {option}\n"
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert wanted in found[0]


def test_all_problems_at_once_in_order_of_place(tmp_path: Path) -> None:
    text = """\
programs:
  web:
    startsecs: -1
    numprocs: 2
    process_name: web
    bogus: 1
  "b c": {command: ""}
groups:
  g: {programs: [wev], priority: high}
  web: {}
taskmaster:
  loglevel: inf
  http: [0.0.0.0:80, {host: 127.0.0.1}, x]
  socket: {file: /x, chmod: 9, usernam: y}
extra: 1
"""
    found = [line.partition(":")[::2] for line in problems(tmp_path, text)]
    lines = [int(line) for line, _ in found]
    assert lines == sorted(lines)
    text_of_all = "\n".join(problems(tmp_path, text))
    for wanted in (
        "2:3: programs.web.command: is missing",
        "2:3: programs.web: a group has the name 'web', too",
        "3:5: programs.web.startsecs: cannot be negative",
        "5:5: programs.web.process_name: %(process_num) must be present within process_name when numprocs > 1",
        "6:5: programs.web.bogus: unknown option",
        "7:3: programs.b c: cannot name a program 'b c'",
        "7:11: programs.b c.command: cannot be empty",
        "9:7: groups.g.programs: there is no program 'wev' (did you mean 'web'?)",
        "9:24: groups.g.priority: cannot read 'high' as a whole number",
        "12:3: taskmaster.loglevel: unknown level 'inf' (did you mean 'info'?)",
        "13:3: taskmaster.http[0].port: anybody who can reach 0.0.0.0, port 80, may run programs here",
        "13:3: taskmaster.http[1].port: is missing",
        "13:3: taskmaster.http[2].port: cannot read 'x' as a port",
        "14:22: taskmaster.socket.chmod: cannot read '9' as an octal number",
        "14:32: taskmaster.socket.usernam: unknown option (did you mean 'username'?)",
        "15:1: extra: unknown section",
    ):
        assert wanted in text_of_all


LISTENERS = [
    ("", [("socket", "/run/taskmaster/tmd.sock", "", 0)]),
    ("socket: false", []),
    ("socket: none", []),
    ("socket: x.sock", [("socket", "HERE/x.sock", "", 0)]),
    ("socket: {chmod: 0770}", [("socket", "/run/taskmaster/tmd.sock", "", 0)]),
    ("socket: no\n  http: 9001", [("http", "", "127.0.0.1", 9001)]),
    ("socket: no\n  http: :9001\n", None),
    ("socket: no\n  http: '*:9001'\n", None),
    ("socket: no\n  http: {port: 9001, host: '*'}\n", None),
    ("socket: no\n  http: LocalHost:9001", [("http", "", "localhost", 9001)]),
    ("socket: no\n  http: {port: 1, username: u, password: p, host: '*'}", [("http", "", "", 1)]),
    ("socket: no\n  http: [1, 127.0.0.2:2]", [("http[0]", "", "127.0.0.1", 1), ("http[1]", "", "127.0.0.2", 2)]),
    ("socket: no\n  http: 1, 127.0.0.2:2", [("http[0]", "", "127.0.0.1", 1), ("http[1]", "", "127.0.0.2", 2)]),
    ("socket: no\n  http: false", []),
    ("socket: no\n  http: {port: 1, username: u}\n", None),
    ("socket: [x]", None),
]


@pytest.mark.parametrize(("options", "wanted"), LISTENERS)
def test_listeners(options: str, wanted: list[Any] | None, tmp_path: Path) -> None:
    text = f"taskmaster:\n  {options}\nprograms: {{a: {{command: x}}}}\n"
    if wanted is None:
        assert problems(tmp_path, text)
        return
    found = [(spec.section, spec.file, spec.host, spec.port) for spec in settings(tmp_path, text).servers]
    assert found == [tuple(str(tmp_path / x[5:]) if str(x).startswith("HERE/") else x for x in each) for each in wanted]


def test_ini_server_sections(tmp_path: Path) -> None:
    text = (
        "[a]\ncommand=x\n[unix_http_server]\nfile=%(here)s/s\nchmod=0770\nchown=web:webs\n"
        "[inet_http_server:b]\nport=127.0.0.1:9\nusername=u\npassword=p\n"
    )
    assert settings(tmp_path, text, "t.ini").servers == (
        ServerSpec(
            section="unix_http_server",
            family="unix",
            file=f"{tmp_path}/s",
            chmod=0o770,
            owner_uid=1000,
            owner_gid=1001,
        ),
        ServerSpec(section="inet_http_server:b", family="inet", host="127.0.0.1", port=9, username="u", password="p"),
    )
    assert "all interfaces" in problems(tmp_path, "[a]\ncommand=x\n[inet_http_server]\nport=9\n", "t.ini")[0]


def test_the_daemon(tmp_path: Path) -> None:
    text = f"""\
taskmaster:
  logfile: {tmp_path}/a.log
  pidfile: a.pid
  childlogdir: .
  loglevel: debug
  umask: 027
  directory: /tmp
  nodaemon: yes
  user: web
  identifier: '%(here)s'
  minfds: 5
  uid: nobody
  gid: webs
  env: {{A: 1, H: '%(host_node_name)s'}}
programs:
  a: {{command: 'x %(ENV_A)s', env: {{B: '%(ENV_A)s2'}}}}
  b: {{command: x, user: web}}
ctl: {{serverurl: unix:///x, username: u, password: p, prompt: q, history_file: ~/h}}
"""
    read = settings(tmp_path, text)
    daemon = read.daemon
    assert (daemon.logfile, daemon.pidfile, daemon.childlogdir) == (
        f"{tmp_path}/a.log",
        f"{tmp_path}/a.pid",
        str(tmp_path),
    )
    assert (daemon.loglevel, daemon.umask, daemon.directory, daemon.nodaemon) == (Level.DEBG, 0o27, "/tmp", True)
    assert (daemon.user, daemon.uid, daemon.gid, daemon.minfds) == ("web", 1000, 1001, 5)
    assert daemon.identifier == str(tmp_path)
    first, second = (group.processes[0] for group in read.groups)
    assert (first.uid, first.gid, first.user) == (65534, 1001, "nobody")
    assert first.environment == {"A": "1", "H": "node-1", "B": "12"}
    assert first.command == "x 1"
    assert (second.uid, second.gid, second.user) == (1000, None, "web")
    assert (read.ctl.serverurl, read.ctl.prompt, read.ctl.history_file) == ("unix:///x", "q", "/home/web/h")


def test_the_command_line_beats_the_file(tmp_path: Path) -> None:
    host = made_up_host(overrides={"loglevel": "debug", "logfile": "x.log", "nodaemon": "true", "user": "web"})
    for name, text in (
        ("t.yaml", "taskmaster: {loglevel: error, logfile: y.log}"),
        ("t.conf", "[supervisord]\nloglevel=error\nlogfile=y.log\n"),
    ):
        daemon = settings(tmp_path, text, name, host).daemon
        assert (daemon.loglevel, daemon.logfile, daemon.nodaemon) == (Level.DEBG, "/srv/x.log", True)
        assert (daemon.user, daemon.uid, daemon.gid) == ("web", 1000, 1001)


def test_a_bad_flag_is_named_first(tmp_path: Path) -> None:
    host = made_up_host(overrides={"loglevel": "foo"})
    with pytest.raises(ConfigRefused) as caught:
        settings(tmp_path, "[supervisord]\nminfds=x\n", "t.conf", host)
    assert caught.value.supervisor_text == "invalid value for --loglevel 'foo': bad logging level name 'foo'"


def test_groups_and_shadows(tmp_path: Path) -> None:
    text = "programs: {a: {command: x}, b: {command: y, priority: 1}, c: {command: z}}\ngroups: {g: {programs: [c, a]}}"
    read = settings(tmp_path, text)
    assert [(group.name, group.kind, group.priority) for group in read.groups] == [
        ("b", "program", 1),
        ("g", "group", 999),
    ]
    assert [spec.id.namespec for spec in read.groups[1].processes] == ["g:c", "g:a"]
    shadowed = settings(
        tmp_path,
        "[supervisord]\n[program:a]\ncommand=x\n[program:b]\ncommand=y\n[group:a]\nprograms=b\npriority=1\n",
        "t.conf",
    )
    assert [(group.name, group.kind) for group in shadowed.groups] == [("a", "group")]
    assert [(group.name, group.kind) for group in shadowed.shadowed] == [("a", "program")]


def test_two_processes_of_one_name(tmp_path: Path) -> None:
    text = (
        "programs: {a: {command: x, process_name: p}, b: {command: y, process_name: p}}\n"
        "groups: {g: {programs: [a, b]}}"
    )
    assert "two processes are named 'p'" in problems(tmp_path, text)[0]
    loaded = load(
        tmp_path,
        "[supervisord]\n[program:a]\ncommand=x\nprocess_name=p\n[program:b]\ncommand=y\nprocess_name=p\n"
        "[group:g]\nprograms=a,b\n",
        "t.conf",
    )
    assert [spec.command for spec in loaded.settings.groups[0].processes] == ["y"]
    assert "two processes are named 'p', the last one counts" in loaded.warnings[0]


def test_supervisor_warnings_of_ours(tmp_path: Path) -> None:
    text = """\
[supervisord]
loglvel=info
[program:a]
command=x
starstecs=1
[Program:b]
[eventlistner:e]
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
retries = 1
[ctlplugin:other]
[fcgi-programs]
[inet_http_server]
port=9001
[supervisorctl]
serverurl=%(ENV_NOPE)s
[DEFAULT]
nonsense=1
"""
    loaded = load(tmp_path, text, "t.conf")
    prefix = f"{tmp_path}/t.conf:"
    assert [
        line.removeprefix(prefix).partition(" (known here")[0].partition("Available")[0] for line in loaded.warnings
    ] == [
        "2:1: supervisord.loglvel: unknown option, ignored (did you mean 'loglevel'?)",
        "10:1: rpcinterface:supervisor.retries: unknown option, ignored (known: supervisor.rpcinterface_factory)",
        "5:1: program:a.starstecs: unknown option, ignored (did you mean 'startsecs'?)",
        "14:1: inet_http_server.port: anybody who can reach all interfaces, port 9001, may run programs here: there is "
        "no password (set username and password, or listen on 127.0.0.1:9001 only)",
        "16:1: supervisorctl.serverurl: Format string '%(ENV_NOPE)s' for 'supervisorctl.serverurl' contains names "
        "('ENV_NOPE') which cannot be expanded. ",
        "6:1: [Program:b]: unknown section, ignored (did you mean 'program'?)",
        "7:1: [eventlistner:e]: unknown section, ignored (did you mean 'eventlistener'?)",
        "12:1: [fcgi-programs]: unknown section, ignored (known: DEFAULT, include, inet_http_server, supervisorctl, "
        "supervisord, unix_http_server)",
        "18:1: DEFAULT.nonsense: unknown option, ignored",
    ]


def test_the_words_of_supervisor_have_a_place_too(tmp_path: Path) -> None:
    text = "[supervisord]\n[program:a]\ncommand=x\nstartsecs=2.5\n"
    path = tmp_path / "t.conf"
    reason = f"invalid literal for int() with base 10: '2.5' in section 'program:a' (file: '{path}')"
    assert problems(tmp_path, text, "t.conf") == [
        f"4:1: program:a.startsecs: {reason} (a whole number of seconds, e.g. 3)"
    ]


def test_here_is_where_the_value_is_written(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yaml").write_text("programs: {b: {command: '%(here)s/x', directory: y}}")
    read = settings(tmp_path, "taskmaster: {include: sub/*.yaml}\nprograms: {a: {command: '%(here)s/x'}}")
    assert [group.processes[0].command for group in read.groups] == [f"{tmp_path}/x", f"{tmp_path}/sub/x"]
    assert read.groups[1].processes[0].directory == f"{tmp_path}/sub/y"


def test_include_names_are_expanded(tmp_path: Path) -> None:
    (tmp_path / "blue.yaml").write_text("programs: {b: {command: x}}")
    assert settings(tmp_path, "taskmaster: {include: '%(ENV_COLOUR)s.yaml'}").groups[0].name == "b"
    assert "no value for 'nope'" in problems(tmp_path, "taskmaster: {include: '%(nope)s'}")[0]


def test_every_format_says_the_same(tmp_path: Path) -> None:
    texts = {
        "t.yaml": "taskmaster: {http: 9001}\nprograms:\n  a: {cmd: x, umask: 022, numprocs: 2, env: {A: '1'}}\n"
        "groups: {g: {programs: [a]}}\n",
        "t.json": '{"taskmaster": {"http": 9001}, "programs": {"a": {"cmd": "x", "umask": "022", "numprocs": 2, '
        '"env": {"A": "1"}}}, "groups": {"g": {"programs": ["a"]}}}',
        "t.toml": "[taskmaster]\nhttp = 9001\n[programs.a]\ncmd = 'x'\numask = 0o022\nnumprocs = 2\nenv = {A = '1'}\n"
        "[groups]\ng = {programs = ['a']}\n",
        "t.ini": "[taskmaster]\nhttp=9001\n[program:a]\ncmd=x\numask=022\nnumprocs=2\nenv=A=1\n[group:g]\nprograms=a\n",
        "u.ini": "[taskmaster]\nhttp=9001\n[a]\ncmd=x\numask=0o22\nnumprocs=2\nenv=A=1\n[group:g]\nprograms=a\n",
    }
    read = [settings(tmp_path, text, name) for name, text in texts.items()]
    assert all(each == read[0] for each in read)


def test_origins(tmp_path: Path) -> None:
    loaded = load(tmp_path, "programs:\n  web:\n    cmd: x\n")
    assert str(loaded.origins["programs.web.command"]) == f"{tmp_path}/t.yaml:3:5"
    assert loaded.files == (f"{tmp_path}/t.yaml",)


def test_no_programs_is_worth_a_word(tmp_path: Path) -> None:
    assert "there are no programs" in load(tmp_path, "taskmaster: {}").warnings[0]


def test_a_huge_width_costs_nothing(tmp_path: Path) -> None:
    assert "width too big" in problems(tmp_path, "[supervisord]\n[program:a]\ncommand=%(here)999999999s\n", "t.conf")[0]
    assert problems(tmp_path, "programs: {a: {command: '%(here)999999999s'}}")


def test_a_mistyped_number_of_processes(tmp_path: Path) -> None:
    text = "[supervisord]\n[program:a]\ncommand=x\nprocess_name=%(process_num)d\nnumprocs=1000000000\n"
    assert "cannot be more than 100000" in problems(tmp_path, text, "t.conf")[0]


def test_defaults_section_of_a_native_file(tmp_path: Path) -> None:
    read = settings(tmp_path, "[DEFAULT]\nautostart=no\n[a]\ncommand=x\n[b]\ncommand=y\nautostart=yes\n", "t.ini")
    assert [group.processes[0].autostart for group in read.groups] == [False, True]
    assert (
        "DEFAULT.autostrat: unknown option"
        in problems(tmp_path, "[DEFAULT]\nautostrat=no\n[a]\ncommand=x\n", "t.ini")[0]
    )


def test_keys_of_the_author(tmp_path: Path) -> None:
    text = "x-base: &base {umask: 077, numprocs: 2}\nprograms:\n  a:\n    <<: *base\n    command: x\n"
    assert [spec.umask for spec in settings(tmp_path, text).groups[0].processes] == [0o77, 0o77]

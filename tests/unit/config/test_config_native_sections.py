"""Event listeners, FastCGI programs and extensions in the native dialect, in every format."""

from pathlib import Path

import pytest

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_native import load, problems, settings
from tmd.config.settings import (
    DEFAULT_RESULT_HANDLER,
    Autorestart,
    ExtensionSpec,
    GroupSpec,
    PoolSpec,
    ProcessSpec,
    SocketSpec,
)

PLUGIN = "plugin.rpc:make"
HOST = made_up_host(resolvable=(PLUGIN, "plugin:judge"))

FORMATS = {
    "t.yaml": """\
programs: {web: {command: w}}
eventlisteners:
  mail:
    cmd: m
    events: [process_state, TICK_60]
    buffer_size: 5
    result_handler: plugin:judge
    ackwaitsecs: 1m
    autorestart: always
fcgi-programs:
  app:
    command: a
    socket: unix:///srv/%(program_name)s.sock
    socket_mode: 0770
    user: web
  api: {command: b, socket: 'tcp://127.0.0.1:9000', socket_backlog: 64, numprocs: 2}
groups:
  site: {programs: [web, api]}
rpcinterfaces:
  extra: {factory: 'plugin.rpc:make', depth: 3, Where: '%(here)s', on: yes}
  supervisor: {factory: 'supervisor.rpcinterface:make_main_rpcinterface'}
ctlplugins:
  more: {factory: 'nobody:looks', x: [1]}
""",
    "t.json": """\
{"programs": {"web": {"command": "w"}},
 "eventlisteners": {"mail": {"cmd": "m", "events": "process_state,TICK_60", "buffer_size": 5,
  "result_handler": "plugin:judge", "ackwaitsecs": 60, "autorestart": true}},
 "fcgi-programs": {
  "app": {"command": "a", "socket": "unix:///srv/%(program_name)s.sock", "socket_mode": "0770", "user": "web"},
  "api": {"command": "b", "socket": "tcp://127.0.0.1:9000", "socket_backlog": 64, "numprocs": 2}},
 "groups": {"site": {"programs": ["web", "api"]}},
 "rpcinterfaces": {"extra": {"supervisor.rpcinterface_factory": "plugin.rpc:make", "depth": "3", "where": "%(here)s",
  "on": "yes"}}}
""",
    "t.toml": """\
[programs.web]
command = "w"
[eventlisteners.mail]
cmd = "m"
events = ["process_state", "TICK_60"]
buffer_size = 5
result_handler = "plugin:judge"
ackwaitsecs = 60
autorestart = "always"
[fcgi-programs.app]
command = "a"
socket = "unix:///srv/%(program_name)s.sock"
socket_mode = 0o770
user = "web"
[fcgi-programs.api]
command = "b"
socket = "tcp://127.0.0.1:9000"
socket_backlog = 64
numprocs = 2
[groups.site]
programs = ["web", "api"]
[rpcinterfaces.extra]
factory = "plugin.rpc:make"
depth = 3
Where = "%(here)s"
on = "yes"
""",
    "t.ini": """\
[taskmaster]
[web]
command = w
[eventlistener:mail]
cmd = m
events = process_state, TICK_60
buffer_size = 5
result_handler = plugin:judge
ackwaitsecs = 60s
autorestart = always
[fcgi-program:app]
command = a
socket = unix:///srv/%(program_name)s.sock
socket_mode = 0770
user = web
[fcgi-program:api]
command = b
socket = tcp://127.0.0.1:9000
socket_backlog = 64
numprocs = 2
[group:site]
programs = web, api
[rpcinterface:extra]
factory = plugin.rpc : make
depth = 3
where = %(here)s
on = yes
[ctlplugin:more]
factory = nobody:looks
""",
}


def wanted(here: Path) -> tuple[GroupSpec, ...]:
    def spec(name: str, command: str, group: str = "", **fields: object) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            group=group or name,
            command=command,
            user_environment=True,
            orphans="kill",
            stopasgroup=True,
            killasgroup=True,
            **{"program": name, **fields},  # type: ignore[arg-type]
        )

    api = SocketSpec(family="inet", host="127.0.0.1", port=9000, backlog=64)
    app = SocketSpec(family="unix", path="/srv/app.sock", mode=0o770, owner_uid=-1)
    fcgi = {"kind": "fcgi-program", "program": "api", "socket": api}
    pool = PoolSpec(events=("PROCESS_STATE", "TICK_60"), buffer_size=5, result_handler="plugin:judge", ackwaitsecs=60.0)
    mail = spec("mail", "m", kind="eventlistener", autorestart=Autorestart.ALWAYS)
    return (
        GroupSpec(name="mail", kind="eventlistener", priority=-1, processes=(mail,), pool=pool),
        GroupSpec(
            name="app",
            kind="fcgi-program",
            processes=(spec("app", "a", kind="fcgi-program", socket=app, user="web", uid=1000),),
        ),
        GroupSpec(
            name="site",
            kind="group",
            processes=(
                spec("web", "w", "site"),
                spec("api_00", "b", "site", **fcgi),
                spec("api_01", "b", "site", process_num=1, **fcgi),
            ),
        ),
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, FORMATS[name], name, HOST)
    assert loaded.warnings == ()
    assert loaded.settings.groups == wanted(tmp_path)
    options = {"depth": "3", "where": str(tmp_path), "on": "yes"}
    assert loaded.settings.rpcinterfaces == (ExtensionSpec(name="extra", factory=PLUGIN, options=options),)


def test_defaults(tmp_path: Path) -> None:
    text = "eventlisteners: {l: {command: x, events: EVENT}}\nfcgi-programs: {f: {command: x, socket: 'unix://f'}}\n"
    pool, fcgi = settings(tmp_path, text).groups
    assert pool.pool == PoolSpec(
        events=("EVENT",), buffer_size=1024, result_handler=DEFAULT_RESULT_HANDLER, ackwaitsecs=300
    )
    assert pool.priority == -1
    assert pool.processes[0].priority == 999
    assert fcgi.processes[0].socket == SocketSpec(
        family="unix", path=f"{tmp_path}/f", backlog=None, mode=0o700, owner_uid=-1, owner_gid=-1
    )


@pytest.mark.parametrize(
    ("options", "owner"),
    [
        ("", (-1, -1)),
        ("user: nobody", (65534, 65534)),
        ("user: web", (-1, -1)),
        ("socket_owner: root", (0, -1)),
        ("socket_owner: 'root:webs', user: nobody", (0, 1001)),
    ],
)
def test_whose_the_socket_is(options: str, owner: tuple[int, int], tmp_path: Path) -> None:
    text = f"fcgi-programs: {{f: {{command: x, socket: 'unix:///s', {options}}}}}"
    socket = settings(tmp_path, text).groups[0].processes[0].socket
    assert socket is not None
    assert (socket.owner_uid, socket.owner_gid) == owner


LISTENER_PROBLEMS = [
    ("", "2:3: eventlisteners.l.events: is missing (e.g. events = PROCESS_STATE)"),
    ("events: []", "4:5: eventlisteners.l.events: is missing"),
    ("events: TICK_6", "4:5: eventlisteners.l.events: unknown event type 'TICK_6' (did you mean 'TICK_60'?)"),
    ("events: [{a: b}]", "4:5: eventlisteners.l.events: must be one value, got a mapping"),
    ("buffer_size: 0", "5:5: eventlisteners.l.buffer_size: cannot be less than 1, got 0 (a whole number, e.g. 1024)"),
    ("ackwaitsecs: -1", "5:5: eventlisteners.l.ackwaitsecs: cannot be negative, got -1 (seconds, e.g. 2.5)"),
    (
        "result_handler: no:where",
        "5:5: eventlisteners.l.result_handler: cannot import 'no:where' (there is no no:where)",
    ),
    ("result_handler: ''", "5:5: eventlisteners.l.result_handler: cannot be empty (module:attribute)"),
    (
        "redirect_stderr: yes",
        "5:5: eventlisteners.l.redirect_stderr: cannot be true for an event listener: standard output is",
    ),
    ("bufer_size: 3", "5:5: eventlisteners.l.bufer_size: unknown option (did you mean 'buffer_size'?)"),
    ("socket: tcp://a:1", "5:5: eventlisteners.l.socket: unknown option"),
]


@pytest.mark.parametrize(("option", "wanted"), LISTENER_PROBLEMS)
def test_problems_of_listeners(option: str, wanted: str, tmp_path: Path) -> None:
    events = "" if not option or "events" in option else "    events: EVENT\n"
    text = f"eventlisteners:\n  l:\n    command: x\n{events}" + (f"    {option}\n" if option else "")
    (found,) = problems(tmp_path, text)
    assert found.startswith(wanted)


FCGI_PROBLEMS = [
    ("", "2:3: fcgi-programs.f.socket: is missing (e.g. unix:///run/app.sock or tcp://127.0.0.1:9000)"),
    ("socket: 9000", "4:5: fcgi-programs.f.socket: cannot read '9000' as a socket (tcp://host:port or unix:///path)"),
    ("socket: 'tcp://:1'", "4:5: fcgi-programs.f.socket: cannot read 'tcp://:1' as a socket"),
    ("socket: 'tcp://a:b'", "4:5: fcgi-programs.f.socket: cannot read 'tcp://a:b' as a socket"),
    ("socket: 'tcp://a:0'", "4:5: fcgi-programs.f.socket: must have a port between 1 and 65535, got 'tcp://a:0'"),
    ("socket: 'tcp://a:1'\n    socket_mode: 0700", "5:5: fcgi-programs.f.socket_mode: socket_owner and socket_mode"),
    ("socket: 'tcp://a:1'\n    socket_owner: web", "5:5: fcgi-programs.f.socket_owner: socket_owner and socket_mode"),
    ("socket: 'unix://%(process_num)s'", "4:5: fcgi-programs.f.socket: cannot expand 'unix://%(process_num)s': no"),
    ("socket: unix:///x\n    socket_backlog: 0", "5:5: fcgi-programs.f.socket_backlog: cannot be less than 1, got 0"),
    ("socket: unix:///x\n    socket_owner: ghost", "5:5: fcgi-programs.f.socket_owner: cannot find user 'ghost'"),
    (
        "socket: unix:///x\n    socket_mdoe: 1",
        "5:5: fcgi-programs.f.socket_mdoe: unknown option (did you mean 'socket",
    ),
]


@pytest.mark.parametrize(("options", "wanted"), FCGI_PROBLEMS)
def test_problems_of_fastcgi_programs(options: str, wanted: str, tmp_path: Path) -> None:
    text = f"fcgi-programs:\n  f:\n    command: x\n    {options}\n"
    (found,) = problems(tmp_path, text)
    assert found.startswith(wanted)


def test_problems_of_a_member_are_told_once(tmp_path: Path) -> None:
    text = "fcgi-programs:\n  f:\n    command: x\n    socket: x\ngroups: {g: {programs: [f, k]}}\n"
    first, second = problems(tmp_path, text)
    assert first.startswith("4:5: fcgi-programs.f.socket: cannot read 'x' as a socket")
    assert second.startswith("5:14: groups.g.programs: there is no program 'k'")


EXTENSION_PROBLEMS = [
    ("{}", "2:3: rpcinterfaces.e.supervisor.rpcinterface_factory: is missing"),
    ("{factory: 'no:where'}", "2:7: rpcinterfaces.e.factory: cannot import 'no:where' (there is no no:where)"),
    ("{factory: 'plugin.rpc:make', a: [1]}", "2:35: rpcinterfaces.e.a: must be one value, got a list (some text)"),
    ("{factory: 'plugin.rpc:make', a: '%(b)s'}", "2:35: rpcinterfaces.e.a: cannot expand '%(b)s': no value for 'b'"),
]


@pytest.mark.parametrize(("body", "wanted"), EXTENSION_PROBLEMS)
def test_problems_of_extensions(body: str, wanted: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, f"rpcinterfaces:\n  e: {body}\nprograms: {{a: {{command: x}}}}\n", host=HOST)
    assert found.startswith(wanted)


def test_the_built_in_extension_takes_no_arguments(tmp_path: Path) -> None:
    text = "[taskmaster]\n[a]\ncommand=x\n[rpcinterface:supervisor]\nretries=1\n"
    main = "factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    (found,) = problems(tmp_path, text + main, "t.ini")
    assert found.startswith("5:1: rpcinterface:supervisor.retries: unknown option")


def test_defaults_are_for_programs_and_not_for_extensions(tmp_path: Path) -> None:
    text = "[DEFAULT]\nautostart=no\n[taskmaster]\n[eventlistener:l]\ncommand=x\nevents=EVENT\n"
    read = settings(tmp_path, f"{text}[rpcinterface:e]\nfactory=plugin.rpc:make\n", "t.ini", HOST)
    assert not read.groups[0].processes[0].autostart
    assert read.rpcinterfaces[0].options == {}


def test_one_name_is_one_group(tmp_path: Path) -> None:
    text = """\
programs: {a: {command: x}}
eventlisteners: {a: {command: x, events: EVENT}}
fcgi-programs: {a: {command: x, socket: 'unix:///s'}}
groups: {b: {programs: []}}
"""
    assert [line.partition(" (")[0] for line in problems(tmp_path, text)] == [
        "2:18: eventlisteners.a: a program has the name 'a', too",
        "3:17: fcgi-programs.a: a program has the name 'a', too",
    ]
    (found,) = problems(tmp_path, text.splitlines()[0] + "\n" + text.splitlines()[2] + "\ngroups: {b: {programs: [a]}}")
    assert found.startswith("3:14: groups.b.programs: 'a' is a program and a FastCGI program (they are at ")


def test_a_file_of_listeners_alone(tmp_path: Path) -> None:
    assert load(tmp_path, "eventlisteners: {l: {command: x, events: EVENT}}").warnings == ()

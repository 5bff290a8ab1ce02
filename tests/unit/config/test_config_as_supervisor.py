"""The same snippets, read by us and by Supervisor's own parser: accepted alike, refused in the same words."""

from pathlib import Path

import pytest

from tests.unit.config.against_supervisor import assert_same, by_supervisor, compare
from tests.unit.config.hosts import this_host
from tmd.config.load import load_file

HEAD = "[supervisord]\n"
PROGRAM = HEAD + "[program:a]\ncommand=x\n"

WHOLE_FILES = {
    "bom": "\ufeff" + PROGRAM,
    "comments": "# one\n; two\n  # three\n" + PROGRAM + "; four\n",
    "inline": PROGRAM + "environment=A=1 ; b\ndirectory=/x;y\nstdout_logfile=/tmp/a#b # c\n",
    "inline in quotes": HEAD + "[program:a]\ncommand=bash -c 'foo ; bar'\n",
    "inline quirk of rounds": HEAD + "[program:a]\ncommand=a;b;c ;d # e\n",
    "inline tab": HEAD + "[program:a]\ncommand=a\t;b\n",
    "tight marks": HEAD + "[program:a]\ncommand=a;y#z\n",
    "colon": HEAD + "[program:a]\ncommand : x = y : z\n",
    "continuation": PROGRAM + "environment=\n  A=1,\n  # no\n\n  B=2\npriority=3\n",
    "empty line kept": HEAD + "[program:a]\ncommand=x\n\n  y\n",
    "indented key": HEAD + "[program:a]\n  command=x\n  priority=4\n",
    "indented more": HEAD + "[program:a]\n  command=x\n    priority=4\n",
    "indented section": HEAD + "  [program:a]\ncommand=x\n",
    "section looks like a continuation": HEAD + "[program:a]\ncommand=x\n [program:b]\n",
    "key case": HEAD + "[program:a]\nCommand=x\nPRIORITY=5\n",
    "section case": PROGRAM + "[Program:b]\ncommand=y\n",
    "duplicate key": PROGRAM + "priority=1\npriority=2\n",
    "duplicate section": PROGRAM + "priority=1\n[program:b]\ncommand=y\n[program:a]\nautostart=no\npriority=3\n",
    "default": "[DEFAULT]\npriority=7\n" + PROGRAM + "[program:b]\ncommand=y\npriority=8\n",
    "default gives a command": "[DEFAULT]\ncommand=z\n" + HEAD + "[program:a]\n",
    "key without delimiter": PROGRAM + "what is this\nor this\n",
    "no key": PROGRAM + "= x\n",
    "no delimiter at the end": PROGRAM + "what",
    "headless": "a=1\n" + PROGRAM,
    "headless at once": "a",
    "unknown": PROGRAM + "starstecs=7\n[nonsense]\na=b\n",
    "crlf": PROGRAM.replace("\n", "\r\n") + "priority=2\r\n",
    "cr": PROGRAM.replace("\n", "\r") + "priority=2\r",
    "name with blanks": HEAD + "[program: a ]\ncommand=x\n",
    "name with a blank": HEAD + "[program:a b]\ncommand=x\n",
    "name with a colon": HEAD + "[program:a:b]\ncommand=x\n",
    "name with a slash": HEAD + "[program:a/b]\ncommand=x\n",
    "no name": HEAD + "[program:]\ncommand=x\n",
    "group name": PROGRAM + "[group:a b]\nprograms=a\n",
    "member name": HEAD + "[program:a b]\ncommand=x\n[group:g]\nprograms=a b\n",
    "brackets": PROGRAM + "[x]y]\na=b\n[program:c] trailing\ncommand=z\n",
    "empty brackets": PROGRAM + "[]\n",
    "quotes": HEAD + "[program:a]\ncommand=\"it's\" \\n 'x' \"\"\"y\"\"\" '''z'''\n",
    "empty command": HEAD + "[program:a]\ncommand=\n",
    "no command": HEAD + "[program:a]\n",
    "no command in a group": HEAD + "[program:a]\n[group:g]\nprograms=a\n",
    "no processes, no command": HEAD + "[program:a]\nnumprocs=0\n",
    "include without files": HEAD + "[include]\n",
    "include with a bad name": HEAD + "[include]\nfiles=%(nope)s\n",
    "no match": PROGRAM + "[include]\nfiles = none*.conf\n",
    "unknown member": PROGRAM + "[group:g]\nprograms=b\n",
    "unknown member after a known one": PROGRAM + "[group:g]\nprograms=a,\n",
    "group": PROGRAM + "[program:b]\ncommand=y\npriority=1\n[group:g]\nprograms=b, a\npriority=5\n",
    "program in two groups": PROGRAM + "[group:g]\nprograms=a\n[group:h]\nprograms=a\n",
    "empty group": PROGRAM + "[group:g]\n",
    "shadowed": PROGRAM + "[program:b]\ncommand=y\n[group:a]\nprograms=b\npriority=1\n",
    "order": "".join(
        f"[program:{name}]\ncommand=x\npriority={priority}\n" for name, priority in (("z", 1), ("b", 2), ("a", 2))
    )
    + HEAD,
    "group priority": PROGRAM + "[group:g]\npriority=x\n",
    "priority first without its place": PROGRAM + "priority=x\n",
    "numprocs": PROGRAM + "numprocs=12\nnumprocs_start=3\nprocess_name=%(program_name)s_%(process_num)d\n",
    "numprocs without number": PROGRAM + "numprocs=2\n",
    "negative numprocs": PROGRAM + "numprocs=-2\n",
    "names everywhere": HEAD
    + "[program:a]\ncommand=%(program_name)s %(group_name)s %(process_num)03d %(numprocs)d %(here)s\n"
    + "directory=%(host_node_name)s %%\n",
    "own variables": HEAD + '[program:a]\nenvironment=X="1"\ncommand=%(ENV_X)s\ndirectory=/%(ENV_X)s\n',
    "variables of an earlier process": HEAD
    + "[program:a]\ncommand=x %(ENV_X0)s\nnumprocs=2\nprocess_name=%(process_num)d\nenvironment=X%(process_num)d=1\n",
    "variables of a later process": HEAD
    + "[program:a]\ncommand=x %(ENV_X1)s\nnumprocs=2\nprocess_name=%(process_num)d\nenvironment=X%(process_num)d=1\n",
    "global variables": '[supervisord]\nenvironment=X="1"\n'
    + '[program:a]\ncommand=%(ENV_X)s\nenvironment=Y="%(ENV_X)s2"\n',
    "twice expanded log": PROGRAM + "stdout_logfile=/tmp/%%%%.log\n",
    "percent once in a log": PROGRAM + "stdout_logfile=/tmp/%%.log\n",
    "twice expanded environment": '[supervisord]\nenvironment=A="%%%%"\n',
    "percent in the environment": '[supervisord]\nenvironment=A="%%"\n',
    "host name in the environment": '[supervisord]\nenvironment=A="%(host_node_name)s"\n',
    "host name on second thought": '[supervisord]\nenvironment=A="%%(host_node_name)s"\n',
    "host name elsewhere": "[supervisord]\nidentifier=%(host_node_name)s\n",
    "lone percent": HEAD + "[program:a]\ncommand=date +%Y\n",
    "percent at the end": HEAD + "[program:a]\ncommand=100%\n",
    "unclosed name": HEAD + "[program:a]\ncommand=%(x\n",
    "number of a process too early": PROGRAM + "priority=%(process_num)d\n",
    "number format of a text": HEAD + "[program:a]\ncommand=%(program_name)d\n",
    "stopasgroup": PROGRAM + "stopasgroup=true\n",
    "stopasgroup alone": PROGRAM + "stopasgroup=true\nkillasgroup=false\n",
    "bad process name": PROGRAM + "process_name=a b\n",
    "redirect": PROGRAM + "redirect_stderr=true\nstderr_logfile=/tmp/x\n",
    "unix": PROGRAM
    + "[unix_http_server]\nfile=%(here)s/../x.sock\nchmod=0770\n[inet_http_server]\nport=127.0.0.1:9001\n",
    "unix without file": HEAD + "[unix_http_server]\n",
    "unix chmod": HEAD + "[unix_http_server]\nfile=/tmp/x\nchmod=9\n",
    "unix chown": HEAD + "[unix_http_server]\nfile=/tmp/x\nchown=nobody-here\n",
    "unix chown group": HEAD + "[unix_http_server]\nfile=/tmp/x\nchown=root:no-group-here\n",
    "unix half a login": HEAD + "[unix_http_server]\nfile=/tmp/x\nusername=a\n",
    "inet without port": HEAD + "[inet_http_server:b]\n",
    "inet half a login": HEAD + "[inet_http_server]\nport=1\npassword=a\n",
    "inet before unix": HEAD + "[unix_http_server]\n[inet_http_server]\n",
    "inet alone": HEAD + "[inet_http_server]\nport=*:9001\n[inet_http_server:b]\nport=Host:9002\n",
    "two problems": "[supervisord]\nloglevel=x\nminfds=y\n",
    "servers after programs": HEAD + "[inet_http_server]\nport=x\n[program:a]\n",
    "user last": "[supervisord]\nuser=nobody-here\n[inet_http_server]\nport=x\n",
    "names in user before the rest": "[supervisord]\nuser=%(nope)s\nlogfile=/no/where/x\n",
    "names in user after the directory": "[supervisord]\nuser=%(nope)s\ndirectory=/no/where\n",
    "bad user": "[supervisord]\nuser=nobody-here\n",
    "user": "[supervisord]\nuser=root\n",
    "rpc": PROGRAM
    + "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n",
}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_whole_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(WHOLE_FILES[name], encoding="utf-8", newline="")
    compare(path)


BOOLEANS = ("true", "YES", "On", "1", "no", "false", "OFF", "0", "", "2", "maybe", "y")
INTEGERS = ("0", "1", "-1", "+5", " 7 ", "1_000", "", "x", "1.5", "0x10", "2.5", "10s")
SIZES = ("0", "10", "1KB", "2kb", "3 MB", "1GB", "-1MB", "1M", "5B", "1.5MB", "", "MB", "KB1", "10Kb")
PROGRAM_VALUES: dict[str, tuple[str, ...]] = {
    "priority": INTEGERS,
    "autostart": BOOLEANS,
    "autorestart": (*BOOLEANS, "unexpected", "UNEXPECTED", "always", "never"),
    "startsecs": INTEGERS,
    "startretries": INTEGERS,
    "numprocs_start": INTEGERS,
    "exitcodes": ("0", "0,2", " 0 , 255 ", "", "256", "-1", "a", "1,", "0;1"),
    "stopsignal": ("TERM", "sigterm", "Kill", "9", "15", "64", "RTMIN", "0", "_DFL", "99", "-1", "NOPE", "", "SIGSIG"),
    "stopwaitsecs": INTEGERS,
    "stopasgroup": BOOLEANS,
    "killasgroup": BOOLEANS,
    "redirect_stderr": BOOLEANS,
    "stdout_logfile": ("NONE", "none", "Off", "AUTO", "auto", "/tmp/x", "x.log", "sub/x.log", "/no/where/x", "~/x", ""),
    "stderr_logfile": ("NONE", "/dev/stderr", "/no/where/x"),
    "stdout_logfile_maxbytes": SIZES,
    "stdout_logfile_backups": INTEGERS,
    "stderr_logfile_maxbytes": SIZES,
    "stdout_capture_maxbytes": SIZES,
    "stderr_events_enabled": BOOLEANS,
    "stdout_syslog": BOOLEANS,
    "umask": ("022", "22", "0o22", "777", "8", "", "-1", "rw"),
    "user": ("root", "0", "nobody-here", "999999", "", "-1"),
    "directory": ("/tmp", "/no/where", "~", ""),
    "serverurl": ("AUTO", "auto ", "http://x", "anything", ""),
    "process_name": ("x", "%(program_name)s-x", "a:b", "a/b", "%(nope)s", "%(ENV_PATH)s"),
    "environment": (
        "A=1",
        'A="a,b"',
        'A="x\'y"',
        "A='x\"y'",
        "A=it's",
        'A=""',
        "A=",
        "A=1,",
        "A=a,b",
        "A=a@b",
        "A=a%%b",
        'A="a%%b"',
        'A="1" B="2"',
        ",A=1",
        "A=1,,B=2",
        "A",
        r'A="\""',
        "A=x#y",
        'A="x #y"',
        "A==1",
        "A=1,A=2",
        "A=é",
        'A="é ü"',
        "A=1;B=2",
        "A=a b",
        "A=/x/y.z+-():",
        "",
    ),
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in PROGRAM_VALUES.items() for value in values]
)
def test_program_values(option: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(f"{PROGRAM}{option}={value}\n", encoding="utf-8")
    compare(path)


DAEMON_VALUES: dict[str, tuple[str, ...]] = {
    "logfile": ("/tmp/x", "x.log", "syslog", "NONE", "/no/where/x", "~/x"),
    "logfile_maxbytes": SIZES,
    "logfile_backups": INTEGERS,
    "loglevel": ("critical", "ERROR", "warn", "info", "debug", "trace", "blather", "warning", "10", ""),
    "pidfile": ("/tmp/x", "x.pid", "/no/where/x"),
    "umask": ("022", "0o27", "9", ""),
    "directory": ("/tmp", "/no/where", "~"),
    "nodaemon": BOOLEANS,
    "silent": BOOLEANS,
    "minfds": INTEGERS,
    "minprocs": INTEGERS,
    "nocleanup": BOOLEANS,
    "childlogdir": ("/tmp", "/no/where"),
    "user": ("root", "0", "nobody-here", "999999", "x y"),
    "identifier": ("x", "%(here)s", "%(nope)s", "%(ENV_PATH)s"),
    "strip_ansi": BOOLEANS,
    "environment": ('A="1"', "A", 'A="%%(here)s"'),
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in DAEMON_VALUES.items() for value in values]
)
def test_daemon_values(option: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(f"[supervisord]\n{option}={value}\n", encoding="utf-8")
    compare(path)


PORTS = ("9001", "1.2.3.4:9001", "*:1", ":2", "HOST:3", "x", "0", "65536", "a:0", "a:70000", "a:", "a:b", "", " 5 ")


@pytest.mark.parametrize("port", PORTS)
def test_ports(port: str, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(f"{HEAD}[inet_http_server]\nport={port}\n")
    compare(path)


INCLUDES = {
    "later wins": (
        {"b.conf": "[program:a]\npriority=5\n", "a.conf": "[program:a]\npriority=4\nautostart=no\n"},
        "*.conf",
    ),
    "new section": ({"b.conf": "[program:b]\ncommand=%(here)s/x\nstdout_logfile=%(here)s/log\n"}, "conf.d/*.conf"),
    "error names the file": ({"b.conf": "[program:b]\ncommand=x\nstartsecs=y\n"}, "*.conf"),
    "error in a section of both": ({"b.conf": "[program:a]\nstartsecs=y\n"}, "*.conf"),
    "syntax error": ({"b.conf": "[program:b]\nwhat\n"}, "*.conf"),
    "headless": ({"b.conf": "what\n"}, "*.conf"),
    "nested": ({"b.conf": "[include]\nfiles=/no/where\n[program:b]\ncommand=y\n"}, "*.conf"),
    "two patterns": ({"z.conf": "[program:a]\npriority=1\n", "b.conf": "[program:a]\npriority=2\n"}, "z*\n  b*"),
    "any ending": ({"b.yaml": "[program:b]\ncommand=y\n"}, "*.yaml"),
    "daemon in an included file": ({"b.conf": "[supervisord]\nidentifier=x\n"}, "*.conf"),
}


@pytest.mark.parametrize("name", INCLUDES)
def test_includes(name: str, tmp_path: Path) -> None:
    files, patterns = INCLUDES[name]
    folder = tmp_path / "conf.d"
    folder.mkdir()
    for file, text in files.items():
        (folder / file).write_text(text)
    wanted = "\n  ".join(f"conf.d/{part.strip().removeprefix('conf.d/')}" for part in patterns.split("\n"))
    path = tmp_path / "supervisord.conf"
    path.write_text(f"{PROGRAM}[include]\nfiles = {wanted}\n")
    compare(path)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    assert compare(tmp_path / "none.conf") == "refused"
    assert compare(tmp_path) == "refused"


WARNINGS = (
    "stdout_logfile=syslog",
    "stdout_logfile_maxbytes=0",
    "redirect_stderr=yes\nstderr_logfile=/tmp/x",
    "stderr_logfile=syslog\nstdout_logfile_maxbytes=0\nredirect_stderr=true",
)


@pytest.mark.parametrize("options", WARNINGS)
def test_warnings(options: str, tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(f"{PROGRAM}{options}\n[include]\nfiles=none*\n")
    theirs = by_supervisor(path)
    loaded = load_file(str(path), this_host())
    assert list(loaded.warnings) == theirs.parse_warnings
    assert_same(theirs, loaded.settings)

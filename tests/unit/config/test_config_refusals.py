"""What `tmd -c FILE` says of a file that cannot be used, in Supervisor's words, and its exit status."""

from pathlib import Path

import pytest

from tmd import cli

HEAD = "[supervisord]\n"
PROGRAM = HEAD + "[program:a]\ncommand=x\n"
LISTENER = HEAD + "[eventlistener:a]\ncommand=x\n"
FCGI = HEAD + "[fcgi-program:a]\ncommand=x\n"
IN_A = " in section 'program:a' (file: 'FILE')"
NEEDS_BOTH = (
    "contains incomplete authentication: If a username or a password is specified, both the username and password must "
    "be specified"
)
UNIX_ONLY = (
    "socket_owner and socket_mode params should only be used with a Unix domain socket in [fcgi-program:a] socket"
)

REFUSALS = [
    ("[program:a]\ncommand=x\n[rpcinterface:x]\n", ".ini file does not include supervisord section"),
    (HEAD + "[include]\n", ".ini file has [include] section, but no files setting"),
    (HEAD + "[program:a]\n", "program section program:a does not specify a command" + IN_A),
    (PROGRAM + "numprocs=2\n", "%(process_num) must be present within process_name when numprocs > 1" + IN_A),
    (
        PROGRAM + "stopasgroup=true\nkillasgroup=false\n",
        "Cannot set stopasgroup=true and killasgroup=false" + IN_A,
    ),
    (HEAD + "[program:a b]\ncommand=x\n", "Invalid name: 'a b' because of character: ' '"),
    (PROGRAM + "process_name=a:b\n", "Invalid name: 'a:b' because of character: ':'" + IN_A),
    (PROGRAM + "priority=x\n", "invalid literal for int() with base 10: 'x'"),
    (PROGRAM + "startsecs=x\n", "invalid literal for int() with base 10: 'x'" + IN_A),
    (PROGRAM + "autorestart=Sometimes\n", "invalid 'autorestart' value 'sometimes'" + IN_A),
    (PROGRAM + "user=nobody-here\n", "Invalid user name nobody-here" + IN_A),
    (LISTENER, '[eventlistener:a] section requires an "events" line'),
    (LISTENER + "events=tick_7\n", "Unknown event type TICK_7 in [eventlistener:a] events"),
    (LISTENER + "events=TICK\nbuffer_size=0\n", "[eventlistener:a] section sets invalid buffer_size (0)"),
    (
        LISTENER + "events=TICK\nredirect_stderr=true\n",
        "[eventlistener:a] section sets redirect_stderr=true but this is not allowed because it will interfere with "
        "the eventlistener protocol",
    ),
    (LISTENER + "events=TICK\nresult_handler=no:where\n", "no:where cannot be resolved within [eventlistener:a]"),
    (
        HEAD + "[rpcinterface:x]\nsupervisor.rpcinterface_factory=no:where\n",
        "no:where cannot be resolved within [rpcinterface:x]",
    ),
    (
        HEAD + "[rpcinterface:x]\n",
        "section [rpcinterface:x] does not specify a supervisor.rpcinterface_factory",
    ),
    (PROGRAM + "[group:g]\nprograms=b\n", "[group:g] names unknown program or fcgi-program b"),
    (PROGRAM + "[group:g]\nprograms=a,\n", "[program:a] names unknown program or fcgi-program "),
    (
        PROGRAM + "[fcgi-program:a]\n[group:g]\nprograms=a\n",
        "[group:g] name a is ambiguous (exists as program and fcgi-program)",
    ),
    (FCGI, '[fcgi-program:a] section requires a "socket" line'),
    (FCGI + "socket=x\n", "('Bad socket format %s', 'x') in [fcgi-program:a] socket"),
    (
        FCGI + "socket=unix://x\n",
        "('Unix socket path %s is not an absolute path', 'x') in [fcgi-program:a] socket",
    ),
    (FCGI + "socket=tcp://a:1\nsocket_mode=0700\n", UNIX_ONLY),
    (FCGI + "socket=tcp://a:1\nsocket_owner=root\n", UNIX_ONLY),
    (FCGI + "socket_backlog=0\n", "Invalid socket_backlog value 0"),
    (FCGI + "socket_owner=nobody-here\n", "Invalid socket_owner value nobody-here"),
    (FCGI + "socket_mode=9\n", "Invalid socket_mode value 9"),
    (HEAD + "[inet_http_server]\n", "section [inet_http_server] has no port value"),
    (HEAD + "[unix_http_server:x]\n", "section [unix_http_server:x] has no file value"),
    (HEAD + "[unix_http_server]\nfile=/tmp/x\nchmod=9\n", "Invalid chmod value 9"),
    (HEAD + "[unix_http_server]\nfile=/tmp/x\nchown=nobody-here\n", "Invalid sockchown value nobody-here"),
    (HEAD + "[inet_http_server]\nport=1\nusername=u\n", f"Section [inet_http_server] {NEEDS_BOTH}"),
]


@pytest.mark.parametrize(("text", "wanted"), REFUSALS)
def test_refusals(text: str, wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(text)
    assert cli.main(["-c", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"Error: {wanted.replace('FILE', str(path))}"
    assert lines[-1].startswith("For help, use ")


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.conf"
    assert cli.main(["-c", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"Error: could not find config file {path}\n")

"""Event listeners, FastCGI programs, extensions and groups of them, against Supervisor's own parser."""

import os
import sys
from pathlib import Path

import pytest
from supervisor.events import EventTypes

from tests.unit.config.against_supervisor import compare
from tests.unit.config.hosts import this_host
from tmd.config.load import load_file

HEAD = "[supervisord]\n"
LISTENER = HEAD + "[eventlistener:a]\ncommand=x\nevents=TICK_5\n"
FCGI = HEAD + "[fcgi-program:a]\ncommand=x\n"
UNIX = FCGI + "socket=unix:///tmp/a.sock\n"
TCP = FCGI + "socket=tcp://localhost:9000\n"
RPC = HEAD + "[rpcinterface:x]\nsupervisor.rpcinterface_factory="
MAIN = "supervisor.rpcinterface:make_main_rpcinterface"

LISTENERS = {
    "one": LISTENER,
    "events in any case": HEAD + "[eventlistener:a]\ncommand=x\nevents=tick_5, Process_State ,EVENT\n",
    "events twice": HEAD + "[eventlistener:a]\ncommand=x\nevents=TICK_5,tick_5\n",
    "events with a name": HEAD + "[eventlistener:a]\ncommand=x\nevents=%(ENV_LISTEN_TO)s\n",
    "events with a name of programs": HEAD + "[eventlistener:a]\ncommand=x\nevents=%(program_name)s\n",
    "no events": HEAD + "[eventlistener:a]\ncommand=x\n",
    "empty events": HEAD + "[eventlistener:a]\ncommand=x\nevents=\n",
    "a comma too many": LISTENER.rstrip() + ",\n",
    "unknown event": HEAD + "[eventlistener:a]\ncommand=x\nevents=tick_7\n",
    "event of an odd name": HEAD + "[eventlistener:a]\ncommand=x\nevents=a b.c\n",
    "no command": HEAD + "[eventlistener:a]\nevents=TICK_5\n",
    "priority": LISTENER + "priority=5\n",
    "bad priority": LISTENER + "priority=x\n",
    "buffer": LISTENER + "buffer_size=3\n",
    "buffer zero": LISTENER + "buffer_size=0\n",
    "buffer negative": LISTENER + "buffer_size=-4\n",
    "buffer word": LISTENER + "buffer_size=many\n",
    "buffer empty": LISTENER + "buffer_size=\n",
    "default handler": LISTENER + "result_handler=supervisor.dispatchers:default_handler\n",
    "handler with blanks": LISTENER + "result_handler = supervisor.dispatchers : default_handler\n",
    "handler of another kind": LISTENER + "result_handler=supervisor.rpcinterface:make_main_rpcinterface\n",
    "no such handler": LISTENER + "result_handler=supervisor.dispatchers:nothing\n",
    "no such module": LISTENER + "result_handler=no_such_module:x\n",
    "empty handler": LISTENER + "result_handler=\n",
    "handler before events": HEAD + "[eventlistener:a]\nresult_handler=a:b\n",
    "buffer before handler": HEAD + "[eventlistener:a]\nresult_handler=a:b\nbuffer_size=0\n",
    "events before redirect": HEAD + "[eventlistener:a]\nredirect_stderr=true\n",
    "redirect": LISTENER + "redirect_stderr=true\n",
    "redirect false": LISTENER + "redirect_stderr=no\n",
    "redirect word": LISTENER + "redirect_stderr=perhaps\n",
    "capture": LISTENER + "stdout_capture_maxbytes=1MB\nstderr_capture_maxbytes=1MB\nstdout_events_enabled=true\n",
    "logs": LISTENER + "stdout_logfile=NONE\nstderr_logfile=/tmp/x\nstdout_logfile_maxbytes=0\n",
    "bad value of a program": LISTENER + "startsecs=x\n",
    "several": LISTENER + "numprocs=3\nprocess_name=%(program_name)s_%(process_num)02d\n",
    "several of one name": LISTENER + "numprocs=3\n",
    "names": LISTENER + "environment=A=%(group_name)s,B=%(process_num)d\ndirectory=/%(program_name)s\n",
    "name with blanks": HEAD + "[eventlistener: a ]\ncommand=x\nevents=TICK_5\n",
    "bad name": HEAD + "[eventlistener:a b]\ncommand=x\nevents=TICK_5\n",
    "bad name, bad events": HEAD + "[eventlistener:a b]\ncommand=x\n",
    "no name": HEAD + "[eventlistener:]\ncommand=x\nevents=TICK_5\n",
    "in a group": LISTENER + "[group:g]\nprograms=a\n",
    "beside a program of its name": LISTENER + "[program:a]\ncommand=y\n",
    "after programs": LISTENER.replace("x", "") + "startsecs=x\n[program:b]\n",
    "unknown key": LISTENER + "evnets=x\nackwaitsecs=5\n",
    "user": LISTENER + "user=nobody-here\n",
    "global environment": "[supervisord]\nenvironment=A=1\n[eventlistener:a]\ncommand=%(ENV_A)s\nevents=TICK\n",
    "default section": "[DEFAULT]\npriority=7\nevents=TICK\n" + HEAD + "[eventlistener:a]\ncommand=x\n",
    "key case": HEAD + "[eventlistener:a]\nCommand=x\nEVENTS=TICK\nBuffer_Size=3\n",
    "two sections": LISTENER + "[eventlistener:b]\ncommand=y\nevents=EVENT\n[eventlistener:a]\nbuffer_size=2\n",
}

FASTCGI = {
    "unix": UNIX,
    "tcp": TCP,
    "no socket": FCGI,
    "empty socket": FCGI + "socket=\n",
    "word": FCGI + "socket=9000\n",
    "http": FCGI + "socket=http://localhost:80\n",
    "tcp without port": FCGI + "socket=tcp://localhost\n",
    "tcp without host": FCGI + "socket=tcp://:9000\n",
    "tcp of a bad port": FCGI + "socket=tcp://localhost:http\n",
    "tcp of a big port": FCGI + "socket=tcp://localhost:70000\n",
    "tcp of no port": FCGI + "socket=tcp://localhost:0\n",
    "tcp of a big host": FCGI + "socket=tcp://LocalHost:09\n",
    "tcp of six": FCGI + "socket=tcp://[::1]:9000\n",
    "tcp with a path": FCGI + "socket=tcp://localhost:9000/x\n",
    "quotes in the socket": FCGI + 'socket=it\'s "x"\n',
    "relative": FCGI + "socket=unix://a.sock\n",
    "home": FCGI + "socket=unix://~/a.sock\n",
    "untidy": FCGI + "socket=unix:///tmp/../tmp//a.sock\n",
    "nothing but a scheme": FCGI + "socket=unix://\n",
    "socket names": FCGI + "socket=unix://%(here)s/%(program_name)s-%(ENV_LISTEN_TO)s\n",
    "socket name of the group": FCGI + "socket=unix:///tmp/%(group_name)s\n",
    "socket name of the process": FCGI + "socket=unix:///tmp/%(process_num)d\n",
    "socket percent": FCGI + "socket=unix:///tmp/%%x\n",
    "backlog": UNIX + "socket_backlog=12\n",
    "backlog tcp": TCP + "socket_backlog=65535\n",
    "backlog zero": UNIX + "socket_backlog=0\n",
    "backlog big": UNIX + "socket_backlog=65536\n",
    "backlog word": UNIX + "socket_backlog=x\n",
    "mode": UNIX + "socket_mode=0777\n",
    "mode of nine": UNIX + "socket_mode=9\n",
    "mode tcp": TCP + "socket_mode=0777\n",
    "mode on a bad socket": FCGI + "socket=word\nsocket_mode=0777\n",
    "mode empty": UNIX + "socket_mode=\n",
    "mode with a name": UNIX + "socket_mode=%(nope)s\n",
    "owner": UNIX + "socket_owner=root\n",
    "owner and group": UNIX + "socket_owner=root:root\n",
    "owner nobody knows": UNIX + "socket_owner=nobody-here\n",
    "group nobody knows": UNIX + "socket_owner=root:no-group-here\n",
    "owner with a name": UNIX + "socket_owner=%(ENV_LISTEN_TO)s\n",
    "owner tcp": TCP + "socket_owner=root\n",
    "user": UNIX + "user=nobody\n",
    "user root": UNIX + "user=root\n",
    "user and owner": UNIX + "user=nobody\nsocket_owner=root\n",
    "user nobody knows": UNIX + "user=nobody-here\n",
    "user nobody knows, bad socket": FCGI + "user=nobody-here\n",
    "user with the name of the program": UNIX + "user=%(program_name)s\n",
    "priority": UNIX + "priority=x\n",
    "no command": HEAD + "[fcgi-program:a]\nsocket=unix:///tmp/x\n",
    "bad name": HEAD + "[fcgi-program:a/b]\nsocket=unix:///tmp/x\n",
    "name with blanks": HEAD + "[fcgi-program: a ]\ncommand=x\nsocket=unix:///tmp/%(program_name)s\n",
    "several": UNIX + "numprocs=4\nprocess_name=%(process_num)d\nredirect_stderr=true\n",
    "in a group": UNIX + "[group:g]\nprograms=a\n",
    "in a group without a socket": FCGI + "[group:g]\nprograms=a\n",
    "in a group with a bad socket": FCGI + "socket=x\nsocket_backlog=x\nsocket_mode=9\n[group:g]\nprograms=a\n",
    "in a group with a bad value": UNIX + "startsecs=x\n[group:g]\nprograms=a\n",
    "ambiguous": UNIX + "[program:a]\ncommand=x\n[group:g]\nprograms=a\n",
    "ambiguous after another": UNIX + "[program:a]\ncommand=x\n[program:b]\ncommand=x\n[group:g]\nprograms=b,a\n",
    "program and fcgi": UNIX + "[program:a]\ncommand=y\npriority=1\n",
    "group of both": UNIX + "[program:b]\ncommand=y\n[group:g]\nprograms=b,a\n",
    "unknown member after fcgi": UNIX + "[group:g]\nprograms=a,c\n",
    "backlog before mode": FCGI + "socket_mode=9\nsocket_backlog=0\n",
    "owner before mode": FCGI + "socket_mode=9\nsocket_owner=nobody-here\n",
    "mode before socket": FCGI + "socket_mode=9\n",
    "unknown key": UNIX + "socket_mdoe=9\n",
}

EXTENSIONS = {
    "supervisor": HEAD + f"[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory={MAIN}\n",
    "another name": RPC + MAIN + "\n",
    "blanks": RPC + "supervisor.rpcinterface : make_main_rpcinterface\n",
    "options": RPC + MAIN + "\nKey=Value\nother = %(ENV_LISTEN_TO)s %%\nempty=\n",
    "options of the default section": "[DEFAULT]\nq=1\nw=2\n" + RPC + MAIN + "\nw=3\n",
    "no factory": HEAD + "[rpcinterface:x]\n",
    "no factory of supervisor": HEAD + "[rpcinterface:supervisor]\na=b\n",
    "empty factory": RPC + "\n",
    "no such module": RPC + "no_such_module:x\n",
    "no such attribute": RPC + "supervisor.rpcinterface:nothing\n",
    "no such attribute of supervisor": HEAD
    + "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:nothing\n",
    "nonsense": RPC + "a b c\n",
    "nonsense with a colon": RPC + "a b : c\n",
    "bad option": RPC + MAIN + "\na=100%\n",
    "factory with a name": RPC + "%(ENV_LISTEN_TO)s\n",
    "before programs": RPC + "x:y\n[program:a]\n",
    "after the daemon": "[supervisord]\nminfds=x\n[rpcinterface:x]\n",
    "client only": HEAD + "[ctlplugin:x]\nsupervisor.ctl_factory=no_such_module:x\n",
    "no name": HEAD + f"[rpcinterface:]\nsupervisor.rpcinterface_factory={MAIN}\n",
    "without a colon": HEAD + "[rpcinterface]\n[eventlistener]\n[fcgi-program]\n[ctlplugin]\n",
    "own events": HEAD
    + "[eventlistener:l]\ncommand=x\nevents=QUITE_NEW\n"
    + "[rpcinterface:own]\nsupervisor.rpcinterface_factory=own_events_extension:make\n",
}

FILES = {
    f"{kind}: {name}": text
    for kind, texts in (("listener", LISTENERS), ("fcgi", FASTCGI), ("extension", EXTENSIONS))
    for name, text in texts.items()
}

EXTENSION_WITH_EVENTS = """\
from supervisor.events import Event, register


class QuiteNew(Event):
    pass


register("QUITE_NEW", QuiteNew)


def make(supervisord, **options):
    return object()
"""


@pytest.mark.parametrize("name", FILES)
def test_sections_of_every_kind(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "LISTEN_TO", "TICK_60")
    if name == "extension: own events":
        (tmp_path / "own_events_extension.py").write_text(EXTENSION_WITH_EVENTS)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "own_events_extension", raising=False)
        monkeypatch.setattr(EventTypes, "QUITE_NEW", None, raising=False)  # taken away again when this is over
    path = tmp_path / "supervisord.conf"
    path.write_text(FILES[name], encoding="utf-8")
    compare(path)


def test_a_member_of_a_group_keeps_its_socket(tmp_path: Path) -> None:
    """Under Supervisor it becomes an ordinary program, which then finds no socket to accept from."""
    path = tmp_path / "supervisord.conf"
    path.write_text(FASTCGI["in a group"])
    (spec,) = load_file(str(path), this_host()).settings.groups[0].processes
    assert spec.kind == "fcgi-program"
    assert spec.socket is not None
    assert spec.socket.url == "unix:///tmp/a.sock"


def test_a_member_without_a_good_socket_is_a_program(tmp_path: Path) -> None:
    path = tmp_path / "supervisord.conf"
    path.write_text(FASTCGI["in a group without a socket"])
    loaded = load_file(str(path), this_host())
    (spec,) = loaded.settings.groups[0].processes
    assert (spec.kind, spec.socket) == ("program", None)
    assert loaded.warnings == (
        f'{path}:2:1: fcgi-program:a.socket: [fcgi-program:a] section requires a "socket" line: '
        "runs as a program without a socket (e.g. unix:///run/app.sock or tcp://127.0.0.1:9000)",
    )

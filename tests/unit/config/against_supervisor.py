"""One file, read by us and by Supervisor's own parser: accepted alike, refused in the same words."""

import io
from pathlib import Path
from typing import Any

from supervisor.datatypes import Automatic, RestartUnconditionally, RestartWhenExitUnexpected
from supervisor.events import EventTypes
from supervisor.options import (
    EventListenerPoolConfig,
    FastCGIGroupConfig,
    ServerOptions,
)

from tests.unit.config.hosts import this_host
from tmd.config.load import load_file
from tmd.config.settings import AUTO, Autorestart, GroupSpec, Settings
from tmd.tree.problems import ConfigRefused


class Refused(Exception):
    pass


def by_supervisor(path: Path) -> Any:
    options = ServerOptions()

    def usage(message: object) -> None:
        raise Refused(str(message))

    options.usage = usage
    options.stderr = io.StringIO()
    options.realize(["-c", str(path)], doc="", progname="supervisord")
    return options


def by_us(path: Path) -> Settings:
    return load_file(str(path), this_host()).settings


def outcome(read: Any, path: Path) -> tuple[str, Any]:
    try:
        return "accepted", read(path)
    except Refused as refused:
        return "refused", str(refused)
    except ConfigRefused as refused:
        return "refused", refused.supervisor_text


FIELDS = (
    "name",
    "command",
    "directory",
    "umask",
    "uid",
    "environment",
    "priority",
    "autostart",
    "startsecs",
    "startretries",
    "stopsignal",
    "stopwaitsecs",
    "stopasgroup",
    "killasgroup",
    "redirect_stderr",
    "stdout_logfile_maxbytes",
    "stdout_logfile_backups",
    "stdout_capture_maxbytes",
    "stdout_events_enabled",
    "stdout_syslog",
    "stderr_logfile_maxbytes",
    "stderr_logfile_backups",
    "stderr_capture_maxbytes",
    "stderr_events_enabled",
    "stderr_syslog",
    "serverurl",
)
RESTARTS = {
    RestartUnconditionally: Autorestart.ALWAYS,
    RestartWhenExitUnexpected: Autorestart.UNEXPECTED,
    False: Autorestart.NEVER,
}
DAEMON_FIELDS = (
    "logfile",
    "logfile_maxbytes",
    "logfile_backups",
    "pidfile",
    "umask",
    "directory",
    "minfds",
    "minprocs",
    "childlogdir",
    "identifier",
    "uid",
    "gid",
    "user",
)


def assert_same(theirs: Any, ours: Settings) -> None:
    for field in DAEMON_FIELDS:
        mine = getattr(ours.daemon, field)
        if field == "umask" and mine is None:
            mine = 0o022  # nothing said: what a daemon in the background gets
        assert mine == getattr(theirs, field), field
    for field in ("nodaemon", "silent", "nocleanup", "strip_ansi"):
        assert getattr(ours.daemon, field) == bool(getattr(theirs, field)), field
    assert int(ours.daemon.loglevel) == theirs.loglevel
    assert ours.serverurl == theirs.serverurl
    their_servers = [
        (config["section"], config.get("file", ""), config.get("port", 0)) for config in theirs.server_configs
    ]
    assert sorted((spec.section, spec.file, spec.port) for spec in ours.servers) == sorted(their_servers)
    assert [(spec.name, spec.factory.partition(":")[2], spec.options) for spec in ours.rpcinterfaces] == [
        (name, factory.__name__, options)
        for name, factory, options in theirs.rpcinterface_factories
        if (name, factory.__name__) != ("supervisor", "make_main_rpcinterface")
    ]
    listed = sorted((*ours.groups, *ours.shadowed), key=lambda group: (group.priority, group.name))
    assert [(group.name, group.priority) for group in listed] == [
        (group.name, group.priority) for group in theirs.process_group_configs
    ]
    for our_group, their_group in zip(listed, theirs.process_group_configs, strict=True):
        assert_same_group(our_group, their_group)
        for spec, config in zip(our_group.processes, their_group.process_configs, strict=True):
            for field in FIELDS:
                assert getattr(spec, field) == getattr(config, field), field
            assert list(spec.exitcodes) == config.exitcodes
            assert spec.autorestart == RESTARTS[config.autorestart]
            for field in ("stdout_logfile", "stderr_logfile"):
                theirs_file = getattr(config, field)
                assert getattr(spec, field) == (AUTO if theirs_file is Automatic else theirs_file), field


def assert_same_group(ours: GroupSpec, theirs: Any) -> None:
    if isinstance(theirs, EventListenerPoolConfig):
        assert ours.kind == "eventlistener"
        assert ours.pool is not None
        assert {getattr(EventTypes, name) for name in ours.pool.events} == set(theirs.pool_events)
        assert ours.pool.buffer_size == (1024 if theirs.buffer_size == 10 else theirs.buffer_size)
        module, _, attribute = ours.pool.result_handler.partition(":")
        assert (theirs.result_handler.__module__, theirs.result_handler.__name__) == (module, attribute)
    elif isinstance(theirs, FastCGIGroupConfig):
        assert ours.kind == "fcgi-program"
        wanted = theirs.socket_config
        for spec in ours.processes:
            assert spec.socket is not None
            assert spec.socket.url == wanted.url
            assert spec.socket.backlog == wanted.backlog
            if spec.socket.family == "unix":
                assert spec.socket.mode == wanted.mode
                assert (spec.socket.owner_uid, spec.socket.owner_gid) == (wanted.owner or (-1, -1))
    else:
        assert ours.kind in ("program", "group")
        assert ours.pool is None


def compare(path: Path) -> str:
    theirs, ours = outcome(by_supervisor, path), outcome(by_us, path)
    assert ours[0] == theirs[0], (ours[1], theirs[1])
    if ours[0] == "refused":
        assert ours[1] == theirs[1]
    else:
        assert_same(theirs[1], ours[1])
    return ours[0]

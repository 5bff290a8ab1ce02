"""The sample in Supervisor's dialect: what `echo_supervisord_conf` prints.

Scripts make a configuration of it with `sed`, so the lines are those that people know from there: the same keys,
written `key=value`, the same ones commented out, everything under /tmp. Which options there are, and what is said of
each, comes from the list of options.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tmd.config.alert_options import alert_samples
from tmd.config.option import Option
from tmd.config.options import SECTIONS

_COLUMN = 38
_OPTIONS = {section.key: section.options for section in SECTIONS} | {
    f"alert-{name}": options for name, options in alert_samples()
}
_SHARED = _OPTIONS["program"]


class _Part(NamedTuple):
    """One section as it is known: a comment before it, its header, its lines."""

    key: str
    comment: str
    header: str
    lines: str


_ALERTS = tuple(
    _Part(f"alert-{name}", f"A place that is told what happens: {name}.", f";[alert:{name}]", "")
    for name, _ in alert_samples()
)

_HEAD = """\
; Sample supervisor config file, for tmd and supervisord alike.
;
; What is commented out says the default, or an example. A percent sign is written %%, and %(ENV_HOME)s is the variable
; HOME. A comment after a value begins with a blank and a semicolon. Anybody can write to /tmp, so everything is there:
; for good, choose places of your own."""

_PARTS = (
    _Part(
        "unix",
        "",
        "[unix_http_server]",
        "file=/tmp/supervisor.sock|;chmod=0700|;chown=nobody:nogroup|;username=user|;password=123",
    ),
    _Part(
        "inet",
        "A server for the network, off as it is. Whoever reaches it without a password may start anything.",
        ";[inet_http_server]",
        ";port=127.0.0.1:9001|;username=user|;password=123",
    ),
    _Part(
        "daemon",
        "",
        "[supervisord]",
        "logfile=/tmp/supervisord.log|logfile_maxbytes=50MB|logfile_backups=10|loglevel=info"
        "|pidfile=/tmp/supervisord.pid|nodaemon=false|silent=false|minfds=1024|minprocs=200"
        "|;umask=022|;user=supervisord|;identifier=supervisor|;directory=/tmp|;nocleanup=true|;childlogdir=/tmp"
        '|;environment=KEY="value"|;strip_ansi=false',
    ),
    _Part(
        "extension",
        "Without this section supervisord offers nothing to its clients.",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
    ),
    _Part(
        "ctl",
        "For the client: the address of one of the servers above.",
        "[supervisorctl]",
        "serverurl=unix:///tmp/supervisor.sock|;serverurl=http://127.0.0.1:9001|;username=chris|;password=123"
        "|;prompt=mysupervisor|;history_file=~/.sc_history",
    ),
    _Part(
        "program",
        "One such section for each program.",
        ";[program:theprogramname]",
        ";command=/bin/cat|;process_name=%(program_name)s|;numprocs=1|;directory=/tmp|;umask=022|;priority=999"
        "|;autostart=true|;startsecs=1|;startretries=3|;autorestart=unexpected|;exitcodes=0|;stopsignal=QUIT"
        "|;stopwaitsecs=10|;stopasgroup=false|;killasgroup=false|;user=chrism|;redirect_stderr=true"
        "|;stdout_logfile=/a/path|;stdout_logfile_maxbytes=1MB|;stdout_logfile_backups=10|;stdout_capture_maxbytes=1MB"
        "|;stdout_events_enabled=false|;stdout_syslog=false"
        "|;stderr_logfile=/a/path|;stderr_logfile_maxbytes=1MB|;stderr_logfile_backups=10|;stderr_capture_maxbytes=1MB"
        '|;stderr_events_enabled=false|;stderr_syslog=false|;environment=A="1",B="2"|;serverurl=AUTO',
    ),
    _Part(
        "listener",
        "Processes that are told of events. They have all options of a program, too.",
        ";[eventlistener:theeventlistenername]",
        ";command=/bin/eventlistener|;events=EVENT|;buffer_size=10|;priority=-1",
    ),
    _Part(
        "fcgi",
        "Processes that share a listening socket. They have all options of a program, too.",
        ";[fcgi-program:thefcgiprogramname]",
        ";command=/bin/app.fcgi",
    ),
    _Part("group", "", ";[group:thegroupname]", ";programs=progname1,progname2|;priority=999"),
    *_ALERTS,
    _Part("include", "", ";[include]", ";files = relative/directory/*.ini"),
)


def supervisor_sample() -> str:
    """Return the sample: both daemons take it as it is."""
    return "\n".join([_HEAD, *(line for part in _PARTS for line in _part(part))]) + "\n"


def _part(part: _Part) -> Iterator[str]:
    options = {option.name: option for option in (*_SHARED, *_OPTIONS[part.key])}
    yield ""
    if part.comment:
        yield f"; {part.comment}"
    yield part.header
    said = set()
    for line in filter(None, part.lines.split("|")):
        name = line.lstrip(";").partition("=")[0].strip()
        said.add(name)
        yield line if part.key == "extension" else _noted(line, options[name])
    for option in _OPTIONS[part.key]:
        shared = part.key != "program" and any(option is each for each in _SHARED)
        if option.name not in said and not option.native_only and not shared:
            default = option.default_in(native=False)
            yield _noted(f";{option.name}={option.example or option.kind.show(default)}", option)


def _noted(line: str, option: Option) -> str:
    unit = f" In {option.unit}." if option.unit else ""
    return f"{line:<{_COLUMN}} ; {option.doc}{unit}"

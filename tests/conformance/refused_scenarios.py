"""Files and command lines that must be refused: the same `Error:` line, the same exit code."""

from tests.conformance.steps import Launch, Scenario, Step

A = "[program:a]\ncommand=sleep 100000\nautostart=false\n"


def refused(name: str, *texts: str, files: dict[str, str] | None = None) -> Scenario:
    """Return a scenario in which the daemon is launched on each text (after a [supervisord] header)."""
    steps: list[Step] = [Launch(f"[supervisord]\n{text}\n") for text in texts]
    return Scenario(name, "", steps, log="no", runs=False, files=files or {})


def options(*lines: str) -> list[str]:
    """Return a program for each line."""
    return [A + line for line in lines]


SERVER = "[inet_http_server]\nport="
LISTENER = "[eventlistener:l]\ncommand=/bin/cat\nautostart=false\n"
FCGI = "[fcgi-program:f]\ncommand=/bin/cat\nautostart=false\n"
RPC = "[rpcinterface:x]\n"

SCENARIOS = [
    Scenario(
        "files that are none",
        "",
        [
            Launch("", "-n -c {dir}/nowhere.conf"),
            Launch("", "-n -c {dir}/no/where.conf"),
            Launch("", "-n -c {dir}"),
            Launch("\n"),
        ],
        log="no",
        runs=False,
    ),
    Scenario(
        "flags that are wrong",
        "",
        [
            Launch("[supervisord]\n", arguments)
            for arguments in (
                "-x",
                "--nope",
                "-n -n",
                "-n -e foo",
                "-n -y abc",
                "-n -z abc",
                "-n -a abc",
                "-n --minprocs=x",
                "-n -m 999",
                "-n -d /no/such",
                "-n -q /no/such",
                "-n -l /no/such/file",
                "-n -j /no/such/file",
                "-c",
            )
        ],
        log="no",
        runs=False,
    ),
    refused(
        "integers that are none",
        "minfds=abc",
        "minfds=",
        "minprocs=1.5",
        "logfile_backups=ten",
        *options(
            "priority=x",
            "startsecs=soon",
            "startsecs=1.5",
            "startretries=0x10",
            "stopwaitsecs=",
            "numprocs=two",
            "numprocs_start=-",
            "stdout_logfile_backups=1 2",
            "stderr_logfile_backups=",
        ),
        "[group:g]\nprograms=\npriority=high",
    ),
    refused(
        "booleans that are none",
        "nodaemon=maybe",
        "silent=2",
        "nocleanup=",
        "strip_ansi=y",
        *options(
            "autostart=",
            "autostart=2",
            "redirect_stderr=oui",
            "stopasgroup=t",
            "killasgroup=f",
            "stdout_events_enabled=x",
            "stderr_events_enabled=",
            "stdout_syslog=x",
            "stderr_syslog=-1",
        ),
    ),
    refused(
        "sizes that are none",
        "logfile_maxbytes=50M",
        "logfile_maxbytes=1.5MB",
        "logfile_maxbytes=",
        *options(
            "stdout_logfile_maxbytes=10B",
            "stderr_logfile_maxbytes=KB",
            "stdout_capture_maxbytes=many",
            "stderr_capture_maxbytes=1TB",
        ),
    ),
    refused("octals that are none", "umask=999", "umask=", *options("umask=8", "umask=rwx", "umask=")),
    refused(
        "exit codes that are none", *options(*(f"exitcodes={v}" for v in ("256", "-1", "a", "0,,2", "0;1", "0 1")))
    ),
    refused(
        "signals that are none",
        *options(*(f"stopsignal={v}" for v in ("NOPE", "", "999", "-1", "SIG", "TERM,KILL", "sig nope"))),
    ),
    refused("restart words that are none", *options("autorestart=sometimes", "autorestart=", "autorestart=EXPECTED")),
    refused("levels that are none", "loglevel=warning", "loglevel=10", "loglevel="),
    refused(
        "users that are none",
        *options("user=nobody_of_that_name", "user=99999999", "user="),
        "[unix_http_server]\nfile={dir}/x\nchown=nobody_of_that_name",
        "[unix_http_server]\nfile={dir}/x\nchown=root:nogroup_of_that_name",
        "[unix_http_server]\nfile={dir}/x\nchown=root:root:root",
    ),
    refused(
        "places that are none",
        "logfile=/no/such/place/d.log",
        "pidfile=/no/such/place/d.pid",
        "childlogdir=/no/such/place",
        "directory=/no/such/place",
        "directory=/etc/passwd",
        *options("stdout_logfile=/no/such/place/a.log", "stderr_logfile=/no/such/place/a.log"),
    ),
    refused(
        "ports that are none",
        SERVER,
        SERVER + "0",
        SERVER + "65536",
        SERVER + "abc",
        SERVER + "-1",
        SERVER + "localhost:x",
        SERVER + "localhost:",
        SERVER + "localhost:70000",
        "[inet_http_server]\nusername=a\npassword=b",
        "[inet_http_server:two]\nport",
    ),
    refused(
        "servers without what they need",
        "[unix_http_server]",
        "[unix_http_server]\nfile={dir}/x\nchmod=999",
        "[unix_http_server]\nfile={dir}/x\nchmod=",
        "[unix_http_server]\nfile={dir}/x\nusername=me",
        "[unix_http_server]\nfile={dir}/x\npassword=mine",
        "[inet_http_server]\nport=1\nusername=me",
        "[inet_http_server:more]\nport=1\npassword=me",
        "[inet_http_server]",
    ),
    refused(
        "names that are none",
        *(f"[program:{name}]\ncommand=/bin/cat\nautostart=false" for name in ("a b", "a:b", "a/b", "a b:c", " a /")),
        *options("process_name=a b", "process_name=x:y", "process_name=/"),
        "[group:a b]\nprograms=",
        "[group:a:b]\nprograms=",
        "[fcgi-program:a b]\ncommand=/bin/cat\nsocket=unix:///tmp/x",
    ),
    refused(
        "programs without what they need",
        "[program:a]",
        "[program:a]\nautostart=false",
        *options(
            "numprocs=2",
            "numprocs=2\nprocess_name=%(program_name)s",
            "stopasgroup=true\nkillasgroup=false",
            "numprocs=2\nprocess_name=%(process_num)d%(nothing)s",
        ),
    ),
    refused(
        "groups of what is not there",
        "[group:g]\nprograms=nobody",
        A + "[group:g]\nprograms=a,",
        A + "[group:g]\nprograms=a,nobody",
        A + "[group:g]\nprograms=nobody,a",
        A + "[group:g]\nprograms=,",
        "[group:g]\nprograms=l\n" + LISTENER + "events=EVENT",
        A + "[group:g]\nprograms=a x",
    ),
    refused(
        "expansions that cannot be",
        "identifier=%(nothing)s",
        "identifier=%(host_node_name)s",
        "identifier=%(here)",
        "identifier=%",
        "identifier=100%",
        "environment=A=%(nothing)s",
        "environment=A=%%",
        *options(
            "directory=%(nothing)s",
            "directory=%(here)x",
            "directory=%(process_num)q",
            "priority=%(process_num)d",
            "stdout_capture_maxbytes=%(process_num)d",
            "environment=A=%(nothing)s",
            "user=%(nothing)s",
        ),
        "[program:a]\ncommand=%(nothing)s",
        "[program:a]\ncommand=100%",
        "[unix_http_server]\nfile=%(nothing)s",
        "[include]\nfiles=%(nothing)s",
    ),
    refused(
        "includes that cannot be",
        "[include]",
        "[include]\nfile=x",
        "[include]\nfiles=broken.conf",
        "[include]\nfiles=bad/*.conf",
        "[include]\nfiles=headless.conf",
        files={
            "broken.conf": "[program:b\n",
            "headless.conf": "command=x\n",
            "bad/b.conf": "[program:b]\ncommand=/bin/cat\nstartsecs=x\n",
        },
    ),
    refused(
        "environments that cannot be",
        *(
            f"environment={value}"
            for value in ("A", "A=", "A=a,b", 'A="1" B="2"', ",A=1", "A=1,,B=2", "A=a@b", 'A="x', '"A=1"', 'A="\\""')
        ),
        *options("environment=A", "environment=A=a,b", 'environment=A="x #y"', "environment=A=1,B"),
    ),
    refused(
        "lines that are none",
        "minfds",
        "= 5",
        "[]",
        "[program:a]\ncommand",
        "[program:a]\n  command=/bin/cat\n nonsense",
    ),
    refused(
        "listeners that cannot be",
        LISTENER,
        LISTENER + "events=",
        LISTENER + "events=nope",
        LISTENER + "events=tick_5, Nope",
        LISTENER + "events=EVENT\nbuffer_size=0",
        LISTENER + "events=EVENT\nbuffer_size=-3",
        LISTENER + "events=EVENT\nbuffer_size=x",
        LISTENER + "events=EVENT\nredirect_stderr=true",
        LISTENER + "events=EVENT\nresult_handler=nowhere:nothing",
        LISTENER + "events=EVENT\nresult_handler=os:nothing",
        LISTENER + "events=EVENT\npriority=x",
        LISTENER + "events=EVENT\nnumprocs=2",
        "[eventlistener:l]\nevents=EVENT",
        "[eventlistener:a b]\ncommand=/bin/cat\nevents=EVENT",
    ),
    refused(
        "fastcgi programs that cannot be",
        FCGI,
        FCGI + "socket=",
        FCGI + "socket=nothing",
        FCGI + "socket=http://localhost:80",
        FCGI + "socket=unix://relative/path",
        FCGI + "socket=tcp://localhost",
        FCGI + "socket=tcp://localhost:9x",
        FCGI + "socket=tcp://localhost:9000\nsocket_owner=root",
        FCGI + "socket=tcp://localhost:9000\nsocket_mode=0700",
        FCGI + "socket=unix:///tmp/f.sock\nsocket_mode=rwx",
        FCGI + "socket=unix:///tmp/f.sock\nsocket_owner=nobody_of_that_name",
        FCGI + "socket=unix:///tmp/f.sock\nsocket_backlog=0",
        FCGI + "socket=unix:///tmp/f.sock\nsocket_backlog=70000",
        FCGI + "socket=unix:///tmp/f.sock\nsocket_backlog=x",
        FCGI + "socket=unix:///tmp/%(process_num)d",
        "[fcgi-program:f]\nsocket=unix:///tmp/f.sock",
        FCGI.replace("f]", "a]") + "socket=tcp://localhost:9000\n" + A + "[group:g]\nprograms=a",
    ),
    refused(
        "interfaces that cannot be",
        RPC,
        RPC + "supervisor.rpcinterface_factory=nowhere:nothing",
        RPC + "supervisor.rpcinterface_factory=os:nothing",
        RPC + "factory=os:getpid",
    ),
    refused(
        "one problem after another",
        "minfds=abc\nlogfile=/no/such/place\n[program:a]\nstartsecs=x",
        "[program:b]\ncommand=/bin/cat\nstartsecs=x\n[program:a]\nautostart=false",
        A + "startsecs=x\numask=9\nexitcodes=a",
        A + "umask=9\nexitcodes=a\nstopsignal=b",
        "[unix_http_server]\n" + A + "startsecs=x",
        LISTENER + A + "startsecs=x",
        FCGI + "[group:g]\nprograms=nobody",
    ),
]

"""What differs on purpose (docs/differences.toml), each shown by what only one of the daemons says."""

from tests.conformance.event_scenarios import REMOTE, ready, recorded, send
from tests.conformance.fcgi_scenarios import UNIX, fcgi
from tests.conformance.http_scenarios import STATE, post
from tests.conformance.steps import (
    OFF,
    QUICK,
    SLEEP,
    Config,
    Ctl,
    Differs,
    Events,
    Facts,
    Http,
    Launch,
    Mode,
    Rpc,
    Scenario,
    Show,
    Signal,
    Until,
    UntilLine,
    UntilText,
    Write,
    recorder,
    section,
)
from tests.e2e.harness import program

MANY = [f"n{number}" for number in range(12)]

SCENARIOS = [
    Scenario(
        "differs: stop all",
        section("quick", SLEEP, "priority=1")
        + section("slow", f"command={program('slow_stop.py')} 0.3", QUICK, "priority=9", "stdout_logfile={dir}/out"),
        [
            UntilText("out", "ready"),
            Until("quick", "RUNNING"),
            Until("slow", "RUNNING"),
            Rpc("supervisor.stopAllProcesses"),
        ],
        log="no",
        differs=Differs("stop-order", r"'name': 'quick'.*'name': 'slow'", r"'name': 'slow'.*'name': 'quick'"),
    ),
    Scenario(
        "differs: a directory that is not there",
        section("web", SLEEP, "autostart=false", "directory=/no/such", "startretries=0", "autorestart=false"),
        [
            Rpc("supervisor.startProcess", ("web", False)),
            Until("web", "EXITED|FATAL"),
            Rpc("supervisor.getProcessInfo", ("web",)),
        ],
        log="no",
        differs=Differs("spawn-error", "'spawnerr': 'Bad exit code 127'", "couldn't chdir to /no/such"),
    ),
    Scenario(
        "differs: a suspended program",
        section("web", SLEEP, "stopwaitsecs=1"),
        [
            Until("web", "RUNNING"),
            Rpc("supervisor.signalProcess", ("web", "STOP")),
            Rpc("supervisor.stopProcess", ("web",)),
        ],
        differs=Differs("suspended", r"terminated by SIGKILL", r"terminated by SIGTERM"),
    ),
    Scenario(
        "differs: the mark of a life",
        section("a", f"command={program('facts.py')} {{dir}}/a.facts", QUICK),
        [Facts("a.facts", (), ("TASKMASTER_LIFE",))],
        log="no",
        differs=Differs("life-mark", r"'TASKMASTER_LIFE': None", r"'TASKMASTER_LIFE': '[0-9a-f]{8}\.1'"),
    ),
    Scenario(
        "differs: the daemon's own directory",
        section("a", f"command={program('facts.py')} {{dir}}/a.facts", QUICK),
        [Facts("a.facts", ("directory", "umask"))],
        log="no",
        daemon="directory=/usr\numask=027",
        differs=Differs("foreground", r"'directory': 'DIR'", r"'directory': '/usr', 'umask': 23"),
    ),
    Scenario(
        "differs: a file as argument",
        "",
        [Launch("", "{dir}/nowhere.conf")],
        log="no",
        runs=False,
        differs=Differs("file-argument", "positional arguments are not supported", "could not find config file"),
    ),
    Scenario(
        "differs: a server that cannot be opened",
        "",
        [Launch("[supervisord]\n[unix_http_server]\nfile=/no/such/place/s\n")],
        log="no",
        runs=False,
        differs=Differs(
            "start-error", r"errno.ENOENT \(2\)$", r"errno.ENOENT \(2\): cannot listen on '/no/such/place/s'"
        ),
    ),
    Scenario(
        "differs: a file without the section",
        "",
        [Launch("[program:a]\ncommand=/bin/cat\nstartsecs=soon\n")],
        log="no",
        runs=False,
        differs=Differs(
            "own-dialect", "does not include supervisord section", "launched.conf:3:1: program:a.startsecs"
        ),
    ),
    Scenario(
        "differs: what is passed over",
        section("a", OFF, "autostrat=true"),
        [
            Config(section("a", OFF, "startsecs=soon")),
            Rpc("supervisor.reloadConfig"),
            Show("d.log", told="autostrat|soon"),
        ],
        log="no",
        differs=Differs("passed-over", "", r"autostrat.*did you mean"),
    ),
    Scenario(
        "differs: a quote that is never closed",
        section("a", "command=sh -c 'true", "autostart=false"),
        [Show("d.log", told="a.command")],
        log="no",
        differs=Differs("open-quote", "", r"WARN .*:a\.command: cannot be split into words: a quote is not closed"),
    ),
    Scenario(
        "differs: an identifier read again",
        "",
        [Config("", daemon="identifier=other"), Rpc("supervisor.reloadConfig"), Rpc("supervisor.getIdentification")],
        log="no",
        differs=Differs("reread-identifier", "-> 'other'", "-> 'supervisor'"),
    ),
    Scenario(
        "differs: a log that becomes AUTO",
        section("a", OFF, "stdout_logfile={dir}/a.log"),
        [Config(section("a", OFF, "stdout_logfile=AUTO")), Rpc("supervisor.reloadConfig")],
        log="no",
        differs=Differs("auto-change", r"-> \[\[\[\], \[\], \[\]\]\]", r"-> \[\[\[\], \['a'\], \[\]\]\]"),
    ),
    Scenario(
        "differs: a generated log after reading again",
        section("a", OFF),
        [Rpc("supervisor.reloadConfig"), Rpc("supervisor.getAllConfigInfo")],
        log="no",
        differs=Differs("generated-name", "'stdout_logfile': 'auto'", "'stdout_logfile': 'DIR/a-stdout---"),
    ),
    Scenario(
        "differs: a size of three gigabytes",
        section("a", OFF, "stdout_logfile_maxbytes=3GB"),
        [Rpc("supervisor.getAllConfigInfo")],
        log="no",
        differs=Differs("big-size", "HTTP 500", "'stdout_logfile_maxbytes': 2147483647"),
    ),
    Scenario(
        "differs: text that is cut",
        section("a", "command=/bin/sh -c 'echo naïve €; exec sleep 1000'", QUICK, "stdout_logfile={dir}/out"),
        [UntilText("out", "€\n"), Rpc("supervisor.readProcessStdoutLog", ("a", -3, 0))],
        log="no",
        differs=Differs("text", "HTTP 500", "�"),
    ),
    Scenario(
        "differs: the end of a connection",
        "",
        [Http(post(STATE, version="1.0"), "none", wire=True)],
        log="no",
        differs=Differs("wire", "^HTTP/1.0 200", "^connection: close"),
    ),
    Scenario(
        "differs: a login that is none",
        "",
        [
            Http(post(STATE, f"Authorization: Basic {token}"), "none")
            for token in ("!", "bm8=")  # no base64; base64 of a text without a colon
        ],
        server="username=me\npassword=mine",
        credentials=("me", "mine"),
        log="no",
        differs=Differs("login", "^500", "^401"),
    ),
    Scenario(
        "differs: a request from a foreign page",
        "",
        [Http(post(STATE, "Origin: http://elsewhere.example"), "none", port=True)],
        head="[inet_http_server]\nport=127.0.0.1:{port}\n",
        log="no",
        differs=Differs("origin", "^200", "^403"),
    ),
    Scenario(
        "differs: logs of a stopped program",
        section("a", "command=/bin/sh -c 'echo said; exec sleep 1000'", QUICK, "stdout_logfile={dir}/out"),
        [
            UntilText("out", "said"),
            Until("a", "RUNNING"),
            Rpc("supervisor.stopProcess", ("a",)),
            Rpc("supervisor.clearProcessLogs", ("a",)),
            Show("out"),
        ],
        log="no",
        differs=Differs("clear-stopped", "^said"),
    ),
    Scenario(
        "differs: a burst of events",
        "",
        [
            *ready("l"),
            *send("held"),
            UntilText("l.events", "type:held"),
            *send(*MANY, "last"),
            Write("l.events.go", "\n"),
            UntilText("l.events", "type:last"),
            Events("l.events"),
        ],
        head=recorder("l", REMOTE, answers="wait"),
        differs=Differs("buffer", "pool l event buffer overflowed", r"type:n0\b"),
    ),
    Scenario(
        "differs: a rejected event",
        "",
        [
            *ready("l"),
            *ready("m"),
            *send("one"),
            UntilText("l.events", "type:one", 2),
            *recorded("l"),
            Show("m.events"),
        ],
        head=recorder("l", REMOTE, answers="fail ok") + recorder("m", "TICK_3600"),
        log="no",
        differs=Differs("foreign-rejects", "pool:m .*REMOTE_COMMUNICATION"),
    ),
    Scenario(
        "differs: an event rejected twice",
        "",
        [
            *ready("l"),
            *send("held"),
            UntilText("l.events", "type:held"),
            *send("one", "two"),
            Write("l.events.go", "\n"),
            UntilText("l.events", "type:one", 4),
            Show("l.events"),
        ],
        # For ever: supervisord gives it again hundreds of times between two looks at what was recorded.
        head=recorder("l", REMOTE, "buffer_size=100", answers="wait fail-ever"),
        log="no",
        differs=Differs("rejects", ours="type:two"),
    ),
    Scenario(
        "differs: the socket of a stopped program",
        fcgi("f", UNIX),
        [
            Until("f", "RUNNING"),
            Rpc("supervisor.stopProcess", ("f",)),
            UntilLine("Closing socket"),
            Rpc("supervisor.getState"),  # answered when that is done, not only said
            Mode("f.sock"),
        ],
        differs=Differs("fcgi-file", "f.sock: 0o", "f.sock: none"),
    ),
    Scenario(
        "differs: fastcgi in a group",
        fcgi("f", UNIX, "autostart=false") + "[group:g]\nprograms=f\n",
        [Rpc("supervisor.startProcess", ("g:f",)), Mode("f.sock")],
        log="no",
        differs=Differs("fcgi-group", "f.sock: none", "f.sock: 0o"),
    ),
    Scenario(
        "differs: another mode of a socket",
        fcgi("f", UNIX),
        [Until("f", "RUNNING"), Config(fcgi("f", UNIX, "socket_mode=0777")), Rpc("supervisor.reloadConfig")],
        log="no",
        differs=Differs("fcgi-change", r"-> \[\[\[\], \[\], \[\]\]\]", r"-> \[\[\[\], \['f'\], \[\]\]\]"),
    ),
    Scenario(
        "differs: update of what does not run",
        section("a", OFF),
        [Config(section("a", OFF, "startsecs=7")), Ctl("update"), Ctl("status")],
        log="no",
        differs=Differs("update", "^a: stopped", who="tmctl"),
    ),
    Scenario(
        "differs: a wrong password",
        "",
        [Ctl("-u me -p wrong status")],
        server="username=me\npassword=mine",
        credentials=("me", "mine"),
        log="no",
        differs=Differs("twice", "error: <class 'xmlrpc.client.ProtocolError'>", who="tmctl"),
    ),
    Scenario(
        "differs: asked while it ends",
        section("web", f"command={program('slow_stop.py')} 1", QUICK, "stdout_logfile={dir}/out"),
        [UntilText("out", "ready"), Until("web", "RUNNING"), Signal(15), UntilText("out", "stopping"), Ctl("status")],
        log="no",
        ends=True,
        differs=Differs("client-error", "^error: <class", "^error: the daemon is shutting down", who="tmctl"),
    ),
]

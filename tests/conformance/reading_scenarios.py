"""Files that are accepted: what both daemons read out of them, at the start and when they read again."""

from collections.abc import Iterator, Mapping

from tests.conformance.steps import (
    OFF,
    QUICK,
    SLEEP,
    Again,
    Config,
    Ctl,
    Facts,
    Rpc,
    Scenario,
    Signal,
    Step,
    Until,
    Write,
    section,
)
from tests.e2e.harness import program


def read(*texts: str) -> Iterator[Step]:
    """Have the daemon read each text (the program sections) and tell what it made of it."""
    for text in texts:
        yield Config(text)
        yield Rpc("supervisor.reloadConfig")
        yield Rpc("supervisor.getAllConfigInfo")


def reading(name: str, *texts: str, head: str = "", files: Mapping[str, str] | None = None) -> Scenario:
    """Return a scenario that starts on the first text and reads the others."""
    first, *others = texts
    return Scenario(
        name,
        first,
        [Rpc("supervisor.getAllConfigInfo"), *read(*others)],
        log="any order",
        head=head,
        files=files or {},
        environment={"WHO": "me", "PER": "10%", "EMPTY": ""},
    )


def off(name: str, *lines: str) -> str:
    """Return a [program:x] that is not started, with these lines."""
    return section(name, "command=sleep 100000", "autostart=false", *lines)


def facts(name: str, *lines: str) -> str:
    """Return a program that writes what it finds into the file NAME.facts."""
    return section(name, f"command={program('facts.py')} {{dir}}/{name}.facts", QUICK, *lines)


ENVIRONMENTS = (
    "A=1",
    'A="1",B=2',
    "A='x\"y',B=\"x'y\"",
    'A="",B=3',
    "A=it's",
    "A=1;B=2",
    "A=a b",
    "A=1,",
    "A=1,\n   B=2",
    "A=/usr/bin:/bin,B=(x+y)-z.w",
    "A=x#y",
    "A==1",
    "A=1,A=2",
    'A="100%%"',
    'A="%(program_name)s %(process_num)d %(here)s"',
    'A="%(ENV_WHO)s%(ENV_PER)s%(ENV_EMPTY)s"',
    'A="høy",B="ÆØ Å"',
    "a=low,A=high",
    "",
)

TOLD = ("SUPERVISOR_ENABLED", "SUPERVISOR_SERVER_URL", "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME")

SCENARIOS = [
    reading(
        "comments and lines",
        "# whole line\n; whole line\n"
        + off("a", "directory=/tmp ; a comment", "serverurl=x;y#z", "priority=5 # a comment", "startsecs: 7")
        + "[program:b] ; a comment\ncommand = sleep\n   1000\n   # within\n   2000\nautostart : no\n\n\n"
        + "[Program:c]\ncommand=x\n[other]\nanything = 5\n[program: d ]\nCOMMAND=/bin/cat\nAutoStart=OFF\nunknown=1\n"
        + "[program:e]\ncommand=first\ncommand=second\nautostart=0\n[program:f]\ncommand=one\nautostart=0\n"
        + "[program:f]\nstartsecs=9\n[program:f]\ncommand=two\n",
    ),
    reading(
        "defaults for every section",
        "",
        "[DEFAULT]\nautostart=false\nstartsecs=7\ncommand=sleep 1\npriority=3\n[program:a]\n"
        "[program:b]\nstartsecs=1\n[group:g]\nprograms=a\n",
        "[DEFAULT]\nautostart=no\n[program:a]\ncommand=x\n[DEFAULT]\nstopsignal=INT\n",
    ),
    reading(
        "numbers and words",
        off("a", "startsecs=+5", "startretries=1_000", "stopwaitsecs= 7 ", "priority=-3")
        + off("b", "startsecs=-1", "numprocs=0")
        + off("c", "autorestart=TRUE", "redirect_stderr=On", "stopasgroup=yes")
        + off("d", "killasgroup=1", "stopasgroup=FALSE", "stdout_events_enabled=true", "stderr_events_enabled=1")
        + off("e", "umask=0o22")
        + off("f", "umask=022", "user={me}")
        + off("g", "user=0"),
    ),
    reading(
        "sizes as read",
        *(
            off("a", f"stdout_logfile_maxbytes={size}", f"stderr_capture_maxbytes={size}", "stderr_logfile_backups=0")
            for size in ("0", "12", "1KB", "2 mb", "1Gb", "-1", "1_000kb")
        ),
    ),
    reading(
        "signals as read",
        "".join(
            off(f"s{number}", f"stopsignal={word}")
            for number, word in enumerate(("TERM", "sigint", "SIGusr1", "9", "rtmin", "0", "hup", "64", "POLL"))
        ),
    ),
    reading(
        "exit codes as read",
        "".join(
            off(f"e{number}", f"exitcodes={word}")
            for number, word in enumerate(("0", "0,2", " 1 , 255", "", "7,7", "02", "0,"))
            if word != "0,"
        ),
    ),
    reading(
        "expanded values",
        "[program:a]\ncommand=%(program_name)s %(process_num)02d of %(numprocs)d in %(group_name)s on %(ENV_WHO)s %% x"
        "\n"
        "process_name=%(program_name)s_%(process_num)03d\nnumprocs=2\nnumprocs_start=5\nautostart=false\n"
        "directory=%(here)s/%(ENV_WHO)s\nstdout_logfile=%(here)s/%(program_name)s-%(process_num)d.%(ENV_WHO)s\n"
        "stderr_logfile_backups=%(process_num)d\n"
        "[program:b]\ncommand=%(ENV_PER)s %(ENV_EMPTY)s.\nautostart=false\nserverurl=%(ENV_WHO)s\n"
        "[program:c]\ncommand=cat %(ENV_X)s\nenvironment=X=5\nautostart=false\ndirectory=/tmp/%(ENV_X)s\n"
        "[group:g]\nprograms=b\npriority=%(ENV_SIX)s\n",
    )._replace(daemon='environment=SIX="6"'),
    reading(
        "log files as read",
        *(
            off(
                "a",
                f"stdout_logfile={value}",
                f"stderr_logfile={value}",
                "stdout_logfile_maxbytes=5",
                "redirect_stderr=no",
            )
            for value in ("NONE", "off", "{dir}/a.log", "/dev/null", "~/a.log", "none", "relative.log", "/dev/stdout")
        ),
    ),
    reading(
        "warnings of the reader",
        off("a", "stdout_logfile=syslog")
        + off("b", "stderr_logfile=syslog", "stdout_syslog=true")
        + off("c", "stdout_logfile=AUTO", "stdout_logfile_maxbytes=0")
        + off("d", "redirect_stderr=true", "stderr_logfile={dir}/d.err")
        + off("e", "redirect_stderr=true", "stderr_logfile=NONE"),
    ),
    reading(
        "groups as read",
        off("a", "priority=3") + off("b", "priority=1") + off("c", "numprocs=2", "process_name=%(process_num)d"),
        off("a")
        + off("b")
        + "[group:g]\nprograms=b,a\npriority=7\n[group:h]\nprograms= c , b \n[group:empty]\nprograms=\n",
    ),
    reading(
        "included files",
        off("a") + off("b", "startsecs=1"),
        head="[include]\nfiles = {dir}/more/*.conf  one.ini\n   /no/such/*.conf [ab]b.cfg %(here)s/last.conf\n",
        files={
            "more/z.conf": off("z", "directory=%(here)s"),
            "more/c.conf": off("c", "startsecs=2") + off("b", "startsecs=3"),
            "more/ignored.txt": off("ignored"),
            "one.ini": off("c", "stopwaitsecs=5") + "[include]\nfiles=never.conf\n",
            "never.conf": off("never"),
            "bb.cfg": "[supervisord]\nidentifier=included\n",
            "last.conf": off("z", "stopwaitsecs=6"),
        },
    ),
    Scenario(
        "files that come later",
        off("a", "stdout_logfile=NONE", "stderr_logfile=NONE"),
        [
            Write("more/b.conf", off("b")),
            Rpc("supervisor.reloadConfig"),
            Write("more/b.conf", "[program:b]\ncommand=x\nstartsecs=y\n"),
            Rpc("supervisor.reloadConfig"),
            Write("more/b.conf", "startsecs\n"),
            Rpc("supervisor.reloadConfig"),
            Write("more/b.conf", None),
            Rpc("supervisor.reloadConfig"),
            Rpc("supervisor.getAllConfigInfo"),
        ],
        head="[include]\nfiles=more/*.conf\n",
        log="no",
    ),
    Scenario(
        "refused when read again",
        section("a"),
        [
            Until("a", "RUNNING"),
            *read(
                off("a", "startsecs=soon"),
                "[program:b]\n",
                off("a") + "[group:g]\nprograms=nobody\n",
                "[program:a\ncommand\n",
                off("b", "environment=A"),
                "[unix_http_server:more]\n",
                "[include]\n",
                off("a", "command=%(nope)"),
                off("b", "autorestart=perhaps", "exitcodes=x"),
            ),
            Config(section("a"), daemon="loglevel=loud"),
            Ctl("reread"),
            Config(section("a"), daemon="minfds=some"),
            Ctl("status"),
        ],
    ),
    Scenario(
        "what counts as a change",
        section("a", OFF) + section("b", OFF) + "[group:g]\nprograms=a,b\n",
        [
            step
            for text in (
                section("a", OFF) + section("b", OFF) + "[group:g]\nprograms=a,b\n",
                section("a", OFF) + section("b", OFF) + "[group:g]\nprograms=b,a\n",
                section("a", OFF) + section("b", OFF) + "[group:g]\nprograms=a,b\npriority=5\n",
                *(
                    section("a", OFF, line) + section("b", OFF) + "[group:g]\nprograms=a,b\n"
                    for line in (
                        "startsecs=5",
                        "stopsignal=INT",
                        "environment=A=1",
                        "umask=077",
                        "directory=/tmp",
                        "stdout_logfile=NONE",
                        "stdout_logfile={dir}/x",
                        "stderr_logfile_backups=3",
                        "exitcodes=1",
                        "autostart=true",
                        "redirect_stderr=true",
                        "stopasgroup=true",
                        "priority=4",
                        "unknown=5",
                        "serverurl=http://x",
                        "# nothing",
                    )
                ),
                section("a", OFF) + section("b", OFF),
            )
            for step in (Config(text), Rpc("supervisor.reloadConfig"))
        ],
    ),
    Scenario(
        "environments as read",
        "".join(facts(f"e{number}", f"environment={text}") for number, text in enumerate(ENVIRONMENTS)),
        [Facts(f"e{number}.facts", (), ("A", "B", "a")) for number in range(len(ENVIRONMENTS))],
        log="no",
        environment={"WHO": "me", "PER": "10%", "EMPTY": ""},
    ),
    Scenario(
        "whose environment wins",
        facts("own", "environment=A=own,SUPERVISOR_ENABLED=mine") + facts("plain") + facts("url", "serverurl=http://x"),
        [Facts(f"{name}.facts", (), ("A", "B", "C", *TOLD)) for name in ("own", "plain", "url")],
        log="no",
        daemon="environment=A=global,B=global,SUPERVISOR_PROCESS_NAME=theirs",
        environment={"A": "outer", "B": "outer", "C": "outer"},
    ),
    Scenario(
        "flags beat the file",
        section("a", OFF),
        [
            Rpc("supervisor.getIdentification"),
            Rpc("supervisor.getAllConfigInfo"),
            Config(section("a", OFF), daemon="identifier=read_again"),
            Rpc("supervisor.reloadConfig"),
            Rpc("supervisor.getIdentification"),
        ],
        daemon="identifier=file\nloglevel=debug",
        arguments="-i flag -e info -k -t",
    ),
    Scenario(
        "a daemon of a name",
        section("a", SLEEP) + section("b", SLEEP, "stdout_logfile=NONE"),
        [
            Until("a", "RUNNING"),
            Rpc("supervisor.getIdentification"),
            Rpc("supervisor.getProcessInfo", ("a",)),
            Ctl("status"),
            Signal(1),
            Again(1),
            Until("a", "RUNNING"),
            Until("b", "RUNNING"),
            Ctl("status"),
        ],
        log="any order",
        daemon="identifier=other",
    ),
    Scenario(
        "several servers",
        section("a"),
        [
            Until("a", "RUNNING"),
            Ctl("status"),
            Ctl("-s http://localhost:{port} status", told="requires"),
            Ctl("-s http://127.0.0.1:{port} -u me -p mine status"),
            Ctl("-s http://127.0.0.1:{port} -u me -p wrong status", told="requires"),
            Ctl("-s unix://{dir}/second status"),
            Ctl("open http://127.0.0.1:{port}", told="^$|ERROR"),
            Facts("f.facts", (), ("SUPERVISOR_SERVER_URL",)),
        ],
        log="any order",
        head="[unix_http_server:second]\nfile={dir}/second\nchmod=0777\n"
        "[inet_http_server:tcp]\nport=127.0.0.1:{port}\nusername=me\npassword=mine\n" + facts("f"),
    ),
]

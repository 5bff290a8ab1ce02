"""Every command of the client: its words, its mistakes, its exit codes."""

from tests.conformance.steps import (
    OFF,
    QUICK,
    SLEEP,
    Again,
    Config,
    Ctl,
    Scenario,
    Show,
    Signal,
    Step,
    Until,
    UntilText,
    Write,
    section,
)
from tests.e2e.harness import program

TALKER = section("echo", f"command={program('echo.py')}", QUICK, "stdout_logfile={dir}/out", "stderr_logfile={dir}/err")
GROUP = section("a", OFF) + section("b", OFF) + "[group:g]\nprograms=a,b\n"
NO_SERVER = "[supervisorctl]\nserverurl=unix://{dir}/nowhere\n"
REFUSED = "[supervisorctl]\nserverurl=http://127.0.0.1:{port}\n"
COMMANDS = (
    "add",
    "avail",
    "clear",
    "exit",
    "fg",
    "maintail",
    "pid",
    "quit",
    "reload",
    "remove",
    "reread",
    "restart",
    "shutdown",
    "signal",
    "start",
    "status",
    "stop",
    "tail",
    "update",
    "version",
)


def words(*lines: str) -> list[Step]:
    """Return a run of the client for each line."""
    return [Ctl(line) for line in lines]


SCENARIOS = [
    Scenario(
        "ctl start",
        GROUP
        + section("c", "command=/no/such", "autostart=false", "startretries=0")
        + section("d", "command=/bin/sh -c 'exit 1'", "autostart=false", "startretries=0")
        + section("e", "command={dir}", "autostart=false"),
        [
            *words("start g:a g:a", "start a", "start g:b g:nobody", "start nobody g:a", "start g:*", "start nobody:*"),
            *words(
                "start c", "start d", "start e", "start c g:a", "start g:a c", "start", "start :", "start *", "start g:"
            ),
        ],
        log="no",
    ),
    Scenario(
        "ctl stop",
        section("a") + section("b") + section("c", OFF) + "[group:g]\nprograms=a,b\n",
        [
            Until("g:a", "RUNNING"),
            Until("g:b", "RUNNING"),
            *words("stop g:a g:a", "stop a", "stop c", "stop nobody g:a", "stop nobody:*", "stop g:nobody", "stop"),
            *words("stop g:b c", "stop g:*", "stop all", "stop g:", "stop *"),
        ],
        log="no",
    ),
    Scenario(
        "ctl restart",
        GROUP + section("c", "command=/no/such", "autostart=false", "startretries=0"),
        [
            *words("restart g:a", "restart g:a", "restart nobody", "restart g:nobody", "restart nobody:*", "restart c"),
            Ctl("restart g:*", order="any"),
            Ctl("restart all", order="any"),
            *words("restart", "restart g:a nobody"),
        ],
        log="no",
    ),
    Scenario(
        "ctl status",
        GROUP + section("a_program_with_quite_a_long_name_for_a_table", OFF) + section("run"),
        [
            Until("run", "RUNNING"),
            *words(
                "status",
                "status run",
                "status run run",
                "status g:*",
                "status g:a run",
                "status nobody",
                "status run nobody",
            ),
            *words(
                "status nobody:*",
                "status nobody:x",
                "status g:nobody",
                "status all",
                "status *",
                "status g:",
                "status a",
            ),
            *words("status a_program_with_quite_a_long_name_for_a_table"),
            Ctl("stop run"),
            *words("status run"),
        ],
        log="no",
    ),
    Scenario(
        "ctl pid",
        section("a") + section("off", OFF),
        [
            *words("pid off", "pid nobody", "pid off nobody", "pid all", "pid off:*", "pid off:off"),
        ],
        log="no",
    ),
    Scenario(
        "ctl signal",
        section("a") + section("off", OFF) + "[group:g]\nprograms=a,off\n",
        [
            Until("g:a", "RUNNING"),
            *words(
                "signal CONT g:a", "signal CONT g:off", "signal CONT g:a g:off", "signal CONT g:*", "signal CONT all"
            ),
            *words("signal 18 g:a", "signal 999 g:a", "signal nope g:a", "signal NOPE nobody", "signal CONT nobody:*"),
            *words("signal CONT g:nobody", "signal", "signal CONT", "signal nope all", "signal nope g:*"),
        ],
        log="no",
    ),
    Scenario(
        "ctl tail",
        TALKER + section("mute", SLEEP, "stdout_logfile=NONE", "stderr_logfile=NONE"),
        [
            UntilText("out", "ready"),
            Until("mute", "RUNNING"),
            *words(
                "tail echo", "tail -3 echo", "tail -0 echo", "tail -100 echo stdout", "tail echo stderr", "tail mute"
            ),
            *words(
                "tail -2 mute stderr", "tail echo stdin", "tail -x echo", "tail -- echo", "tail echo x y", "tail nobody"
            ),
            *words("tail nobody stderr", "tail -f", "tail -5", "tail echo:echo", "tail echo:*", "tail"),
        ],
        log="no",
    ),
    Scenario(
        "ctl main tail",
        section("a", OFF),
        [
            Ctl("maintail", told="supervisord started"),
            Ctl("maintail -8"),
            *words("maintail x", "maintail -x", "maintail 5", "maintail -5 -6", "maintail stderr"),
        ],
        log="no",
    ),
    Scenario(
        "ctl clear",
        TALKER + section("a", OFF) + section("b", OFF) + "[group:g]\nprograms=a,b\n",
        [
            UntilText("out", "ready"),
            *words(
                "clear echo", "clear nobody", "clear echo nobody g:a", "clear g:*", "clear g:nobody", "clear", "clear a"
            ),
            Ctl("clear all", order="any"),
            Show("out"),
        ],
        log="no",
    ),
    Scenario(
        "ctl add and remove",
        section("a") + section("b", OFF),
        [
            Until("a", "RUNNING"),
            Config(section("b", OFF) + section("c") + section("d", OFF)),
            *words(
                "add c", "reread", "add c", "add c d", "add nobody c", "add", "remove a", "remove nobody", "remove b d"
            ),
            *words("remove", "stop a", "remove a a", "remove b:*", "status", "avail"),
        ],
        log="no",
    ),
    Scenario(
        "ctl update",
        section("a") + section("b") + section("c"),
        [
            *(Until(name, "RUNNING") for name in "abc"),
            Config(section("b") + section("c", SLEEP, "environment=A=1") + section("d")),
            *words("update nobody", "update d nobody", "update a", "update", "update", "update all", "status", "avail"),
        ],
        log="no",
    ),
    Scenario(
        "ctl available",
        section("a", OFF, "priority=5")
        + section("b", "command=x", "priority=-1")
        + GROUP.replace("program:a", "program:m").replace("=a,", "=m,")
        + section("a_program_with_quite_a_long_name_for_a_table", OFF),
        [Config(section("a", OFF) + section("z")), *words("avail", "reread", "avail", "avail x")],
        log="no",
    ),
    Scenario(
        "ctl version and help",
        "",
        [
            *words(
                "version", "version x", "help nothing", "help a b", "nothing", "nothing at all", "1", "!ls", "?nothing"
            ),
            *(Ctl(f"help {command}", told=r"\*\*\*") for command in COMMANDS),
        ],
        log="no",
    ),
    Scenario(
        "ctl without a server",
        "",
        [
            Write("gone.conf", NO_SERVER),
            Write("refused.conf", REFUSED),
            *(
                Ctl(line, file=file)
                for file in ("gone.conf", "refused.conf")
                for line in (
                    "status",
                    "start a",
                    "stop a",
                    "restart a",
                    "pid",
                    "tail a",
                    "signal HUP a",
                    "clear a",
                    "version",
                    "maintail",
                    "fg a",
                    "shutdown",
                )
            ),
        ],
        log="no",
        runs=False,
    ),
    Scenario(
        "ctl and its file",
        section("a", OFF),
        [
            Write("bare.conf", "[supervisord]\n"),
            Write("here.conf", "[supervisorctl]\nserverurl=unix://%(here)s/s\nprompt=%(ENV_HOME)s\n"),
            Write("wrong.conf", "[supervisorctl]\nserverurl=unix://%(nope)s/s\n"),
            Write("odd.conf", "[supervisorctl]\nserverurl=ftp://x\n"),
            Write("unused.conf", "[supervisorctl]\nserverurl=unix://{dir}/nowhere\nusername=x\nhistory_file=~/h\n"),
            Ctl("status", file="bare.conf", told="^$", errors=True),
            Ctl("status", file="here.conf"),
            Ctl("-s unix://{dir}/s status", file="unused.conf"),
            Ctl("--serverurl=unix://{dir}/s --username=a --password=b status", file="unused.conf"),
            Ctl("-s unix://{dir}/s status", file="none"),
            Ctl("-i status"),
            Ctl("-s unix://{dir}/s -i status a"),
        ],
        log="no",
    ),
    Scenario(
        "ctl in a shell",
        section("a", SLEEP, "autostart=false"),
        [
            Ctl("", typed="status\n\nstart a\nstop a\nnothing\nhelp nothing\npid\nquit\n"),
            Ctl("", typed="version\n"),
            Ctl("-i", typed="avail\nexit\n"),
            Ctl("", typed="start nobody\nstatus nobody\ntail nobody\nsignal HUP nobody\n  status  a \n"),
            Ctl("", typed="shutdown\nn\nreload\nn\nexit\n"),
        ],
        log="no",
        ctl="prompt=there",
    ),
    Scenario(
        "ctl shutdown",
        section("a"),
        [Until("a", "RUNNING"), Ctl("shutdown x"), Ctl("shutdown")],
        log="any order",
        ends=True,
    ),
    Scenario(
        "ctl shutdown in a shell",
        section("a", OFF),
        [Ctl("", typed="shutdown\ny\nexit\n", told="Really|Shut")],
        log="no",
        ends=True,
    ),
    Scenario(
        "ctl reload",
        section("a"),
        [
            Until("a", "RUNNING"),
            Config(section("b")),
            Ctl("reload x"),
            Ctl("reload"),
            Again(1),
            Until("b", "RUNNING"),
            Ctl("status"),
        ],
        log="any order",
    ),
    Scenario(
        "ctl while it ends",
        section("web", f"command={program('slow_stop.py')} 2.5", QUICK, "stdout_logfile={dir}/out"),
        [
            UntilText("out", "ready"),
            Until("web", "RUNNING"),
            Signal(15),
            UntilText("out", "stopping"),
            *words("shutdown", "reload", "reread", "add web"),
        ],
        log="no",
        ends=True,
    ),
    Scenario(
        "ctl foreground",
        TALKER + section("off", OFF) + "[group:g]\nprograms=off\n",
        [
            UntilText("out", "ready"),
            Ctl("tail -f nobody", errors=True),
            Ctl("maintail -f x", errors=True),
            *words("fg", "fg nobody", "fg echo g:off", "fg g:off", "fg off", "fg g:*"),
        ],
        log="no",
    ),
    Scenario(
        "ctl with a password",
        section("a", OFF),
        words("status", "start a", "-u me -p mine stop a"),
        server="username=me\npassword=mine",
        ctl="username=me\npassword=mine",
        credentials=("me", "mine"),
        log="any order",
    ),
    Scenario(
        "ctl with a hashed password",
        section("a", OFF),
        words("status", "avail"),
        server="username=me\npassword={SHA}8034c43d15bb7ef42e2cc24255217acfc5f4b2f4",
        ctl="username=me\npassword=mine",
        credentials=("me", "mine"),
        log="no",
    ),
]

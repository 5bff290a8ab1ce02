"""The scenarios: what an operator does, step by step, that must look the same under both daemons."""

from tests.conformance.transcript import Config, Ctl, Kill, Rpc, Scenario, Show, Until, UntilLine, UntilText
from tests.e2e.harness import program

QUICK = "startsecs=0\n"
SLEEP = f"command=sleep 100000\n{QUICK}"


def section(name: str, *lines: str) -> str:
    return f"[program:{name}]\n" + "\n".join(lines or (SLEEP,)) + "\n"


ECHO = section("echo", f"command={program('echo.py')}", QUICK, "stdout_logfile={dir}/out", "redirect_stderr=true")
THREE = section("a") + section("b") + section("c", SLEEP, "autostart=false")
GROUP = section("a") + section("b") + section("lone") + "[group:g]\nprograms=a,b\npriority=5\n"

SCENARIOS = [
    Scenario(
        "start stop restart",
        section("web", "command=sleep 100000", "autostart=false"),
        [
            Ctl("status"),
            Ctl("start web"),
            Ctl("start web"),
            Ctl("status web"),
            Ctl("restart web"),
            Ctl("stop web"),
            Ctl("stop web"),
            Ctl("status"),
            Ctl("restart web"),
            Ctl("status"),
        ],
    ),
    Scenario(
        "all at once",
        THREE,
        [
            *(Until(name, "RUNNING") for name in ("a", "b")),
            Ctl("status"),
            Ctl("start all"),
            Ctl("start all"),
            Ctl("stop all", order="any"),
            Ctl("stop all"),
            Ctl("start a b"),
            Ctl("restart all", order="any"),
            Ctl("status"),
            Ctl("stop a nobody b"),
        ],
        log="any order",
    ),
    Scenario(
        "groups",
        GROUP,
        [
            Until("g:a", "RUNNING"),
            Until("g:b", "RUNNING"),
            Ctl("status"),
            Ctl("status g:*"),
            Ctl("status g:a nobody:* nobody"),
            Ctl("stop g:*", order="any"),
            Ctl("start g:a"),
            Ctl("start g:*"),
            Ctl("start g:*"),
            Ctl("restart g:b"),
            Ctl("stop a"),
            Ctl("pid g:a"),
            Ctl("pid a"),
            Ctl("avail"),
            Ctl("signal HUP g:*"),
        ],
        log="any order",
    ),
    Scenario(
        "crash at once",
        section("web", "command=/bin/sh -c 'exit 3'", "startretries=1"),
        [
            Until("web", "FATAL"),
            Ctl("status"),
            Rpc("supervisor.getProcessInfo", ("web",)),
            Ctl("start web"),
            Ctl("pid web"),
            UntilLine("gave up", 2),
            Ctl("stop web"),
        ],
        log="any order",
    ),
    Scenario(
        "expected and unexpected exits",
        section("good", "command=/bin/sh -c 'sleep 0.3; exit 2'", QUICK, "exitcodes=2", "autorestart=unexpected")
        + section("bad", "command=/bin/sh -c 'sleep 0.3; exit 1'", QUICK, "autorestart=false")
        + section("killed", "command=/bin/sh -c 'sleep 0.3; kill -9 $$'", QUICK, "autorestart=false"),
        [
            *(Until(name, "EXITED") for name in ("good", "bad", "killed")),
            Ctl("status"),
            *(Rpc("supervisor.getProcessInfo", (name,)) for name in ("good", "bad", "killed")),
            Ctl("stop good"),
        ],
        log="any order",
    ),
    Scenario(
        "killed from outside",
        section("web", "command=sleep 100000"),
        [Until("web", "RUNNING"), Kill("web", 9), UntilLine("success: web", 2), Ctl("status")],
    ),
    Scenario(
        "ignores the stop",
        section("web", f"command={program('stubborn.py')}", QUICK, "stopwaitsecs=1", "stdout_logfile={dir}/out"),
        [UntilText("out", "ready"), Until("web", "RUNNING"), Ctl("stop web"), Ctl("status"), Show("out")],
    ),
    Scenario(
        "needs a while to stop",
        section("web", f"command={program('slow_stop.py')} 4", QUICK, "stdout_logfile={dir}/out"),
        [
            UntilText("out", "ready"),
            Until("web", "RUNNING"),
            Rpc("supervisor.stopProcess", ("web", False)),
            Ctl("status"),
            Ctl("stop web"),
            Rpc("supervisor.startProcess", ("web", False)),
            Rpc("supervisor.signalProcess", ("web", "USR2")),
            UntilLine("stopped: web"),
            Until("web", "STOPPED"),
            Ctl("status"),
        ],
        log="any order",
    ),
    Scenario(
        "no such command",
        section("web", "command=/no/such/program", "startretries=0"),
        [Until("web", "FATAL"), Ctl("status"), Ctl("start web"), Rpc("supervisor.startProcess", ("web",))],
    ),
    Scenario(
        "a directory as command",
        section("web", "command={dir}", "startretries=0"),
        [Until("web", "FATAL"), Ctl("status"), Ctl("start web"), Rpc("supervisor.startProcess", ("web",))],
    ),
    Scenario(
        "an empty command",
        section("web", "command=", "startretries=0"),
        [Until("web", "FATAL"), Ctl("status"), Ctl("start web"), Rpc("supervisor.startProcess", ("web",))],
    ),
    Scenario(
        "cannot be parsed",
        section("web", "command=sh -c 'true", "startretries=0"),
        [Until("web", "FATAL"), Ctl("status"), Rpc("supervisor.startProcess", ("web",))],
    ),
    Scenario(
        "tail and read",
        ECHO,
        [
            UntilText("out", "ready"),
            Until("echo", "RUNNING"),
            Rpc("supervisor.sendProcessStdin", ("echo", "one\n")),
            UntilText("out", "one"),
            Ctl("tail echo"),
            Ctl("tail -5 echo"),
            Ctl("tail echo stdout"),
            Ctl("tail echo stderr"),
            Ctl("tail echo nowhere"),
            Ctl("tail"),
            Ctl("tail -x echo"),
            Ctl("tail nobody"),
            *(
                Rpc(f"supervisor.{method}", ("echo", offset, length))
                for method in ("readProcessStdoutLog", "tailProcessStdoutLog", "readProcessStderrLog")
                for offset, length in ((0, 0), (0, 3), (2, 4), (-4, 0), (-4, 2), (0, -1), (99, 5), (0, 1), (5, 100))
            ),
            Rpc("supervisor.tailProcessStderrLog", ("echo", 0, 10)),
            Ctl("clear echo"),
            Rpc("supervisor.readProcessStdoutLog", ("echo", 0, 0)),
            Ctl("clear nobody"),
        ],
    ),
    Scenario(
        "signals",
        section("web") + section("off", SLEEP, "autostart=false"),
        [
            Until("web", "RUNNING"),
            Ctl("signal CONT web"),
            Ctl("signal 18 web"),
            Ctl("signal SIGCONT web"),
            Ctl("signal NOPE web"),
            Ctl("signal CONT nobody"),
            Ctl("signal CONT off"),
            Ctl("signal CONT all"),
            Ctl("signal CONT nobody:*"),
            Ctl("signal"),
            Ctl("signal CONT"),
            *(Rpc("supervisor.signalProcess", ("web", name)) for name in ("0", "CONT", 18, "cont", "999", "-1")),
            Rpc("supervisor.signalAllProcesses", ("CONT",)),
            Rpc("supervisor.signalProcessGroup", ("web", "CONT")),
        ],
    ),
    Scenario(
        "usage",
        section("web"),
        [
            Until("web", "RUNNING"),
            *(
                Ctl(words)
                for words in (
                    "start",
                    "stop",
                    "restart",
                    "clear",
                    "frobnicate",
                    "help nothing",
                    "avail x",
                    "reread x",
                    "shutdown x",
                    "version x",
                    "reload x",
                    "version",
                    "pid",
                    "pid all",
                    "pid nobody",
                    "add",
                    "add nobody",
                    "remove nobody",
                    "open nowhere",
                    "fg",
                    "fg nobody",
                    "fg a b",
                    "maintail x",
                    "tail a b c d",
                )
            ),
        ],
        log="no",
    ),
    Scenario(
        "reread and update",
        THREE,
        [
            Until("a", "RUNNING"),
            Until("b", "RUNNING"),
            Ctl("reread"),
            Ctl("update"),
            Config(section("a") + section("d") + section("b", SLEEP, "environment=A=1")),
            Ctl("reread"),
            Ctl("reread"),
            Ctl("avail"),
            Ctl("status"),
            Ctl("update", order="any"),
            Ctl("status"),
            Ctl("avail"),
            Rpc("supervisor.reloadConfig"),
        ],
        log="any order",
    ),
    Scenario(
        "update of some",
        section("a"),
        [
            Until("a", "RUNNING"),
            Config(section("b") + section("c")),
            Ctl("update b"),
            Ctl("update nobody"),
            Ctl("status"),
            Ctl("update all"),
            Ctl("status"),
        ],
        log="any order",
    ),
    Scenario(
        "add and remove",
        section("a"),
        [
            Until("a", "RUNNING"),
            Ctl("add a"),
            Ctl("remove a"),
            Ctl("stop a"),
            Ctl("remove a"),
            Ctl("remove a"),
            Ctl("status a"),
            Ctl("add a"),
            Until("a", "RUNNING"),
            Ctl("status"),
            Rpc("supervisor.addProcessGroup", ("a",)),
            Rpc("supervisor.removeProcessGroup", ("a",)),
            Rpc("supervisor.removeProcessGroup", ("nobody",)),
        ],
    ),
    Scenario(
        "a broken file",
        section("a"),
        [
            Until("a", "RUNNING"),
            Config(section("a", SLEEP, "startsecs=soon")),
            Ctl("status"),
            Config(section("a")),
            Ctl("reread"),
            Ctl("status"),
        ],
    ),
    Scenario(
        "status arrays",
        THREE,
        [
            Until("a", "RUNNING"),
            Until("b", "RUNNING"),
            Rpc("supervisor.startAllProcesses"),
            Rpc("supervisor.stopProcessGroup", ("a",)),
            Rpc("supervisor.stopProcess", ("b:*",)),
            Rpc("supervisor.startProcess", ("b:",)),
            Rpc("supervisor.startProcessGroup", ("a", False)),
            Rpc("supervisor.startProcessGroup", ("nobody",)),
            Rpc("supervisor.stopProcessGroup", ("nobody",)),
            Until("a", "RUNNING"),
            Rpc("supervisor.getAllProcessInfo"),
        ],
        log="any order",
    ),
    Scenario(
        "what it says of itself",
        section("a") + section("b", "command=sleep 1000", "stdout_logfile=NONE", "stderr_logfile={dir}/err"),
        [
            Until("a", "RUNNING"),
            Until("b", "RUNNING"),
            *(
                Rpc(f"supervisor.{name}")
                for name in ("getAPIVersion", "getVersion", "getSupervisorVersion", "getIdentification", "getState")
            ),
            Rpc("supervisor.getProcessInfo", ("a",)),
            Rpc("supervisor.getProcessInfo", ("b",)),
            Rpc("supervisor.getProcessInfo", ("a:a",)),
            Rpc("supervisor.getProcessInfo", ("a:*",)),
            Rpc("system.methodSignature", ("supervisor.startProcess",)),
            Rpc("system.methodSignature", ("nope",)),
            Rpc("system.methodHelp", ("nope",)),
        ],
        log="any order",
    ),
    Scenario(
        "the configuration as read",
        section("web", SLEEP, "numprocs=2", "process_name=%(program_name)s_%(process_num)d", "stopsignal=HUP")
        + section("log", SLEEP, "stdout_logfile=NONE", "exitcodes=0,2", "directory=/tmp", "autostart=no"),
        [Until("web:web_1", "RUNNING"), Rpc("supervisor.getAllConfigInfo"), Ctl("avail")],
        log="any order",
    ),
    Scenario(
        "many calls in one",
        section("a"),
        [
            Until("a", "RUNNING"),
            Rpc(
                "system.multicall",
                (
                    [
                        {"methodName": "supervisor.stopProcess", "params": ["a"]},
                        {"methodName": "supervisor.startProcess", "params": ["a"]},
                        {"methodName": "supervisor.startProcess", "params": ["a"]},
                        {"methodName": "supervisor.getProcessInfo", "params": ["nobody"]},
                        {"methodName": "nope"},
                        {"methodName": "system.multicall", "params": [[]]},
                        {"params": []},
                        {"methodName": "supervisor.getState", "params": [1]},
                    ],
                ),
            ),
        ],
        log="no",  # supervisord at times loses a TERM that comes before the exec, and kills
    ),
    Scenario(
        "wrong arguments",
        section("a"),
        [
            Until("a", "RUNNING"),
            Rpc("supervisor.getState", (1,)),
            Rpc("supervisor.startProcess"),
            Rpc("supervisor.nope"),
            Rpc("supervisor._rebuild"),
            Rpc("nope"),
            Rpc("supervisor.sendProcessStdin", ("a", 5)),
            Rpc("supervisor.sendProcessStdin", ("nobody", "x")),
            Rpc("supervisor.readLog", (-1, 1)),
            Rpc("supervisor.readLog", (0, -1)),
            Rpc("supervisor.sendRemoteCommEvent", ("a", "b")),
            Rpc("supervisor.clearAllProcessLogs"),
        ],
        log="no",
    ),
    Scenario(
        "numbered processes",
        section("web", SLEEP, "numprocs=3", "numprocs_start=1", "process_name=w%(process_num)02d", "priority=7"),
        [
            *(Until(f"web:w0{n}", "RUNNING") for n in (1, 2, 3)),
            Ctl("status"),
            Ctl("stop web:w02"),
            Ctl("status web:*"),
            Ctl("stop web:*", order="any"),
            Ctl("start web:*", order="any"),
            Ctl("restart web:w03"),
            Ctl("avail"),
        ],
        log="any order",
    ),
    Scenario(
        "ends in order",
        "".join(section(name, "command=sleep 100000", f"priority={n}") for n, name in enumerate("abc")),
        [*(Until(name, "RUNNING") for name in "abc"), Ctl("status")],
    ),
    Scenario(
        "stopped while it backs off",
        section("web", "command=/bin/sh -c 'exit 1'", "startretries=50"),
        [UntilLine("exited: web", 2), Until("web", "BACKOFF"), Ctl("status"), Ctl("stop web"), Ctl("status")],
        log="no",
    ),
    Scenario(
        "two of one name",
        section("x", SLEEP, "priority=5") + section("y") + "[group:y]\nprograms=x\n[program:z]\n" + SLEEP,
        [Until("z", "RUNNING"), Ctl("status"), Ctl("avail")],
        log="any order",
    ),
    Scenario(
        "last words",
        section("web", "command=/bin/sh -c 'echo out; echo err >&2'", QUICK, "autorestart=false"),
        [
            Until("web", "EXITED"),
            Ctl("tail web"),
            Ctl("tail web stderr"),
            Ctl("status"),
        ],
        log="no",
    ),
]

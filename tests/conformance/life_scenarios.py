"""Every way a process can go from one state to another that a client can see."""

from collections.abc import Iterator

from tests.conformance.steps import (
    OFF,
    QUICK,
    SLEEP,
    Again,
    Config,
    Ctl,
    Events,
    Facts,
    Kill,
    Rpc,
    Scenario,
    Show,
    Signal,
    Step,
    Until,
    UntilLine,
    UntilText,
    Write,
    recorder,
    section,
)
from tests.e2e.harness import program


def ending(signal: str, code: int) -> str:
    """Return the command of a program that exits with the code when it gets the signal."""
    return f"command={program('ending.py')} {signal} {code}"


def told(*names: str) -> Iterator[Step]:
    """Ask what is known of each process."""
    for name in names:
        yield Rpc("supervisor.getProcessInfo", (name,))


LISTENER = recorder("watch", "PROCESS_STATE,REMOTE_COMMUNICATION", "buffer_size=100")


def watched(name: str, programs: str, *steps: Step, watches: str = "web", ready: int = 1) -> Scenario:
    """Return a scenario whose programs' changes of state an event listener records; they begin when it is ready."""
    return Scenario(
        name,
        programs,
        [
            Until("watch", "RUNNING"),
            UntilText("watch.events.lives", "ready", ready),
            *steps,
            Rpc("supervisor.sendRemoteCommEvent", ("end", "")),
            UntilText("watch.events", "type:end"),
            Events("watch.events", told=f"processname:{watches}"),
        ],
        head=LISTENER,
        log="no",
    )


SCENARIOS = [
    watched(
        "life of one that is well",
        section("web", "command=sleep 1000", "autostart=false"),
        Rpc("supervisor.startProcess", ("web",)),
        Rpc("supervisor.stopProcess", ("web",)),
        Rpc("supervisor.startProcess", ("web",)),
        Kill("web", 15),
        UntilText("watch.events", "PROCESS_STATE_RUNNING", 3),
    ),
    watched(
        "life of one that fails to start",
        section("web", "command=/bin/sh -c 'exit 7'", "autostart=false", "startretries=1"),
        Rpc("supervisor.startProcess", ("web",)),
        Until("web", "FATAL"),
        *told("web"),
        Rpc("supervisor.startProcess", ("web", False)),
        UntilText("watch.events", "PROCESS_STATE_FATAL", 2),
        Rpc("supervisor.stopProcess", ("web",)),
    ),
    watched(
        "life of one that recovers",
        section("web", f"command={program('exits.py')} 1 --first 2 {{dir}}/tally", "autostart=false", "startretries=4"),
        Rpc("supervisor.startProcess", ("web", False)),
        Until("web", "RUNNING"),
        *told("web"),
        Rpc("supervisor.stopProcess", ("web",)),
    ),
    watched(
        "life of one stopped in between",
        section("web", "command=/bin/sh -c 'exit 1'", "autostart=false", "startretries=9")
        + section("early", "command=sleep 1000", "autostart=false", "startsecs=30"),
        Rpc("supervisor.startProcess", ("web", False)),
        Until("web", "BACKOFF"),
        Rpc("supervisor.stopProcess", ("web",)),
        *told("web"),
        Rpc("supervisor.startProcess", ("early", False)),
        Until("early", "STARTING"),
        UntilText("watch.events", "PROCESS_STATE_BACKOFF"),
        Rpc("supervisor.stopProcess", ("early",)),
        *told("early"),
        watches="(web|early)",
    ),
    watched(
        "life of one that exits",
        section("good", "command=/bin/sh -c 'sleep 0.2; exit 2'", QUICK, "exitcodes=2", "autostart=false")
        + section("bad", "command=/bin/sh -c 'sleep 0.2; exit 1'", QUICK, "autorestart=false", "autostart=false")
        + section("none", "command=/bin/sh -c 'sleep 0.2'", QUICK, "exitcodes=", "autorestart=false", "autostart=false")
        + section(
            "shot", f"command={program('exits.py')} SIGKILL --after 0.2", QUICK, "autorestart=false", "autostart=false"
        ),
        *(
            step
            for name in ("good", "bad", "none", "shot")
            for step in (Rpc("supervisor.startProcess", (name,)), Until(name, "EXITED"), *told(name))
        ),
        watches="(good|bad|none|shot)",
    ),
    watched(
        "life of one that cannot be run",
        section("web", "command=/no/such", "autostart=false", "startretries=0")
        + section("dir", "command={dir}", "autostart=false", "startretries=0"),
        Rpc("supervisor.startProcess", ("web",)),
        Rpc("supervisor.startProcess", ("dir", False)),
        *told("web", "dir"),
    ),
    Scenario(
        "always restarted",
        section(
            "web", f"command={program('exits.py')} 0 --after 0.1 --first 2 {{dir}}/tally", QUICK, "autorestart=true"
        ),
        [UntilLine("success: web", 3), Until("web", "RUNNING"), Ctl("status"), *told("web")],
        log="any order",
    ),
    Scenario(
        "restarted when unexpected",
        section("a", f"command={program('exits.py')} 3 --after 0.1 --first 1 {{dir}}/a", QUICK, "exitcodes=0,2")
        + section("b", f"command={program('exits.py')} 2 --after 0.1 --first 1 {{dir}}/b", QUICK, "exitcodes=0,2")
        + section("c", f"command={program('exits.py')} SIGUSR1 --after 0.1 --first 1 {{dir}}/c", QUICK),
        [UntilLine("success: a", 2), UntilLine("success: c", 2), Until("b", "EXITED"), *told("a", "b", "c")],
        log="any order",
    ),
    Scenario(
        "exits too quickly with success",
        section("web", "command=/bin/sh -c 'exit 0'", "startretries=0", "autostart=false", "autorestart=false"),
        [Rpc("supervisor.startProcess", ("web",)), Until("web", "FATAL"), *told("web"), Ctl("status"), Ctl("tail web")],
        log="no",
    ),
    Scenario(
        "stopped with its own signal",
        section("a", ending("HUP", 0), QUICK, "stopsignal=HUP", "stdout_logfile={dir}/a")
        + section("b", ending("USR1", 3), QUICK, "stopsignal=USR1", "exitcodes=3", "stdout_logfile={dir}/b")
        + section("c", ending("INT", 4), QUICK, "stopsignal=2", "stdout_logfile={dir}/c")
        + section("d", ending("TERM", 0), QUICK, "stopsignal=KILL", "stdout_logfile={dir}/d"),
        [
            *(UntilText(name, "ready") for name in "abcd"),
            *(Until(name, "RUNNING") for name in "abcd"),
            *(Ctl(f"stop {name}") for name in "abcd"),
            *told(*"abcd"),
            *(Show(name) for name in "abcd"),
            Ctl("status"),
        ],
        log="no",
    ),
    Scenario(
        "exit codes at a stop",
        section("a", ending("TERM", 0), QUICK, "stdout_logfile={dir}/a")
        + section("b", ending("TERM", 5), QUICK, "stdout_logfile={dir}/b")
        + section("c", ending("TERM", 5), QUICK, "stdout_logfile={dir}/c", "exitcodes=5", "autorestart=true"),
        [
            *(UntilText(name, "ready") for name in "abc"),
            *(Until(name, "RUNNING") for name in "abc"),
            *(Rpc("supervisor.stopProcess", (name,)) for name in "abc"),
            *told(*"abc"),
        ],
        log="any order",
    ),
    Scenario(
        "the whole group is signalled",
        section("web", f"command={program('counter.py')} {{dir}}/seen --end", QUICK, "stopasgroup=true"),
        [
            UntilText("seen", "ready"),
            UntilText("seen.child", "ready"),
            Until("web", "RUNNING"),
            Rpc("supervisor.signalProcess", ("web", "USR1")),
            UntilText("seen", "USR1"),
            Rpc("supervisor.stopProcess", ("web",)),
            UntilText("seen.child", "TERM"),
            Show("seen"),
            Show("seen.child"),
        ],
        log="no",
    ),
    Scenario(
        "the whole group is killed",
        section("web", f"command={program('counter.py')} {{dir}}/seen", QUICK, "killasgroup=true", "stopwaitsecs=1"),
        [
            UntilText("seen", "ready"),
            UntilText("seen.child", "ready"),
            Until("web", "RUNNING"),
            Rpc("supervisor.stopProcess", ("web",)),
            Show("seen"),
            Show("seen.child"),
            *told("web"),
        ],
    ),
    Scenario(
        "stubborn to the end",
        section("web", f"command={program('stubborn.py')}", QUICK, "stopwaitsecs=1", "stdout_logfile={dir}/out"),
        [UntilText("out", "ready"), Until("web", "RUNNING")],
    ),
    Scenario(
        "asked to end twice",
        section("web", f"command={program('slow_stop.py')} 0.5", QUICK, "stdout_logfile={dir}/out"),
        [
            UntilText("out", "ready"),
            Until("web", "RUNNING"),
            Signal(2),
            UntilText("out", "stopping"),
            Signal(15),
            UntilLine("SIGTERM"),
        ],
        log="any order",
        ends=True,
    ),
    Scenario(
        "one that backs off at the end",
        section("web", "command=/bin/sh -c 'exit 1'", "startretries=50"),
        [UntilLine("exited: web"), Until("web", "BACKOFF"), Rpc("supervisor.shutdown")],
        log="no",
        ends=True,
    ),
    Scenario(
        "started anew by signal",
        section("a") + section("b", OFF),
        [
            Until("a", "RUNNING"),
            Rpc("supervisor.startProcess", ("b",)),
            Config(section("b", OFF) + section("c")),
            Signal(1),
            Again(1),
            Until("c", "RUNNING"),
            Ctl("status"),
            Rpc("supervisor.restart"),
            Again(2),
            Until("c", "RUNNING"),
            Ctl("status"),
        ],
        log="any order",
    ),
    Scenario(
        "logs opened anew",
        section("a", f"command={program('echo.py')}", QUICK, "stdout_logfile={dir}/a.log"),
        [
            UntilText("a.log", "ready"),
            Until("a", "RUNNING"),
            Write("a.log", None),
            Signal(12),
            UntilLine("logreopen"),
            Rpc("supervisor.sendProcessStdin", ("a", "more\n")),
            UntilText("a.log", "more"),
            Show("a.log"),
        ],
        log="any order",
    ),
    Scenario(
        "what a child finds",
        section(
            "a",
            f"command={program('facts.py')} {{dir}}/a.facts 'a b' \"c d\" e\\ f",
            QUICK,
            "directory=/tmp",
            "umask=027",
        )
        + section("c", f"command={program('facts.py')} {{dir}}/c.facts", QUICK, "redirect_stderr=true")
        + "[group:g]\nprograms=c\n",
        [
            *(
                Facts(
                    f"{name}.facts",
                    ("argv", "directory", "umask", "uid", "gid", "groups"),
                    ("HOME", "USER", "SUPERVISOR_PROCESS_NAME", "SUPERVISOR_GROUP_NAME", "SUPERVISOR_ENABLED"),
                )
                for name in "ac"
            ),
        ],
        log="no",
        daemon="umask=022",
    ),
    Scenario(
        "order of a start",
        "".join(section(f"p{n}", SLEEP, f"priority={priority}") for n, priority in enumerate((5, 1, 3, 1)))
        + section("x", SLEEP, "priority=9")
        + section("y", SLEEP, "priority=1")
        + "[group:g]\nprograms=x,y\npriority=2\n",
        [*(Until(name, "RUNNING") for name in ("p0", "p1", "p2", "p3", "g:x", "g:y")), Show("d.log", told="spawned")],
        log="no",
    ),
]

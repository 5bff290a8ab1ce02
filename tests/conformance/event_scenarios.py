"""What event listeners are told, and what becomes of their answers."""

from tests.conformance.steps import (
    OFF,
    QUICK,
    Config,
    Ctl,
    Events,
    Gone,
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

BEGIN, END = "<!--XSUPERVISOR:BEGIN-->", "<!--XSUPERVISOR:END-->"


def ready(name: str, process: str = "", lives: int = 1) -> list[Step]:
    """Wait until a listener's process runs and has said so."""
    return [UntilText(f"{name}.events.lives", "ready", lives), Until(process or name, "RUNNING")]


def send(*words: str) -> list[Step]:
    """Send an event of each type."""
    return [Rpc("supervisor.sendRemoteCommEvent", (word, f"data of {word}")) for word in words]


def recorded(name: str, *, told: str = "") -> list[Step]:
    """Send a last event and show all that the listener was told."""
    return [*send("end"), UntilText(f"{name}.events", "type:end"), Events(f"{name}.events", told=told)]


def talker(name: str, script: str, *lines: str) -> str:
    """Return a program that is not started and runs a shell script."""
    return section(name, f"command=/bin/sh -c '{script}; exec sleep 1000'", QUICK, "autostart=false", *lines)


REMOTE = "REMOTE_COMMUNICATION"

SCENARIOS = [
    Scenario(
        "events from the first on",
        section("a"),
        [
            *ready("l"),
            Until("a", "RUNNING"),
            *send("end"),
            UntilText("l.events", "type:end"),
            Events("l.events", order="any"),
        ],
        head=recorder("l", "EVENT", "buffer_size=100"),
        log="any order",
    ),
    Scenario(
        "events of a group",
        section("a", OFF) + section("b", OFF) + "[group:g]\nprograms=a,b\n",
        [
            *ready("l"),
            Rpc("supervisor.removeProcessGroup", ("g",)),
            Rpc("supervisor.addProcessGroup", ("g",)),
            *recorded("l"),
        ],
        head=recorder("l", f"PROCESS_GROUP_REMOVED, process_group_added,{REMOTE}", "buffer_size=100"),
        log="no",
    ),
    Scenario(
        "events of states",
        section("a", OFF) + section("b", "command=/no/such", "autostart=false", "startretries=0"),
        [
            *ready("l"),
            Rpc("supervisor.startProcess", ("a",)),
            Rpc("supervisor.stopProcess", ("a",)),
            Rpc("supervisor.startProcess", ("a",)),
            Kill("a", 9),
            UntilText("l.events", "processname:a groupname:a from_state:STARTING", 3),
            *recorded("l", told="STOP|EXIT|RUN|REMOTE"),
        ],
        head=recorder(
            "l", f"PROCESS_STATE_STOPPED,PROCESS_STATE_EXITED,PROCESS_STATE_RUNNING,{REMOTE}", "buffer_size=99"
        ),
        log="no",
    ),
    Scenario(
        "events only to subscribers",
        section("a", OFF),
        [
            *ready("states"),
            *ready("remote"),
            *ready("nothing"),
            *send("one", "two"),
            Rpc("supervisor.startProcess", ("a",)),
            UntilText("states.events", "processname:a groupname:a from_state:STARTING"),
            *recorded("remote"),
            Events("states.events", told="RUNNING"),
            Show("nothing.events"),
        ],
        head=recorder("states", "PROCESS_STATE_RUNNING")
        + recorder("remote", "remote_communication,REMOTE_COMMUNICATION")
        + recorder("nothing", "TICK_3600, PROCESS_COMMUNICATION_STDERR"),
        log="no",
    ),
    Scenario(
        "events of output",
        talker("a", "echo out; sleep 0.2; echo err >&2", "stdout_events_enabled=true", "stderr_events_enabled=true")
        + talker("b", "echo quiet")
        + talker("c", 'echo høy €; sleep 0.2; printf "\\\\377\\\\n"', "stdout_events_enabled=true"),
        [
            *ready("l"),
            Rpc("supervisor.startProcess", ("a",)),
            UntilText("l.events", "channel:", 2),
            Rpc("supervisor.startProcess", ("b",)),
            Rpc("supervisor.startProcess", ("c",)),
            UntilText("l.events", "channel:", 4),
            *recorded("l", told="PROCESS_LOG"),
        ],
        head=recorder("l", f"PROCESS_LOG,{REMOTE}", "buffer_size=100"),
        log="no",
    ),
    Scenario(
        "events of captured output",
        talker(
            "a", f'printf "before{BEGIN}inside{END}after and more than a token is long"', "stdout_capture_maxbytes=1KB"
        )
        + talker("b", f'printf "{BEGIN}err{END}" >&2', "stderr_capture_maxbytes=1KB")
        + talker("c", f'printf "{BEGIN}not caught{END}"'),
        [
            *ready("l"),
            Rpc("supervisor.startProcess", ("a",)),
            UntilText("l.events", "inside"),
            Rpc("supervisor.startProcess", ("b",)),
            Rpc("supervisor.startProcess", ("c",)),
            UntilText("l.events", "err"),
            *recorded("l"),
        ],
        head=recorder("l", f"PROCESS_COMMUNICATION,{REMOTE}", "buffer_size=100"),
        log="no",
    ),
    Scenario(
        "events of any text",
        "",
        [
            *ready("l"),
            *(
                Rpc("supervisor.sendRemoteCommEvent", arguments)
                for arguments in (
                    ("", ""),
                    ("typé", "daéta €"),
                    ("two words", "line\nline\n"),
                    ("a:b", "x:y z:1"),
                    ("n", "\n"),
                    ("long", "x" * 5000),
                )
            ),
            *recorded("l"),
        ],
        head=recorder("l", REMOTE, "buffer_size=100"),
        daemon="identifier=other",
        log="no",
    ),
    Scenario(
        "events of the clock",
        "",
        [*ready("l"), UntilText("l.events", "when:"), Events("l.events", told="TICK")],
        head=recorder("l", "TICK_5"),
        log="no",
    ),
    Scenario(
        "events rejected",
        "",
        [*ready("l"), *send("one", "two", "three"), *recorded("l")],
        head=recorder("l", REMOTE, answers="fail ok word=NO ok"),
        log="any order",
    ),
    Scenario(
        "events and a listener that dies",
        "",
        [
            *ready("l"),
            *send("one"),
            UntilText("l.events.lives", "ready", 2),
            Until("l", "RUNNING"),
            *send("two"),
            *recorded("l"),
        ],
        head=recorder("l", REMOTE, answers="die ok"),
        log="any order",
    ),
    Scenario(
        "events and a bad result line",
        "",
        [
            *ready("l"),
            *send("one"),
            UntilLine("bad result line"),
            Ctl("status"),
            Ctl("restart l"),
            *ready("l", lives=2),
            *recorded("l"),
        ],
        head=recorder("l", REMOTE, answers="bad ok"),
        log="no",
    ),
    Scenario(
        "events and a full buffer",
        "",
        [
            *ready("l"),
            *send("held"),
            UntilText("l.events", "type:held"),
            *send("one", "two", "three"),
            UntilLine("buffer overflowed"),
            Write("l.events.go", "\n"),
            UntilText("l.events", "type:three"),
            Events("l.events"),
        ],
        head=recorder("l", REMOTE, "buffer_size=2", answers="wait"),
        log="any order",
    ),
    Scenario(
        "events to a pool of two",
        "",
        [
            UntilText("l.events.lives", "ready", 2),
            Until("l:l_0", "RUNNING"),
            Until("l:l_1", "RUNNING"),
            *send("held"),
            UntilText("l.events", "type:held"),
            *send("one"),
            UntilText("l.events", "type:one"),
            *send("two"),
            UntilText("l.events", "type:two"),
            Ctl("status"),
            Write("l.events.go", "\n"),
            *recorded("l"),
        ],
        head=recorder("l", REMOTE, "numprocs=2", "process_name=%(program_name)s_%(process_num)d", answers="wait"),
        log="no",
    ),
    Scenario(
        "events to two pools",
        "",
        [
            *ready("l"),
            *ready("m"),
            *send("one", "two"),
            *recorded("l"),
            UntilText("m.events", "type:end"),
            Events("m.events"),
        ],
        head=recorder("l", REMOTE) + recorder("m", f"{REMOTE},SUPERVISOR_STATE_CHANGE_STOPPING", "priority=5"),
        log="no",
    ),
    Scenario(
        "events at the end",
        section("a", f"command={program('slow_stop.py')} 0.5", QUICK, "stdout_logfile={dir}/out"),
        [
            *ready("l"),
            UntilText("out", "ready"),
            Until("a", "RUNNING"),
            Signal(15),
            Gone(),
            Events("l.events", told="STATE_CHANGE|processname:a groupname:a from_state:RUNNING"),
        ],
        head=recorder(
            "l", "SUPERVISOR_STATE_CHANGE_STOPPING,PROCESS_STATE_STOPPING,PROCESS_STATE_STOPPED", "buffer_size=50"
        ),
        log="no",
        ends=True,
    ),
    Scenario(
        "a pool among the groups",
        section("a", OFF),
        [
            *ready("l"),
            Ctl("status"),
            Ctl("avail"),
            Rpc("supervisor.getAllConfigInfo"),
            Rpc("supervisor.getProcessInfo", ("l",)),
            Ctl("stop l"),
            Ctl("remove l"),
            Ctl("add l"),
            *ready("l", lives=2),
            Ctl("restart l"),
            *ready("l", lives=3),
            Rpc("supervisor.sendProcessStdin", ("l", "")),
            *recorded("l"),
        ],
        head=recorder("l", REMOTE, "stdout_logfile=NONE"),
        log="no",
    ),
    Scenario(
        "a pool that changes",
        "",
        [
            *ready("l"),
            *(
                step
                for text in (
                    recorder("l", f"{REMOTE},TICK_60"),
                    recorder("l", REMOTE, "buffer_size=20"),
                    recorder("l", REMOTE, "priority=7"),
                    recorder("l", REMOTE, "startretries=9"),
                    recorder("l", REMOTE.lower(), "buffer_size=10"),
                    section("l", OFF),
                )
                for step in (Config("", head=text), Rpc("supervisor.reloadConfig"))
            ),
        ],
        head=recorder("l", REMOTE, "buffer_size=10"),
        log="no",
    ),
]

"""Every method a client may call: results, faults, older names."""

from collections.abc import Mapping
from typing import Literal

from tests.conformance.steps import (
    OFF,
    QUICK,
    SLEEP,
    Config,
    Http,
    Rpc,
    Scenario,
    Show,
    Step,
    Until,
    UntilText,
    section,
)
from tests.e2e.harness import program

ECHO = section("echo", f"command={program('echo.py')}", QUICK, "stdout_logfile={dir}/out", "stderr_logfile=NONE")
NO_LOG = section("mute", SLEEP, "stdout_logfile=NONE", "stderr_logfile=NONE")
NAMES = ("", ":", "*", "a:*", "a:", ":a", "a:a", "a:a:a", "nobody", "nobody:*", "nobody:a", "a:nobody", " a", "A")
WINDOWS = ((0, 0), (0, 2), (3, 4), (-3, 0), (-3, 1), (0, -1), (-1, -1), (1000, 0), (1000, 7), (0, 1000), (5, 0))


def over(method: str, *argument_lists: tuple[object, ...]) -> list[Step]:
    """Return a call of the method with each list of arguments."""
    return [Rpc(f"supervisor.{method}", arguments) for arguments in argument_lists]


KINDS: Mapping[str, Literal["error", "rpc"]] = {"error": "error", "rpc": "rpc"}
"""a text that is no call, a call"""

SCENARIOS = [
    Scenario(
        "rpc names of all kinds",
        section("a") + section("b", OFF) + "[group:g]\nprograms=b\n",
        [
            Until("a", "RUNNING"),
            *over("getProcessInfo", *((name,) for name in (*NAMES, "g:b", "b", "g:*", "g"))),
            *over("startProcess", *((name,) for name in (*NAMES, "b", "g"))),
            *over("stopProcess", *((name,) for name in NAMES if not name.startswith("a"))),
            *over("signalProcess", *((name, "CONT") for name in NAMES)),
            *over("clearProcessLogs", *((name,) for name in (*NAMES, "g:b"))),
            *over("sendProcessStdin", *((name, "x") for name in NAMES)),
            *over("readProcessStdoutLog", *((name, 0, 1) for name in NAMES)),
            *over("tailProcessStderrLog", *((name, 0, 1) for name in NAMES)),
        ],
        log="no",
    ),
    Scenario(
        "rpc groups",
        section("a") + section("b", OFF) + section("c", OFF) + "[group:g]\nprograms=b,c\n",
        [
            Until("a", "RUNNING"),
            *over("startProcessGroup", *((name,) for name in ("", "g:*", "nobody", "g:b", "b"))),
            *over("stopProcessGroup", *((name,) for name in ("", "g:*", "nobody", "g", "b"))),
            *over("signalProcessGroup", ("g", "CONT"), ("nobody", "CONT"), ("a", "NOPE"), ("a", ""), ("a", "CONT")),
            *over("startProcessGroup", ("g", True), ("g",)),
            *over("signalProcessGroup", ("g", "CONT")),
            *over("signalAllProcesses", ("CONT",), ("NOPE",), ("",)),
            *over("addProcessGroup", ("g",), ("",), ("nobody",), ("b",)),
            *over("removeProcessGroup", ("g",), ("",), ("nobody",)),
            *over("stopProcess", ("g:c",)),
            *over("stopProcessGroup", ("g",)),
            *over("removeProcessGroup", ("g",), ("g",)),
            *over("startProcessGroup", ("g",)),
            *over("addProcessGroup", ("g",)),
            *over("getAllProcessInfo", ()),
        ],
        log="no",
    ),
    Scenario(
        "rpc arguments of the wrong kind",
        section("a", OFF),
        [
            Rpc(method, arguments)
            for method, arguments in (
                ("supervisor.getAPIVersion", (1,)),
                ("supervisor.getAllProcessInfo", ("a",)),
                ("supervisor.getProcessInfo", ()),
                ("supervisor.getProcessInfo", ("a", "b")),
                ("supervisor.startProcess", ("a", True, 1)),
                ("supervisor.stopAllProcesses", (True, True)),
                ("supervisor.signalProcess", ("a",)),
                ("supervisor.signalAllProcesses", ()),
                ("supervisor.readProcessStdoutLog", ("a", 0)),
                ("supervisor.readLog", (0,)),
                ("supervisor.readLog", ()),
                ("supervisor.sendProcessStdin", ("a",)),
                ("supervisor.sendRemoteCommEvent", ("a",)),
                ("supervisor.addProcessGroup", ()),
                ("supervisor.reloadConfig", (1,)),
                ("supervisor.shutdown", (1,)),
                ("supervisor.restart", ("a",)),
                ("supervisor.clearLog", (0,)),
                ("system.listMethods", (1,)),
                ("system.methodHelp", ()),
                ("system.methodSignature", ()),
                ("system.multicall", ()),
                ("system.nope", ()),
                ("supervisor", ()),
                ("supervisor.supervisor.getState", ()),
                ("supervisor.__class__", ()),
                ("Supervisor.getState", ()),
                (".getState", ()),
            )
        ],
        log="no",
    ),
    Scenario(
        "rpc signatures",
        "",
        [
            Rpc("system.methodSignature", (f"{space}.{method}",))
            for space, methods in (
                (
                    "supervisor",
                    "addProcessGroup clearAllProcessLogs clearLog clearProcessLog clearProcessLogs getAPIVersion "
                    "getAllConfigInfo getAllProcessInfo getIdentification getPID getProcessInfo getState "
                    "getSupervisorVersion getVersion readLog readMainLog readProcessLog readProcessStderrLog "
                    "readProcessStdoutLog reloadConfig removeProcessGroup restart sendProcessStdin sendRemoteCommEvent "
                    "shutdown signalAllProcesses signalProcess signalProcessGroup startAllProcesses startProcess "
                    "startProcessGroup stopAllProcesses stopProcess stopProcessGroup tailProcessLog "
                    "tailProcessStderrLog tailProcessStdoutLog",
                ),
                ("system", "listMethods methodHelp methodSignature multicall"),
            )
            for method in methods.split()
        ],
        log="no",
    ),
    Scenario(
        "rpc older names",
        ECHO,
        [
            UntilText("out", "ready"),
            Rpc("supervisor.getVersion"),
            Rpc("supervisor.getPID"),
            Rpc("system.listMethods"),
            *over("readProcessLog", ("echo", 0, 0), ("echo", -3, 0), ("nobody", 0, 0)),
            *over("tailProcessLog", ("echo", 0, 10), ("echo", 0, 1), ("nobody", 0, 1)),
            *over("clearProcessLog", ("echo",), ("nobody",)),
            *over("readProcessLog", ("echo", 0, 0)),
        ],
    ),
    Scenario(
        "rpc windows of a log",
        ECHO + NO_LOG,
        [
            UntilText("out", "ready"),
            Until("mute", "RUNNING"),
            Rpc("supervisor.sendProcessStdin", ("echo", "one more line\n")),
            UntilText("out", "more line\n"),
            *over("readProcessStdoutLog", *(("echo", *window) for window in WINDOWS)),
            *over(
                "tailProcessStdoutLog", *(("echo", *window) for window in WINDOWS if window[1] >= 0 and window[0] >= 0)
            ),
            *over("readProcessStderrLog", ("echo", 0, 0), ("mute", 0, 0), ("mute", -1, -1)),
            *over("tailProcessStderrLog", ("echo", 0, 0), ("mute", 0, 5)),
            *over("readProcessStdoutLog", ("mute", 0, 0)),
            *over("tailProcessStdoutLog", ("mute", 3, 9)),
            *over("clearProcessLogs", ("mute",)),
        ],
        log="no",
    ),
    Scenario(
        "rpc the main log",
        section("a", OFF),
        [
            *over("readLog", (0, 4), (-1, 0), (-5, 5), (0, -2), (100000, 3), (100000, 0)),
            *over("readMainLog", (0, 2), (-1, 0), (-1, 1)),
            *over("clearLog", (), ()),
        ],
        log="no",
    ),
    Scenario(
        "rpc standard input",
        ECHO + section("deaf", OFF),
        [
            UntilText("out", "ready"),
            *over(
                "sendProcessStdin",
                ("echo", "one\ntwo\n"),
                ("echo", ""),
                ("echo", "høy €\n"),
                ("deaf", "x"),
                ("echo:echo", "x\n"),
            ),
            UntilText("out", "got: x"),
            Show("out"),
            *over(
                "sendProcessStdin", ("echo", 1), ("echo", True), ("echo", ["x"]), ("echo", {"a": "b"}), ("nobody", 1)
            ),
            Rpc("supervisor.stopProcess", ("echo",)),
            *over("sendProcessStdin", ("echo", "x")),
        ],
        log="no",
    ),
    Scenario(
        "rpc everything stopped and started",
        section("a", "command=sleep 1000", "priority=1")
        + section("b", "command=sleep 1000", "autostart=false", "priority=2")
        + section("c", "command=/no/such", "autostart=false"),
        [
            Until("a", "RUNNING"),
            *over("stopAllProcesses", (), ()),
            *over("startAllProcesses", (False,)),
            Until("a", "RUNNING"),
            Until("b", "RUNNING"),
            *over("stopAllProcesses", (False,)),
            Until("a", "STOPPED"),
            Until("b", "STOPPED"),
            *over("getProcessInfo", ("c",)),
            *over("startAllProcesses", ()),
        ],
        log="no",
    ),
    Scenario(
        "rpc results of starting",
        section("a", OFF)
        + section("quick", "command=/bin/sh -c 'exit 0'", "autostart=false", "startretries=0")
        + section("gone", "command=no_such_program_anywhere", "autostart=false")
        + section("path", "command=/no/such/program", "autostart=false")
        + section("plain", "command={dir}/plain", "autostart=false")
        + section("dir", "command={dir}", "autostart=false")
        + section("empty", "command=''", "autostart=false"),
        [
            *over("startProcess", *((name,) for name in ("a", "a", "quick", "gone", "path", "plain", "dir", "empty"))),
            *over("stopProcess", ("a",), ("a",), ("quick",), ("gone",)),
            *over("startProcess", ("a", False)),
            Until("a", "RUNNING"),
            *over("stopProcess", ("a", False)),
            Until("a", "STOPPED"),
            *over("startProcess", ("gone", False), ("plain", False)),
            *over("getAllProcessInfo", ()),
        ],
        files={"plain": "no program\n"},
        log="no",
    ),
    Scenario(
        "rpc several calls in one",
        section("a", OFF) + section("b", OFF),
        [
            Rpc("system.multicall", (calls,))
            for calls in (
                [],
                [{"methodName": "supervisor.getAPIVersion", "params": []}],
                [{"methodName": "supervisor.startProcess", "params": ["a"]}, {"methodName": "supervisor.getState"}],
                [{"methodName": "supervisor.startProcess", "params": [n]} for n in ("a", "b", "nobody")],
                [
                    {"methodName": f"supervisor.{m}", "params": p}
                    for m, p in (("stopProcess", ["a"]), ("stopAllProcesses", []))
                ],
                [{"methodName": "supervisor.getState", "params": [1]}, {"methodName": "x"}, {"methodName": "a.b.c"}],
                [
                    {"methodName": "system.multicall", "params": [[]]},
                    {"methodName": "system.listMethods", "params": [1]},
                ],
                [{"nothing": 1}, {}],
            )
        ],
        log="no",
    ),
    Scenario(
        "rpc clearing of logs",
        ECHO + section("a", OFF) + section("b", "command=/bin/sh -c 'echo said; exec sleep 1000'", QUICK),
        [
            UntilText("out", "ready"),
            Until("b", "RUNNING"),
            *over("clearProcessLogs", ("echo",), ("b",), ("b:b",)),
            Show("out"),
            *over("clearAllProcessLogs", ()),
            *over("readProcessStdoutLog", ("b", 0, 0)),
        ],
        log="no",
    ),
    Scenario(
        "rpc while it ends",
        section("web", f"command={program('slow_stop.py')} 1.5", QUICK, "stdout_logfile={dir}/out"),
        [
            UntilText("out", "ready"),
            Until("web", "RUNNING"),
            Rpc("supervisor.shutdown"),
            UntilText("out", "stopping"),
            *(
                Rpc(f"supervisor.{name}", arguments)
                for name, arguments in (
                    ("getState", ()),
                    ("getProcessInfo", ("web",)),
                    ("getAllProcessInfo", ()),
                    ("startProcess", ("web",)),
                    ("stopAllProcesses", ()),
                    ("shutdown", ()),
                    ("restart", ()),
                    ("reloadConfig", ()),
                    ("getAPIVersion", ()),
                    ("readLog", (0, 1)),
                    ("sendRemoteCommEvent", ("a", "b")),
                    ("nope", ()),
                )
            ),
            Rpc("system.listMethods", (1,)),
            Rpc("system.methodSignature", ("supervisor.getState",)),
            Rpc("system.multicall", ([{"methodName": "supervisor.getState", "params": []}],)),
        ],
        log="any order",
        ends=True,
    ),
    Scenario(
        "rpc odd requests",
        section("a", OFF),
        [
            Http(f"POST /RPC2 HTTP/1.1\nHost: x\nContent-Type: text/xml\nContent-Length: LENGTH\n\n{body}", KINDS[how])
            for how, body in (
                ("rpc", "<methodCall><methodName>supervisor.getState</methodName></methodCall>"),
                (
                    "rpc",
                    "<?xml version='1.0'?>\n<methodCall><methodName>supervisor.getAPIVersion</methodName>"
                    "<params/></methodCall>",
                ),
                ("rpc", "<methodCall><methodName>nope</methodName></methodCall>"),
                ("error", "<methodCall></methodCall>"),
                ("error", "<methodCall><methodName>supervisor.getState"),
                ("error", "nothing"),
                ("error", "<a/>"),
                (
                    "rpc",
                    "<methodCall><methodName>supervisor.getProcessInfo</methodName><params><param><value>nobody</value>"
                    "</param></params></methodCall>",
                ),
                (
                    "rpc",
                    "<methodCall><methodName>supervisor.readLog</methodName><params><param><value><i4>0</i4></value></param>"
                    "<param><value><int>1</int></value></param></params></methodCall>",
                ),
            )
        ],
        log="no",
    ),
    Scenario(
        "rpc reading again",
        section("a") + section("b", OFF),
        [
            Until("a", "RUNNING"),
            Rpc("supervisor.reloadConfig"),
            Config(section("b", OFF, "startsecs=4") + section("c") + section("d", OFF) + "[group:e]\nprograms=d\n"),
            Rpc("supervisor.reloadConfig"),
            Rpc("supervisor.reloadConfig"),
            *over("addProcessGroup", ("c",), ("d",), ("e",), ("a",), ("e",)),
            Until("c", "RUNNING"),
            *over("removeProcessGroup", ("a",), ("b",), ("d",)),
            *over("addProcessGroup", ("b",)),
            Rpc("supervisor.getAllProcessInfo"),
            Rpc("supervisor.reloadConfig"),
            Config("[program:c]\n"),
            Rpc("supervisor.reloadConfig"),
            Rpc("supervisor.getAllProcessInfo"),
        ],
        log="no",
    ),
]

"""THE table of RPC methods: names, parameters, results, access and one paragraph each.

What is not in this table cannot be called, unless an extension brought it. Signatures of `supervisor.*` and `system.*`
are Supervisor 4.3's, but for system.getProduct; `taskmaster.*` is our own and kept apart. Whether a caller may call,
and what a call does, is not known here.
"""

from typing import Literal, NamedTuple

ParamType = Literal["string", "int", "boolean", "array", "struct"]
ResultType = Literal["string", "int", "boolean", "array", "struct"]
Access = Literal["read", "control"]

API_VERSION = "3.0"
"""The stock client refuses to talk to anything else."""

SUPERVISOR_VERSION = "4.3.0"
"""The Supervisor whose behaviour is kept."""


class Param(NamedTuple):
    """One parameter. `default` counts only when `optional`."""

    name: str
    type: ParamType
    optional: bool = False
    default: str | bool | int | tuple[str, ...] = ""
    loose: bool = False
    """any type is let through; the handler has its own words for a wrong one"""


class Method(NamedTuple):
    """One method. `struct` names the shape of what is returned, as in `tmd.wire.structs.STRUCTS`."""

    name: str
    params: tuple[Param, ...]
    result: ResultType
    access: Access
    doc: str
    waits: bool = False
    """may answer later than at once"""
    struct: str = ""

    @property
    def required(self) -> int:
        """How many parameters a call must have."""
        return sum(not param.optional for param in self.params)

    @property
    def signature(self) -> list[str]:
        """Result type, then parameter types, as `system.methodSignature` tells."""
        return [self.result, *(param.type for param in self.params)]

    @property
    def help(self) -> str:
        """The text of `system.methodHelp`."""
        lines = [f"@param {param.type} {param.name}" for param in self.params]
        return "\n".join([self.doc, "", *lines, f"@return {self.result}"])


NAME = Param("name", "string")
WAIT = Param("wait", "boolean", optional=True, default=True)
SIGNAL = Param("signal", "string", loose=True)
OFFSET = Param("offset", "int")
LENGTH = Param("length", "int")

_NAME_DOC = "The name is `process`, `group:process`"
_READ_DOC = (
    "Offset below 0 with length 0 means the last bytes; length 0 means to the end. Bytes that are no text are replaced "
    "in the answer. NO_FILE, BAD_ARGUMENTS, FAILED."
)
_TAIL_DOC = (
    "Read at most `length` bytes from `offset`; when the file has grown beyond that, `overflow` is true and the last "
    "bytes are returned. The result is [text, size of the file, overflow]."
)
_STATUS_DOC = "The result has one status struct for each process that was concerned."


def _supervisor() -> list[Method]:
    def read(name: str, *params: Param, result: ResultType, doc: str, struct: str = "", waits: bool = False) -> Method:
        return Method(f"supervisor.{name}", params, result, "read", doc, waits, struct)

    def control(
        name: str, *params: Param, doc: str, result: ResultType = "boolean", waits: bool = False, struct: str = ""
    ) -> Method:
        return Method(f"supervisor.{name}", params, result, "control", doc, waits, struct)

    version = "Return the version of this API: 3.0."
    main_log = f"Read from the daemon's own log. {_READ_DOC}"
    stdout_log = f"Read from a process's stdout log. {_READ_DOC}"
    stdout_tail = f"Follow a process's stdout log. {_TAIL_DOC}"
    clear_logs = "Empty the logs of a process, running or not. BAD_NAME, FAILED."
    return [
        read("getAPIVersion", result="string", doc=version),
        read("getVersion", result="string", doc=version + " Older name of getAPIVersion."),
        read("getSupervisorVersion", result="string", doc="Return the version of Supervisor that is kept to."),
        read("getIdentification", result="string", doc="Return the identifier that the configuration gives."),
        read("getState", result="struct", doc="Return what the daemon is doing.", struct="state"),
        read("getPID", result="int", doc="Return the daemon's pid."),
        read("readLog", OFFSET, LENGTH, result="string", doc=main_log, waits=True),
        read("readMainLog", OFFSET, LENGTH, result="string", doc=main_log + " Older name of readLog.", waits=True),
        control("clearLog", doc="Empty the daemon's own log. NO_FILE, FAILED.", waits=True),
        control("shutdown", doc="Stop all processes in order, then end. Answers at once."),
        control("restart", doc="Stop all processes in order, read everything anew, start. Answers at once."),
        control(
            "reloadConfig",
            result="array",
            doc="Read the configuration and change no process. The result is [[added, changed, removed]] with the "
            "names of groups. CANT_REREAD.",
        ),
        control("addProcessGroup", NAME, doc="Activate a group of the configuration. BAD_NAME, ALREADY_ADDED."),
        control("removeProcessGroup", NAME, doc="Remove a group that is at rest. BAD_NAME, STILL_RUNNING."),
        control(
            "startProcess",
            NAME,
            WAIT,
            waits=True,
            doc=f"Start a process, by default wait until it is RUNNING. {_NAME_DOC}, or `group:*`, which returns what "
            "startProcessGroup returns. BAD_NAME, NO_FILE, NOT_EXECUTABLE, ALREADY_STARTED, FAILED, SPAWN_ERROR, "
            "ABNORMAL_TERMINATION.",
        ),
        control(
            "startProcessGroup",
            NAME,
            WAIT,
            result="array",
            waits=True,
            struct="status",
            doc=f"Start what does not run in a group, in order of priority. {_STATUS_DOC} BAD_NAME.",
        ),
        control(
            "startAllProcesses",
            WAIT,
            result="array",
            waits=True,
            struct="status",
            doc=f"Start what does not run, in order of priority. {_STATUS_DOC}",
        ),
        control(
            "stopProcess",
            NAME,
            WAIT,
            waits=True,
            doc=f"Stop a process, by default wait until it is gone. {_NAME_DOC}, or `group:*`, which returns what "
            "stopProcessGroup returns. BAD_NAME, NOT_RUNNING, FAILED.",
        ),
        control(
            "stopProcessGroup",
            NAME,
            WAIT,
            result="array",
            waits=True,
            struct="status",
            doc=f"Stop what runs in a group. {_STATUS_DOC} BAD_NAME.",
        ),
        control(
            "stopAllProcesses",
            WAIT,
            result="array",
            waits=True,
            struct="status",
            doc=f"Stop what runs. {_STATUS_DOC}",
        ),
        control(
            "signalProcess",
            NAME,
            SIGNAL,
            doc=f"Send a signal, by name (with or without SIG) or number. {_NAME_DOC}, or `group:*`, which returns "
            "what signalProcessGroup returns. BAD_NAME, BAD_SIGNAL, NOT_RUNNING, FAILED.",
        ),
        control(
            "signalProcessGroup",
            NAME,
            SIGNAL,
            result="array",
            struct="status",
            doc=f"Send a signal to what lives in a group. {_STATUS_DOC} BAD_NAME.",
        ),
        control(
            "signalAllProcesses",
            SIGNAL,
            result="array",
            struct="status",
            doc=f"Send a signal to all that lives. {_STATUS_DOC}",
        ),
        read("getProcessInfo", NAME, result="struct", struct="process info", doc="Describe a process. BAD_NAME."),
        read("getAllProcessInfo", result="array", struct="process info", doc="Describe all, by group, then name."),
        read(
            "getAllConfigInfo",
            result="array",
            struct="config info",
            doc="Describe what the configuration last read asks for, active or not, sorted by process name.",
        ),
        read("readProcessStdoutLog", NAME, OFFSET, LENGTH, result="string", doc=stdout_log, waits=True),
        read(
            "readProcessLog",
            NAME,
            OFFSET,
            LENGTH,
            result="string",
            doc=stdout_log + " Older name of readProcessStdoutLog.",
            waits=True,
        ),
        read(
            "readProcessStderrLog",
            NAME,
            OFFSET,
            LENGTH,
            result="string",
            doc=f"Read from a process's stderr log. {_READ_DOC}",
            waits=True,
        ),
        read("tailProcessStdoutLog", NAME, OFFSET, LENGTH, result="array", doc=stdout_tail, waits=True),
        read(
            "tailProcessLog",
            NAME,
            OFFSET,
            LENGTH,
            result="array",
            doc=stdout_tail + " Older name of tailProcessStdoutLog.",
            waits=True,
        ),
        read(
            "tailProcessStderrLog",
            NAME,
            OFFSET,
            LENGTH,
            result="array",
            doc=f"Follow a process's stderr log. {_TAIL_DOC}",
            waits=True,
        ),
        control("clearProcessLogs", NAME, doc=clear_logs, waits=True),
        control("clearProcessLog", NAME, doc=clear_logs + " Older name of clearProcessLogs.", waits=True),
        control(
            "clearAllProcessLogs",
            result="array",
            waits=True,
            struct="status",
            doc=f"Empty the logs of all processes. {_STATUS_DOC}",
        ),
        control(
            "sendProcessStdin",
            NAME,
            Param("chars", "string", loose=True),
            doc="Write to a process's stdin, all or nothing; text goes as UTF-8, base64 as it is. NOT_RUNNING, NO_FILE "
            "when stdin is closed, FAILED when the process does not read, INCORRECT_PARAMETERS.",
        ),
        control(
            "sendRemoteCommEvent",
            Param("type", "string"),
            Param("data", "string"),
            doc="Tell event listeners of type REMOTE_COMMUNICATION. Accepted also while stopping.",
        ),
    ]


def _system() -> list[Method]:
    return [
        Method("system.listMethods", (), "array", "read", "Return the names of all methods, sorted."),
        Method("system.methodHelp", (NAME,), "string", "read", "Return this text. SIGNATURE_UNSUPPORTED if unknown."),
        Method(
            "system.methodSignature",
            (NAME,),
            "array",
            "read",
            "Return the result type, then the parameter types. SIGNATURE_UNSUPPORTED if unknown.",
        ),
        Method(
            "system.multicall",
            (Param("calls", "array"),),
            "array",
            "control",
            "Make many calls one after another. Each is {methodName, params}; each result is the bare value, or "
            "{faultCode, faultString}. Not recursive; at most 1000 calls.",
            waits=True,
        ),
        Method(
            "system.getProduct",
            (),
            "struct",
            "read",
            "Return what this daemon really is, whatever Supervisor's methods say it is like.",
            struct="product",
        ),
    ]


def _taskmaster() -> list[Method]:
    names = Param("names", "array", optional=True, default=())
    return [
        Method("taskmaster.getVersion", (), "struct", "read", "Return who answers, and from what.", struct="version"),
        Method("taskmaster.getFigures", (), "struct", "read", "Return the daemon's own counters; keys come and go."),
        Method(
            "taskmaster.getEventPools",
            (),
            "array",
            "read",
            "Return the pools of event listeners, by name: what they subscribed to, what waits, what became of events.",
            struct="event pool",
        ),
        Method(
            "taskmaster.getAlerts",
            (),
            "array",
            "read",
            "Return the sinks of alerts, in the order of the configuration: where they go and what became of alerts.",
            struct="alert sink",
        ),
        Method(
            "taskmaster.testAlert",
            (names,),
            "array",
            "control",
            "Send a sample to the sinks of these names, or to all, past whatever waits there. The result has one "
            "struct for each, unknown names too.",
            waits=True,
            struct="alert test",
        ),
        Method(
            "taskmaster.why",
            (NAME, Param("lines", "int", optional=True, default=5)),
            "array",
            "read",
            "Tell why processes died: the last ends of each, newest first, as facts and in sentences. The name is "
            "`process`, `group:process`, `group:*` or `all`; `lines`: how many of the last lines of each stream are "
            "told with each end, 200 at most. BAD_NAME, BAD_ARGUMENTS.",
            struct="why",
        ),
        Method(
            "taskmaster.getGauges",
            (names,),
            "array",
            "read",
            "Return what processes use, the whole tree of each, and how often they were started: of the named ones "
            "(`process`, `group:process`, `group:*` or `all`), or of all. The first call measures, and each one keeps "
            "measuring going for 10 seconds. BAD_NAME.",
            waits=True,
            struct="gauge",
        ),
        Method(
            "taskmaster.reread",
            (Param("path", "string", optional=True, default=""),),
            "array",
            "control",
            "Read the configuration, or another file from now on, and change no process. The result is "
            "[[added, changed, removed]] with the names of groups. CANT_REREAD.",
        ),
        Method(
            "taskmaster.update",
            (names,),
            "struct",
            "control",
            "Apply what was last read, to the named groups or to all; touch what differs and nothing else. BAD_NAME.",
            waits=True,
            struct="update",
        ),
        Method(
            "taskmaster.reload",
            (),
            "struct",
            "control",
            "Do what SIGHUP does: read and update, or with Supervisor's dialect restart everything. CANT_REREAD.",
            waits=True,
            struct="reload",
        ),
        Method(
            "taskmaster.upgrade",
            (),
            "struct",
            "control",
            "Replace the daemon by what is installed now (code, Python, configuration), in the same process and with "
            "all that it holds: programs, sockets, timers, connections. Answers when it is certain that the new one "
            "can go on, right before it does: `upgrades` of getFigures then grows. FAILED with the reason why it "
            "cannot; then nothing has changed.",
            waits=True,
            struct="upgrade",
        ),
        Method(
            "taskmaster.restartProcesses",
            (Param("names", "array"), WAIT),
            "array",
            "control",
            "Stop what runs of these and start all of them; goes on when the caller leaves. Names are `process`, "
            "`group:process`, `group:*` or `all`. The result has one status struct for each process and each "
            "unknown name.",
            waits=True,
            struct="status",
        ),
        Method(
            "taskmaster.addProgram",
            (Param("group", "string"), Param("name", "string"), Param("options", "struct")),
            "array",
            "control",
            "Add a program to a group, which is made if there is none, and start it if it is to start on its own. "
            "Options are those of a program's section. It stays over rereads and updates, until it is removed or the "
            "daemon restarts. The result has the names of its processes. BAD_NAME if the group has one of them, "
            "INCORRECT_PARAMETERS with all that is wrong with the options.",
        ),
        Method(
            "taskmaster.removeProcess",
            (NAME,),
            "boolean",
            "control",
            "Remove a process that was added by addProgram and is at rest; a group that was made for it goes with its "
            "last one. BAD_NAME, STILL_RUNNING, FAILED if it is in the configuration.",
        ),
    ]


METHODS: dict[str, Method] = {
    method.name: method
    for method in sorted([*_supervisor(), *_system(), *_taskmaster()], key=lambda method: method.name)
}
"""Every method by its full name, in the order of `system.listMethods`."""

"""What the contract says about one process, sentence by sentence, as lists of (when, input, expected effects).

`DUE` stands for the timer that was armed last; a stale timer is `stale`. Expected effects are complete and in order,
DEBG lines left out: nothing more, nothing less may come of an input. An epoch in an expected `Arm` is filled in.
"""

from typing import Any, NamedTuple

from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core.effects import Arm, DropSpawn, Effect, Log, SendSignal, Spawn, StartReason, Tell
from tmd.core.inputs import (
    Exited,
    ExitStatus,
    Paused,
    ProcessInput,
    Quiesced,
    RestartAsked,
    Resumed,
    SignalAsked,
    SignalFailed,
    Spawned,
    SpawnFailed,
    SpecReplaced,
    StartAsked,
    StopAsked,
    TimerFired,
)
from tmd.core.notices import (
    Notice,
    ProcessBackoff,
    ProcessExited,
    ProcessFatal,
    ProcessKilled,
    ProcessPaused,
    ProcessResumed,
    ProcessRunning,
    ProcessSpawned,
    ProcessStarting,
    ProcessStopped,
    ProcessStopping,
    ProcessUnknown,
)
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

P = ProcessId("g", "p")
BASE = ProcessSpec(name="p", group="g", program="p", command="/bin/p")
DUE = TimerFired(-1)
OK, BAD, KILLED = ExitStatus(code=0), ExitStatus(code=3), ExitStatus(signal=9)
UNSEEN = ExitStatus()
TERMED, DUMPED = ExitStatus(signal=15), ExitStatus(signal=11, core=True)
TOO_QUICK = "Exited too quickly (process log may have details)"


def spec(**fields: object) -> ProcessSpec:
    return ProcessSpec(name="p", group="g", program="p", command="/bin/p", **fields)  # type: ignore[arg-type]


class Playbook(NamedTuple):
    sentence: str
    spec: ProcessSpec
    steps: list[tuple[float, ProcessInput, list[Effect]]]
    ends: dict[str, object]
    """attributes of the process at the end"""


# --- the words of expected effects


def tell(notice: Notice) -> Effect:
    return Tell(notice)


def info(text: str) -> Effect:
    return Log(Level.INFO, text)


def warn(text: str) -> Effect:
    return Log(Level.WARN, text)


def crit(text: str) -> Effect:
    return Log(Level.CRIT, text)


def armed(at: float) -> Effect:
    return Arm(P, 0, at)


def starting(
    from_state: S, tries: int = 0, of: ProcessSpec = BASE, *, restart: bool = False, again: bool = False
) -> list[Effect]:
    reason: StartReason = "restart" if restart else "retry" if from_state is S.BACKOFF else "start"
    return [tell(ProcessStarting(P, from_state, tries, again)), Spawn(P, of, reason)]


def spawned(pid: int, running_at: float | None = None) -> list[Effect]:
    told = [info(f"spawned: 'p' with pid {pid}"), tell(ProcessSpawned(P, pid))]
    return told if running_at is None else [*told, armed(running_at)]


def running(pid: int, secs: str = "1") -> list[Effect]:
    stayed = f"process has stayed up for > than {secs} seconds (startsecs)"
    return [info(f"success: p entered RUNNING state, {stayed}"), tell(ProcessRunning(P, S.STARTING, pid))]


def backoff(
    tries: int, retry_at: float | None, pid: int | None, status: ExitStatus | None, reason: str = TOO_QUICK
) -> list[Effect]:
    told = tell(ProcessBackoff(P, S.STARTING, tries, reason, pid, status, retry_at))
    return [told] if retry_at is None else [told, armed(retry_at)]


def fatal(tries: int, reason: str = TOO_QUICK) -> list[Effect]:
    return [
        info("gave up: p entered FATAL state, too many start retries too quickly"),
        tell(ProcessFatal(P, S.BACKOFF, tries, reason)),
    ]


def exited(
    text: str, level: Level, pid: int, status: ExitStatus, uptime_s: float, *, expected: bool, restarts: bool = False
) -> list[Effect]:
    return [
        Log(level, f"exited: p ({text})"),
        tell(ProcessExited(P, S.RUNNING, expected, pid, status, uptime_s, restarts)),
    ]


def stopping(from_state: S, pid: int, kill_at: float, signum: int = 15, group: bool = False) -> list[Effect]:
    return [tell(ProcessStopping(P, from_state, pid)), SendSignal(P, pid, signum, group), armed(kill_at)]


def killing(pid: int, waited_s: float, again_at: float, group: bool = False) -> list[Effect]:
    return [
        warn(f"killing 'p' ({pid}) with SIGKILL"),
        tell(ProcessKilled(P, pid, waited_s)),
        SendSignal(P, pid, 9, group),
        armed(again_at),
    ]


def stopped(text: str, level: Level, pid: int, status: ExitStatus, restarts: bool = False) -> list[Effect]:
    return [
        Log(level, f"stopped: p ({text})"),
        tell(ProcessStopped(P, S.STOPPING, pid, status, restarts)),
    ]


# --- beginnings that many playbooks share

Steps = list[tuple[float, ProcessInput, list[Effect]]]


def up(of: ProcessSpec = BASE, pid: int = 7) -> Steps:
    """Started at 0, RUNNING at 1."""
    return [
        (0, StartAsked(), starting(S.STOPPED, of=of)),
        (0, Spawned(pid), spawned(pid, 1)),
        (1, DUE, running(pid)),
    ]


def coming_up(of: ProcessSpec = BASE, pid: int = 7) -> Steps:
    """Started at 0, STARTING with a pid."""
    return up(of, pid)[:2]


NEVER = spec(autorestart=Autorestart.NEVER)
ALWAYS = spec(autorestart=Autorestart.ALWAYS)
ONE_TRY = spec(startretries=0)
AT_ONCE = spec(startsecs=0)
GROUPED = spec(stopasgroup=True, killasgroup=True, stopsignal=2, stopwaitsecs=3)
HASTY = spec(stopwaitsecs=0)
LONGER = spec(startsecs=5, stopwaitsecs=20)

STARTS = [
    Playbook("a start request spawns; up for startsecs means RUNNING", BASE, up(), {"state": S.RUNNING, "starts": 1}),
    Playbook(
        "startsecs that are not whole are printed as they are",
        spec(startsecs=2.5),
        [
            (0, StartAsked(), starting(S.STOPPED, of=spec(startsecs=2.5))),
            (0.25, Spawned(7), spawned(7, 2.75)),
            (2.75, DUE, running(7, "2.5")),
        ],
        {"started_at": 0.25},
    ),
    Playbook(
        "startsecs=0 means RUNNING as soon as it is spawned",
        AT_ONCE,
        [(0, StartAsked(), starting(S.STOPPED, of=AT_ONCE)), (0, Spawned(7), [*spawned(7), *running(7, "0")])],
        {"state": S.RUNNING, "pid": 7},
    ),
    Playbook(
        "a start request for what is up is refused in the log and changes nothing",
        BASE,
        [
            *coming_up(),
            (0.5, StartAsked(), [warn("process 'p' already running")]),
            (1, DUE, running(7)),
            (2, StartAsked(), [warn("process 'p' already running")]),
        ],
        {"state": S.RUNNING},
    ),
    Playbook(
        "a start request while STOPPING is without effect",
        BASE,
        [
            *up(),
            (2, StopAsked(), stopping(S.RUNNING, 7, 12)),
            (3, StartAsked(), [warn("process 'p' already running")]),
            (4, Exited(TERMED), stopped("terminated by SIGTERM", Level.WARN, 7, TERMED)),
        ],
        {"state": S.STOPPED, "stopped_by_hand": True},
    ),
    Playbook(
        "a start request in BACKOFF is without effect",
        BASE,
        [
            (0, StartAsked(), starting(S.STOPPED)),
            (0, SpawnFailed("no"), [info("spawnerr: no"), *backoff(1, 1, None, None, "no")]),
            (0.5, StartAsked(), []),
            (1, DUE, starting(S.BACKOFF, 1)),
        ],
        {"state": S.STARTING, "backoff": 1},
    ),
    Playbook(
        "a start request brings up what is FATAL, with a fresh count",
        ONE_TRY,
        [
            *coming_up(ONE_TRY),
            (
                0.5,
                Exited(BAD),
                [warn("exited: p (exit status 3; not expected)"), *backoff(1, None, 7, BAD), *fatal(1)],
            ),
            (9, StartAsked(), starting(S.FATAL, 0, ONE_TRY)),
        ],
        {"spawnerr": "", "backoff": 0},
    ),
]

FAILED_STARTS = [
    Playbook(
        "startretries=3 gives four spawns with waits of 1, 2 and 3 seconds, then FATAL",
        BASE,
        [
            *coming_up(),
            (0.5, Exited(OK), [warn("exited: p (exit status 0; not expected)"), *backoff(1, 1.5, 7, OK)]),
            (1.5, DUE, starting(S.BACKOFF, 1)),
            (1.5, Spawned(8), spawned(8, 2.5)),
            (2, Exited(BAD), [warn("exited: p (exit status 3; not expected)"), *backoff(2, 4, 8, BAD)]),
            (4, DUE, starting(S.BACKOFF, 2)),
            (4, SpawnFailed("why"), [info("spawnerr: why"), *backoff(3, 7, None, None, "why")]),
            (7, DUE, starting(S.BACKOFF, 3)),
            (7, Spawned(9), spawned(9, 8)),
            (
                7.5,
                Exited(KILLED),
                [warn("exited: p (terminated by SIGKILL; not expected)"), *backoff(4, None, 9, KILLED), *fatal(4)],
            ),
        ],
        {"state": S.FATAL, "spawnerr": TOO_QUICK, "exitstatus": 0, "backoff": 0, "pid": 0, "starts": 3},
    ),
    Playbook(
        "startretries=0: one try",
        ONE_TRY,
        [
            (0, StartAsked(), starting(S.STOPPED, of=ONE_TRY)),
            (
                0,
                SpawnFailed("can't find command 'x'"),
                [
                    info("spawnerr: can't find command 'x'"),
                    *backoff(1, None, None, None, "can't find command 'x'"),
                    *fatal(1, "can't find command 'x'"),
                ],
            ),
        ],
        {"state": S.FATAL, "spawnerr": "can't find command 'x'"},
    ),
    Playbook(
        "an exit before startsecs is too quick whatever the exit code; a core dump is told",
        BASE,
        [
            *coming_up(),
            (
                0.999,
                Exited(DUMPED),
                [
                    warn("exited: p (terminated by SIGSEGV (core dumped); not expected)"),
                    *backoff(1, 1.999, 7, DUMPED),
                ],
            ),
        ],
        {"state": S.BACKOFF, "exitstatus": 0, "stopped_at": 0.999},
    ),
    Playbook(
        "reaching RUNNING resets the count",
        BASE,
        [
            *coming_up(),
            (0.5, Exited(OK), [warn("exited: p (exit status 0; not expected)"), *backoff(1, 1.5, 7, OK)]),
            (1.5, DUE, starting(S.BACKOFF, 1)),
            (1.5, Spawned(8), spawned(8, 2.5)),
            (2.5, DUE, running(8)),
        ],
        {"backoff": 0},
    ),
    Playbook(
        "a stop does not reset the count: started again it resumes",
        BASE,
        [
            *coming_up(),
            (0.5, Exited(OK), [warn("exited: p (exit status 0; not expected)"), *backoff(1, 1.5, 7, OK)]),
            (1, StopAsked(), [tell(ProcessStopped(P, S.BACKOFF, 0, None))]),
            (2, StartAsked(), starting(S.STOPPED, 1)),
        ],
        {"backoff": 1, "stopped_by_hand": False},
    ),
    Playbook(
        "a spawn that fails for want of the system's means is not the program's failure",
        ONE_TRY,
        [
            (0, StartAsked(), starting(S.STOPPED, of=ONE_TRY)),
            (0, SpawnFailed("full", transient=True), [info("spawnerr: full"), *backoff(0, 2, None, None, "full")]),
            (2, DUE, starting(S.BACKOFF, 0, ONE_TRY)),
            (2, Spawned(7), spawned(7, 3)),
            (3, DUE, running(7)),
        ],
        {"state": S.RUNNING},
    ),
]

EXITS = [
    Playbook(
        "an expected exit stays EXITED under autorestart=unexpected",
        BASE,
        [*up(), (5, Exited(OK), exited("exit status 0; expected", Level.INFO, 7, OK, 5, expected=True))],
        {"state": S.EXITED, "exitstatus": 0, "spawnerr": "", "pid": 0, "stopped_at": 5},
    ),
    Playbook(
        "an unexpected exit is restarted at once, without back-off",
        BASE,
        [
            *up(),
            (
                5,
                Exited(BAD),
                [
                    *exited("exit status 3; not expected", Level.WARN, 7, BAD, 5, expected=False, restarts=True),
                    *starting(S.EXITED, restart=True),
                ],
            ),
        ],
        {"state": S.STARTING, "spawnerr": "", "exitstatus": 0},
    ),
    Playbook(
        "autorestart=true restarts an expected exit too",
        ALWAYS,
        [
            *up(ALWAYS),
            (
                5,
                Exited(OK),
                [
                    *exited("exit status 0; expected", Level.INFO, 7, OK, 5, expected=True, restarts=True),
                    *starting(S.EXITED, of=ALWAYS, restart=True),
                ],
            ),
        ],
        {"state": S.STARTING},
    ),
    Playbook(
        "a death by signal has status -1 and is never expected",
        NEVER,
        [
            *up(NEVER),
            (
                5,
                Exited(KILLED),
                exited("terminated by SIGKILL; not expected", Level.WARN, 7, KILLED, 5, expected=False),
            ),
        ],
        {"state": S.EXITED, "exitstatus": -1, "spawnerr": "Bad exit code -1"},
    ),
    Playbook(
        "an end that nobody saw has status -1 and is never expected",
        NEVER,
        [
            *up(NEVER),
            (
                5,
                Exited(UNSEEN),
                exited("ended while nobody could see how; not expected", Level.WARN, 7, UNSEEN, 5, expected=False),
            ),
        ],
        {"state": S.EXITED, "exitstatus": -1, "spawnerr": "Ended while nobody could see how"},
    ),
    Playbook(
        "an unexpected exit leaves `Bad exit code N`",
        NEVER,
        [
            *up(NEVER),
            (5, Exited(BAD), exited("exit status 3; not expected", Level.WARN, 7, BAD, 5, expected=False)),
            (6, StopAsked(), []),
        ],
        {"state": S.EXITED, "exitstatus": 3, "spawnerr": "Bad exit code 3", "stopped_by_hand": True},
    ),
    Playbook(
        "an exit at startsecs or later, the timer late: RUNNING, then EXITED, without a success line",
        BASE,
        [
            *coming_up(),
            (
                1,
                Exited(OK),
                [
                    tell(ProcessRunning(P, S.STARTING, 7)),
                    *exited("exit status 0; expected", Level.INFO, 7, OK, 1, expected=True),
                ],
            ),
        ],
        {"state": S.EXITED},
    ),
    Playbook(
        "a late timer of an earlier life is deaf",
        ALWAYS,
        [
            *coming_up(ALWAYS),
            (0.5, StopAsked(), stopping(S.STARTING, 7, 10.5)),
            (0.6, Exited(OK), stopped("exit status 0", Level.INFO, 7, OK)),
            (0.7, StartAsked(), starting(S.STOPPED, of=ALWAYS)),
            (0.7, Spawned(8), spawned(8, 1.7)),
            (1, TimerFired(0), []),
            (1, TimerFired(1), []),
            (1, TimerFired(2), []),
            (1, TimerFired(3), []),
            (1.7, DUE, running(8)),
        ],
        {"state": S.RUNNING},
    ),
]
STOPS = [
    Playbook(
        "a stop sends stopsignal; reaped means STOPPED, whatever the status",
        BASE,
        [
            *up(),
            (2, StopAsked(), stopping(S.RUNNING, 7, 12)),
            (3, StopAsked(), []),
            (4, Exited(TERMED), stopped("terminated by SIGTERM", Level.WARN, 7, TERMED)),
        ],
        {"state": S.STOPPED, "exitstatus": -1, "stopped_at": 4, "stopped_by_hand": True, "spawnerr": ""},
    ),
    Playbook(
        "stopped with a status in exitcodes is an INFO line",
        ALWAYS,
        [
            *coming_up(ALWAYS),
            (0.5, StopAsked(by_hand=False), stopping(S.STARTING, 7, 10.5)),
            (0.6, Exited(OK), stopped("exit status 0", Level.INFO, 7, OK)),
        ],
        {"state": S.STOPPED, "exitstatus": 0, "stopped_by_hand": False},
    ),
    Playbook(
        "at stopwaitsecs SIGKILL, and again every stopwaitsecs",
        BASE,
        [
            *up(),
            (2, StopAsked(), stopping(S.RUNNING, 7, 12)),
            (12, DUE, killing(7, 10, 22)),
            (22, DUE, killing(7, 20, 32)),
            (23, Exited(KILLED), stopped("terminated by SIGKILL", Level.WARN, 7, KILLED)),
        ],
        {"state": S.STOPPED, "kill_sent_at": 12},
    ),
    Playbook(
        "stopasgroup and killasgroup signal the process group",
        GROUPED,
        [
            *up(GROUPED),
            (2, StopAsked(), stopping(S.RUNNING, 7, 5, 2, True)),
            (5, DUE, killing(7, 3, 8, True)),
        ],
        {"state": S.STOPPING},
    ),
    Playbook(
        "stopwaitsecs=0 repeats SIGKILL, but not in a frenzy",
        HASTY,
        [*up(HASTY), (2, StopAsked(), stopping(S.RUNNING, 7, 2)), (2, DUE, killing(7, 0, 3))],
        {"state": S.STOPPING},
    ),
    Playbook(
        "the kill timer of one stop does not reach into the next",
        BASE,
        [
            *up(),
            (2, StopAsked(), stopping(S.RUNNING, 7, 12)),
            (3, Exited(TERMED), stopped("terminated by SIGTERM", Level.WARN, 7, TERMED)),
            (4, StartAsked(), starting(S.STOPPED)),
            (4, Spawned(8), spawned(8, 5)),
            (5, DUE, running(8)),
            (11, StopAsked(), stopping(S.RUNNING, 8, 21)),
            (12, TimerFired(3), []),
            (21, DUE, killing(8, 10, 31)),
        ],
        {"kill_sent_at": 21},
    ),
    Playbook(
        "a stop that overtakes the spawn is carried out when there is a pid",
        BASE,
        [
            (0, StartAsked(), starting(S.STOPPED)),
            (0, StopAsked(), [DropSpawn(P)]),
            (0.1, Spawned(7), [*spawned(7), *stopping(S.STARTING, 7, 10.1)]),
        ],
        {"state": S.STOPPING, "pid": 7, "starts": 1},
    ),
    Playbook(
        "a stop that overtakes a spawn that fails leaves it STOPPED",
        BASE,
        [
            (0, StartAsked(), starting(S.STOPPED)),
            (0, StopAsked(), [DropSpawn(P)]),
            (0.1, SpawnFailed("no"), [info("spawnerr: no"), tell(ProcessStopped(P, S.STARTING, 0, None))]),
        ],
        {"state": S.STOPPED, "backoff": 0},
    ),
    Playbook(
        "what is suspended is continued after the stop signal, so that its handler can run",
        BASE,
        [
            *up(),
            (2, Paused(), [tell(ProcessPaused(P, 7))]),
            (2, Paused(), []),
            (
                3,
                StopAsked(),
                [
                    tell(ProcessStopping(P, S.RUNNING, 7)),
                    SendSignal(P, 7, 15, False),
                    SendSignal(P, 7, 18, True),
                    armed(13),
                ],
            ),
            (3, Resumed(), [tell(ProcessResumed(P, 7))]),
            (3, Exited(OK), stopped("exit status 0", Level.INFO, 7, OK)),
        ],
        {"paused": False},
    ),
    Playbook(
        "news of a suspension that crosses the stop has the same result",
        BASE,
        [
            *up(),
            (2, StopAsked(), stopping(S.RUNNING, 7, 12)),
            (2, Paused(), [tell(ProcessPaused(P, 7)), SendSignal(P, 7, 18, True)]),
        ],
        {"paused": True},
    ),
    Playbook(
        "a stop of what is down only notes who wanted it",
        BASE,
        [(0, StopAsked(by_hand=False), []), (1, StopAsked(), [])],
        {"state": S.STOPPED, "stopped_by_hand": True},
    ),
]

RESTARTS = [
    Playbook(
        "a restart of what runs stops it and starts it",
        BASE,
        [
            *up(),
            (2, RestartAsked(), stopping(S.RUNNING, 7, 12)),
            (
                3,
                Exited(OK),
                [*stopped("exit status 0", Level.INFO, 7, OK, True), *starting(S.STOPPED, restart=True)],
            ),
        ],
        {"state": S.STARTING, "stopped_by_hand": False},
    ),
    Playbook(
        "a restart of what is down starts it",
        BASE,
        [(0, RestartAsked(), starting(S.STOPPED, restart=True))],
        {"state": S.STARTING},
    ),
    Playbook(
        "the second half of a restart that was asked in two says so",
        BASE,
        [(0, StartAsked(again=True), starting(S.STOPPED, restart=True, again=True))],
        {"state": S.STARTING},
    ),
    Playbook(
        "a restart in BACKOFF tries now, and keeps the count",
        BASE,
        [
            *coming_up(),
            (0.5, Exited(OK), [warn("exited: p (exit status 0; not expected)"), *backoff(1, 1.5, 7, OK)]),
            (0.7, RestartAsked(), starting(S.BACKOFF, 1, restart=True)),
        ],
        {"backoff": 1},
    ),
    Playbook(
        "a restart while it stops starts it afterwards; a stop takes that back",
        BASE,
        [
            *up(),
            (2, StopAsked(), stopping(S.RUNNING, 7, 12)),
            (3, RestartAsked(), []),
            (4, StopAsked(by_hand=False), []),
            (5, Exited(OK), stopped("exit status 0", Level.INFO, 7, OK)),
        ],
        {"state": S.STOPPED},
    ),
    Playbook(
        "a restart that overtakes the spawn begins a second life",
        BASE,
        [
            (0, StartAsked(), starting(S.STOPPED)),
            (0, RestartAsked(), [DropSpawn(P)]),
            (0, Spawned(7), [*spawned(7), *stopping(S.STARTING, 7, 10)]),
            (1, Exited(OK), [*stopped("exit status 0", Level.INFO, 7, OK, True), *starting(S.STOPPED, restart=True)]),
        ],
        {"state": S.STARTING},
    ),
    Playbook(
        "a restart that overtakes a spawn that fails begins afresh",
        BASE,
        [
            (0, StartAsked(), starting(S.STOPPED)),
            (0, RestartAsked(), [DropSpawn(P)]),
            (
                0.1,
                SpawnFailed("no"),
                [
                    info("spawnerr: no"),
                    tell(ProcessStopped(P, S.STARTING, 0, None, True)),
                    *starting(S.STOPPED, restart=True),
                ],
            ),
        ],
        {"state": S.STARTING},
    ),
]

SIGNALS = [
    Playbook(
        "a signal goes to what has a pid, to the group when asked",
        BASE,
        [
            (0, SignalAsked(1), []),
            (0.1, StartAsked(), starting(S.STOPPED)),
            (0.2, SignalAsked(1), []),
            (0.2, Spawned(7), spawned(7, 1.2)),
            (0.3, SignalAsked(1), [SendSignal(P, 7, 1, False)]),
            (0.3, SignalAsked(19, whole_group=True), [SendSignal(P, 7, 19, True)]),
        ],
        {"state": S.STARTING},
    ),
    Playbook(
        "a refused signal makes it UNKNOWN; its end is then an exit without restart",
        ALWAYS,
        [
            *up(ALWAYS),
            (2, SignalAsked(1), [SendSignal(P, 7, 1, False)]),
            (
                2,
                SignalFailed(1, "Operation not permitted"),
                [
                    crit("cannot send SIGHUP to 'p' (pid 7): Operation not permitted"),
                    tell(ProcessUnknown(P, S.RUNNING, "Operation not permitted")),
                ],
            ),
            (
                3,
                Exited(OK),
                [info("exited: p (exit status 0; expected)"), tell(ProcessExited(P, S.UNKNOWN, True, 7, OK, 3, False))],
            ),
        ],
        {"state": S.EXITED},
    ),
    Playbook(
        "a refused stop signal can be tried again; its end is then a stop",
        BASE,
        [
            *up(),
            (2, StopAsked(), stopping(S.RUNNING, 7, 12)),
            (
                2,
                SignalFailed(15, "no"),
                [crit("cannot send SIGTERM to 'p' (pid 7): no"), tell(ProcessUnknown(P, S.STOPPING, "no"))],
            ),
            (3, StopAsked(), stopping(S.UNKNOWN, 7, 13)),
            (
                3,
                SignalFailed(15, "no"),
                [crit("cannot send SIGTERM to 'p' (pid 7): no"), tell(ProcessUnknown(P, S.STOPPING, "no"))],
            ),
            (
                4,
                Exited(OK),
                [info("stopped: p (exit status 0)"), tell(ProcessStopped(P, S.UNKNOWN, 7, OK))],
            ),
        ],
        {"state": S.STOPPED},
    ),
]

GOING_DOWN = [
    Playbook(
        "BACKOFF becomes FATAL when the daemon goes down, and nothing starts any more",
        BASE,
        [
            (0, StartAsked(), starting(S.STOPPED)),
            (0, SpawnFailed("no"), [info("spawnerr: no"), *backoff(1, 1, None, None, "no")]),
            (0.5, Quiesced(), [tell(ProcessFatal(P, S.BACKOFF, 1, "no"))]),
            (1, TimerFired(2), []),
            (2, StartAsked(), []),
            (3, RestartAsked(), []),
        ],
        {"state": S.FATAL},
    ),
    Playbook(
        "what fails to start while the daemon goes down is not retried",
        BASE,
        [
            *coming_up(),
            (0.1, Quiesced(), []),
            (
                0.5,
                Exited(BAD),
                [
                    warn("exited: p (exit status 3; not expected)"),
                    *backoff(1, None, 7, BAD),
                    tell(ProcessFatal(P, S.BACKOFF, 1, TOO_QUICK)),
                ],
            ),
        ],
        {"state": S.FATAL},
    ),
    Playbook(
        "what exits while the daemon goes down is not restarted",
        ALWAYS,
        [
            *up(ALWAYS),
            (2, Quiesced(), []),
            (3, Exited(OK), exited("exit status 0; expected", Level.INFO, 7, OK, 3, expected=True)),
        ],
        {"state": S.EXITED},
    ),
    Playbook(
        "what is about to start when the daemon goes down is not started",
        BASE,
        [
            (0, StartAsked(), starting(S.STOPPED)),
            (0.1, Quiesced(), [DropSpawn(P)]),
            (0.2, SpawnFailed("no"), [info("spawnerr: no"), tell(ProcessStopped(P, S.STARTING, 0, None))]),
        ],
        {"state": S.STOPPED, "stopped_by_hand": False},
    ),
    Playbook(
        "a restart under way ends as a stop when the daemon goes down",
        BASE,
        [
            *up(),
            (2, RestartAsked(), stopping(S.RUNNING, 7, 12)),
            (3, Quiesced(), []),
            (4, Exited(OK), stopped("exit status 0", Level.INFO, 7, OK)),
        ],
        {"state": S.STOPPED},
    ),
]

NEW_SETTINGS = [
    Playbook(
        "new settings leave a running deadline alone",
        BASE,
        [*coming_up(), (0.5, SpecReplaced(LONGER), []), (1, DUE, running(7))],
        {"state": S.RUNNING},
    ),
]

PLAYBOOKS = [*STARTS, *FAILED_STARTS, *EXITS, *STOPS, *RESTARTS, *SIGNALS, *GOING_DOWN, *NEW_SETTINGS]


def play(step: Any, process: Any, playbook: Playbook) -> None:
    """Run one playbook; raise AssertionError at the first input that brings something else."""
    last_epoch = 0
    for number, (now, happened, expected) in enumerate(playbook.steps):
        fed = TimerFired(last_epoch) if happened is DUE else happened
        process, effects = step(process, playbook.spec, fed, now)
        for effect in effects:
            if isinstance(effect, Arm):
                last_epoch = effect.epoch
                assert effect.epoch == process.epoch, f"step {number}: deaf timer"
        seen = [Arm(P, 0, effect.at) if isinstance(effect, Arm) else effect for effect in effects]
        seen = [effect for effect in seen if not (isinstance(effect, Log) and effect.level <= Level.DEBG)]
        assert seen == expected, f"step {number}, {happened} at {now}:\n  got      {seen}\n  expected {expected}"
    for name, value in playbook.ends.items():
        assert getattr(process, name) == value, f"at the end {name} is {getattr(process, name)!r}, not {value!r}"

"""What hooks add to the contract about one process, in the manner of `tests.model.playbooks`."""

from tests.model.playbooks import (
    ALWAYS,
    BAD,
    DUE,
    OK,
    P,
    Playbook,
    Steps,
    armed,
    coming_up,
    crit,
    exited,
    info,
    killing,
    running,
    spawned,
    spec,
    starting,
    stopped,
    stopping,
    tell,
    up,
    warn,
)
from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core.effects import Effect, RunPrestop, SendSignal
from tmd.core.inputs import (
    Exited,
    PoststartFailed,
    PrestopEnded,
    Quiesced,
    RestartAsked,
    SignalFailed,
    Spawned,
    StartAsked,
    StopAsked,
)
from tmd.core.notices import ProcessStopAborted, ProcessStopped, ProcessStopping, ProcessUnknown
from tmd.wire.levels import Level
from tmd.wire.states import ProcessState as S

HOOKED = spec(prestop="drain", stopwaitsecs=3)
VETOED = spec(prestop="drain", hook_failure="abort", autorestart=Autorestart.ALWAYS)
NO = "prestop hook failed: exit status 1"


def draining(now: float, asked: StopAsked | RestartAsked, of: ProcessSpec = HOOKED) -> Steps:
    """RUNNING since 1, asked to stop at `now`: the hook runs, in epoch 3."""
    return [*up(of), (now, asked, [RunPrestop(P, of, 3, 7, asked.cause)])]


def vetoed(verb: str) -> list[Effect]:
    reason = f"cannot {verb} 'p': {NO} (it goes on running)"
    return [crit(reason), tell(ProcessStopAborted(P, 7, reason))]


HOOK_PLAYBOOKS = [
    Playbook(
        "prestop comes before the stop signal, and the process is RUNNING until then",
        HOOKED,
        [
            *draining(2, StopAsked()),
            (9, PrestopEnded(3), stopping(S.RUNNING, 7, 12)),
            (9.5, Exited(OK), stopped("exit status 0", Level.INFO, 7, OK)),
        ],
        {"state": S.STOPPED, "stopping_at": 9, "prestopping": False},
    ),
    Playbook(
        "stopwaitsecs counts from the signal, not from the hook",
        HOOKED,
        [*draining(2, StopAsked()), (9, PrestopEnded(3), stopping(S.RUNNING, 7, 12)), (12, DUE, killing(7, 3, 15))],
        {"state": S.STOPPING},
    ),
    Playbook(
        "while prestop runs a second stop and a start change nothing",
        HOOKED,
        [
            *draining(2, StopAsked()),
            (3, StopAsked(), []),
            (4, StartAsked(), [warn("process 'p' already running")]),
            (5, PrestopEnded(3), stopping(S.RUNNING, 7, 8)),
        ],
        {"state": S.STOPPING, "stopped_by_hand": True},
    ),
    Playbook(
        "a restart asked while prestop runs makes a restart of the stop, and the other way round",
        HOOKED,
        [
            *draining(2, StopAsked()),
            (3, RestartAsked(), []),
            (4, PrestopEnded(3), stopping(S.RUNNING, 7, 7)),
            (
                5,
                Exited(OK),
                [
                    *stopped("exit status 0", Level.INFO, 7, OK, True),
                    *starting(S.STOPPED, of=HOOKED, restart=True),
                ],
            ),
            (5, Spawned(8), spawned(8, 6)),
            (6, DUE, running(8)),
            (7, RestartAsked(), [RunPrestop(P, HOOKED, 8, 8, "asked")]),
            (8, StopAsked(), []),
            (9, PrestopEnded(8), stopping(S.RUNNING, 8, 12)),
            (9, Exited(OK), stopped("exit status 0", Level.INFO, 8, OK)),
        ],
        {"state": S.STOPPED},
    ),
    Playbook(
        "a prestop that fails does not keep it from stopping, unless that is the policy",
        HOOKED,
        [*draining(2, StopAsked()), (3, PrestopEnded(3, NO), stopping(S.RUNNING, 7, 6))],
        {"state": S.STOPPING},
    ),
    Playbook(
        "with the policy abort the stop is given up, and it is wanted up again",
        VETOED,
        [
            *draining(2, StopAsked(), VETOED),
            (3, PrestopEnded(3, NO), vetoed("stop")),
            (4, PrestopEnded(3), []),
            (
                5,
                Exited(OK),
                [
                    *exited("exit status 0; expected", Level.INFO, 7, OK, 5, expected=True, restarts=True),
                    *starting(S.EXITED, of=VETOED, restart=True),
                ],
            ),
        ],
        {"state": S.STARTING, "stopped_by_hand": False},
    ),
    Playbook(
        "with the policy abort a restart is given up, too; the next stop asks the hook again",
        VETOED,
        [
            *draining(2, RestartAsked(), VETOED),
            (3, PrestopEnded(3, NO), vetoed("restart")),
            (4, StopAsked(cause="restart"), [RunPrestop(P, VETOED, 4, 7, "restart")]),
            (4, PrestopEnded(3), []),
            (5, PrestopEnded(4, NO), vetoed("restart")),
            (6, StopAsked(), [RunPrestop(P, VETOED, 5, 7, "asked")]),
            (6, PrestopEnded(5), stopping(S.RUNNING, 7, 16)),
        ],
        {"state": S.STOPPING},
    ),
    Playbook(
        "nothing keeps it from stopping when it is removed",
        VETOED,
        [
            *draining(2, StopAsked(), VETOED),
            (3, StopAsked(by_hand=False, cause="removed"), []),
            (4, PrestopEnded(3, NO), stopping(S.RUNNING, 7, 14)),
        ],
        {"state": S.STOPPING},
    ),
    Playbook(
        "nothing keeps it from stopping when the daemon goes down",
        VETOED,
        [
            *draining(2, StopAsked(by_hand=False), VETOED),
            (3, Quiesced(), []),
            (4, PrestopEnded(3, NO), stopping(S.RUNNING, 7, 14)),
        ],
        {"state": S.STOPPING},
    ),
    Playbook(
        "what ends by itself while prestop runs is STOPPED, whatever autorestart says",
        VETOED,
        [
            *draining(2, StopAsked(), VETOED),
            (3, Exited(BAD), [tell(ProcessStopping(P, S.RUNNING, 7)), *stopped("exit status 3", Level.WARN, 7, BAD)]),
            (4, PrestopEnded(3), []),
        ],
        {"state": S.STOPPED, "exitstatus": 3, "prestopping": False},
    ),
    Playbook(
        "what ends by itself while prestop runs for a restart is started again; the hook's end does not concern that",
        VETOED,
        [
            *draining(2, RestartAsked(), VETOED),
            (
                3,
                Exited(BAD),
                [
                    tell(ProcessStopping(P, S.RUNNING, 7)),
                    *stopped("exit status 3", Level.WARN, 7, BAD, True),
                    *starting(S.STOPPED, of=VETOED, restart=True),
                ],
            ),
            (3, PrestopEnded(3), []),
            (3, Spawned(8), spawned(8, 4)),
            (4, DUE, running(8)),
            (5, PrestopEnded(3), []),
        ],
        {"state": S.RUNNING, "pid": 8},
    ),
    Playbook(
        "what is not RUNNING has no prestop",
        HOOKED,
        [*coming_up(HOOKED), (0.5, StopAsked(), stopping(S.STARTING, 7, 3.5))],
        {"state": S.STOPPING},
    ),
    Playbook(
        "a poststart whose failure counts stops the process for good, and it is told why",
        ALWAYS,
        [
            *up(ALWAYS),
            (
                2,
                PoststartFailed(7, "poststart hook failed: exit status 1"),
                [
                    crit("cannot leave 'p' running: poststart hook failed: exit status 1 (it is stopped)"),
                    tell(ProcessStopping(P, S.RUNNING, 7, "poststart")),
                    SendSignal(P, 7, 15, False),
                    armed(12),
                ],
            ),
            (
                3,
                Exited(OK),
                [
                    info("stopped: p (exit status 0)"),
                    tell(ProcessStopped(P, S.STOPPING, 7, OK, cause="poststart")),
                ],
            ),
        ],
        {"state": S.STOPPED, "spawnerr": "poststart hook failed: exit status 1", "stopped_by_hand": False},
    ),
    Playbook(
        "after a poststart that failed its end is a stop, even when the stop signal was refused",
        ALWAYS,
        [
            *up(ALWAYS),
            (
                2,
                PoststartFailed(7, "no"),
                [
                    crit("cannot leave 'p' running: no (it is stopped)"),
                    tell(ProcessStopping(P, S.RUNNING, 7, "poststart")),
                    SendSignal(P, 7, 15, False),
                    armed(12),
                ],
            ),
            (
                2,
                SignalFailed(15, "no"),
                [crit("cannot send SIGTERM to 'p' (pid 7): no"), tell(ProcessUnknown(P, S.STOPPING, "no"))],
            ),
            (
                3,
                Exited(OK),
                [
                    info("stopped: p (exit status 0)"),
                    tell(ProcessStopped(P, S.UNKNOWN, 7, OK, cause="poststart")),
                ],
            ),
        ],
        {"state": S.STOPPED},
    ),
    Playbook(
        "a poststart of an earlier life, or of what is on its way out, stops nothing",
        ALWAYS,
        [
            *up(ALWAYS),
            (2, PoststartFailed(6, "no"), []),
            (3, StopAsked(), stopping(S.RUNNING, 7, 13)),
            (4, PoststartFailed(7, "no"), []),
        ],
        {"state": S.STOPPING, "spawnerr": ""},
    ),
    Playbook(
        "after a poststart that failed no prestop can keep it running",
        VETOED,
        [
            *up(VETOED),
            (
                2,
                PoststartFailed(7, "no"),
                [crit("cannot leave 'p' running: no (it is stopped)"), RunPrestop(P, VETOED, 3, 7, "poststart")],
            ),
            (
                3,
                PrestopEnded(3, NO),
                [tell(ProcessStopping(P, S.RUNNING, 7, "poststart")), SendSignal(P, 7, 15, False), armed(13)],
            ),
        ],
        {"state": S.STOPPING},
    ),
    Playbook(
        "a restart under way is still one when poststart fails meanwhile",
        VETOED,
        [
            *draining(2, RestartAsked(), VETOED),
            (3, PoststartFailed(7, "no"), [crit("cannot leave 'p' running: no (it is stopped)")]),
            (4, PrestopEnded(3, NO), stopping(S.RUNNING, 7, 14)),
        ],
        {"then_start": True},
    ),
    Playbook(
        "the next life can be kept running by its prestop again",
        VETOED,
        [
            *up(VETOED),
            (2, StopAsked(cause="removed"), [RunPrestop(P, VETOED, 3, 7, "removed")]),
            (
                3,
                PrestopEnded(3),
                [tell(ProcessStopping(P, S.RUNNING, 7, "removed")), SendSignal(P, 7, 15, False), armed(13)],
            ),
            (4, RestartAsked(), []),
            (
                5,
                Exited(OK),
                [
                    info("stopped: p (exit status 0)"),
                    tell(ProcessStopped(P, S.STOPPING, 7, OK, True, "removed")),
                    *starting(S.STOPPED, of=VETOED, restart=True),
                ],
            ),
            (5, Spawned(7), spawned(7, 6)),
            (6, DUE, running(7)),
            (7, StopAsked(), [RunPrestop(P, VETOED, 8, 7, "asked")]),
            (8, PrestopEnded(8, NO), vetoed("stop")),
        ],
        {"state": S.RUNNING},
    ),
]

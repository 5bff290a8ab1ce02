"""What becomes of a process when its daemon is killed and the next one takes over, sentence by sentence."""

import signal
from types import ModuleType
from typing import Any, NamedTuple

from tests.model.playbooks import BASE, OK, UNSEEN, P, spec
from tmd.config.settings import Autorestart, ProcessSpec
from tmd.core import restoring
from tmd.core.effects import Arm, Effect, RunPrestop, SendSignal, Spawn
from tmd.core.inputs import (
    Exited,
    Paused,
    ProcessInput,
    Quiesced,
    RestartAsked,
    Spawned,
    SpawnFailed,
    StartAsked,
    StopAsked,
    TimerFired,
)
from tmd.core.records import Life
from tmd.wire.states import ProcessState as S

DUE = TimerFired(-1)
TERM = SendSignal(P, 5, signal.SIGTERM, False)
SHUTDOWN = StopAsked(by_hand=False, cause="shutdown")
HALF = StopAsked(by_hand=False, cause="restart")
UP: list[tuple[float, ProcessInput]] = [(0, StartAsked()), (0, Spawned(5)), (1, DUE)]


class Restoring(NamedTuple):
    sentence: str
    spec: ProcessSpec
    past: list[tuple[float, ProcessInput]]
    at: float
    does: list[Effect]
    """what is asked for by the restore, but for news and words"""
    ends: dict[str, object]
    life: Life | None = None
    same_daemon: bool = False


FOUND = Life(token="k.1", pid=7)

RESTORING_PLAYBOOKS = [
    Restoring("what never ran does not run", BASE, [], 9, [], {"state": S.STOPPED, "starts": 0}),
    Restoring("what runs goes on", BASE, UP, 9, [], {"state": S.RUNNING, "pid": 5, "started_at": 0}),
    Restoring(
        "startsecs run out when they would have",
        spec(startsecs=5),
        UP[:2],
        3,
        [Arm(P, 1, 5)],
        {"state": S.STARTING, "pid": 5},
    ),
    Restoring("a timer that was due meanwhile is due at once", BASE, UP[:2], 9, [Arm(P, 1, 1)], {"state": S.STARTING}),
    Restoring("a start that was about to be made is made", BASE, UP[:1], 9, [Spawn(P, BASE)], {"state": S.STARTING}),
    Restoring(
        "a start that had been made is not made again",
        BASE,
        UP[:1],
        9,
        [Arm(P, 1, 1)],
        {"state": S.STARTING, "pid": 7, "started_at": 0, "starts": 1},
        FOUND,
    ),
    Restoring(
        "a stop goes on, is asked for again, and its SIGKILL comes in time",
        BASE,
        [*UP, (2, StopAsked())],
        3,
        [TERM, Arm(P, 3, 12)],
        {"state": S.STOPPING, "stopped_by_hand": True},
    ),
    Restoring(
        "one that was suspended is woken for it",
        spec(stopsignal=signal.SIGINT, stopasgroup=True),
        [*UP, (1.5, Paused()), (2, StopAsked())],
        3,
        [SendSignal(P, 5, signal.SIGINT, True), SendSignal(P, 5, signal.SIGCONT, True), Arm(P, 3, 12)],
        {"state": S.STOPPING},
    ),
    Restoring(
        "a SIGKILL that may not have been sent is",
        spec(killasgroup=True),
        [*UP, (2, StopAsked()), (12, DUE)],
        13,
        [SendSignal(P, 5, signal.SIGKILL, True), Arm(P, 4, 22)],
        {"state": S.STOPPING, "kill_sent_at": 12},
    ),
    Restoring(
        "not by a daemon that goes on with its own",
        BASE,
        [*UP, (2, StopAsked())],
        3,
        [Arm(P, 3, 12)],
        {"state": S.STOPPING},
        same_daemon=True,
    ),
    Restoring(
        "a retry comes when it would have",
        BASE,
        [(0, StartAsked()), (0, SpawnFailed("no"))],
        0.5,
        [Arm(P, 2, 1)],
        {"state": S.BACKOFF, "backoff": 1},
    ),
    Restoring(
        "a hook before the stop runs again",
        spec(prestop="drain"),
        [*UP, (2, StopAsked())],
        3,
        [RunPrestop(P, spec(prestop="drain"), 3, 5, "asked")],
        {"state": S.RUNNING, "prestopping": True},
    ),
    Restoring(
        "stopped by hand is stopped",
        BASE,
        [*UP, (2, StopAsked()), (3, Exited(OK))],
        9,
        [],
        {"state": S.STOPPED, "stopped_by_hand": True},
    ),
    Restoring(
        "an end of the daemon that was not finished is none for what it has not reached",
        BASE,
        [*UP, (2, Quiesced())],
        3,
        [],
        {"state": S.RUNNING, "quiesced": False, "put_off": None},
    ),
    Restoring(
        "what it was stopping comes up again",
        BASE,
        [*UP, (2, Quiesced()), (2, SHUTDOWN)],
        3,
        [TERM, Arm(P, 3, 12)],
        {"state": S.STOPPING, "then_start": True},
    ),
    Restoring(
        "what it had stopped comes up again",
        BASE,
        [*UP, (2, Quiesced()), (2, SHUTDOWN), (2.5, Exited(OK))],
        3,
        [Spawn(P, BASE, "restart")],
        {"state": S.STARTING, "starts": 1},
    ),
    Restoring(
        "what it kept from being retried is tried",
        BASE,
        [(0, StartAsked()), (0, SpawnFailed("no")), (0.5, Quiesced()), (0.5, SHUTDOWN)],
        3,
        [Spawn(P, BASE, "restart")],
        {"state": S.STARTING},
    ),
    Restoring(
        "what had ended before it stays as it was",
        spec(autorestart=Autorestart.NEVER),
        [*UP, (2, Exited(OK)), (3, Quiesced()), (3, SHUTDOWN)],
        9,
        [],
        {"state": S.EXITED, "quiesced": False},
    ),
    Restoring(
        "a stop by hand stands, whatever came after it",
        BASE,
        [*UP, (2, StopAsked()), (2, Quiesced()), (2, SHUTDOWN), (3, Exited(OK))],
        9,
        [],
        {"state": S.STOPPED, "stopped_by_hand": True},
    ),
    Restoring(
        "a restart the daemon's end overtook is finished",
        BASE,
        [*UP, (2, RestartAsked()), (2, Quiesced()), (2, SHUTDOWN), (3, Exited(OK))],
        9,
        [Spawn(P, BASE, "restart")],
        {"state": S.STARTING},
    ),
    Restoring(
        "a restart of many is finished where it had stopped one",
        BASE,
        [*UP, (2, HALF), (3, Exited(OK))],
        9,
        [Spawn(P, BASE, "restart")],
        {"state": S.STARTING},
    ),
    Restoring(
        "not when the daemon itself goes on with it",
        BASE,
        [*UP, (2, HALF), (3, Exited(OK))],
        9,
        [],
        {"state": S.STOPPED},
        same_daemon=True,
    ),
    Restoring(
        "and where it was stopping one",
        BASE,
        [*UP, (2, HALF)],
        3,
        [TERM, Arm(P, 3, 12)],
        {"state": S.STOPPING, "then_start": True},
    ),
    Restoring(
        "once it was finished a later end is an end like others",
        spec(autorestart=Autorestart.NEVER),
        [*UP, (2, HALF), (3, Exited(OK)), (3, StartAsked(again=True)), (3, Spawned(6)), (5, DUE), (6, Exited(OK))],
        9,
        [],
        {"state": S.EXITED},
    ),
    Restoring(
        "an end that nobody saw is none that was expected",
        BASE,
        [*UP, (2, Exited(UNSEEN))],
        3,
        [Spawn(P, BASE)],
        {"state": S.STARTING},
    ),
]


def play_restoring(machine: ModuleType, playbook: Restoring) -> None:
    """Run the past, restore, and compare; raises AssertionError."""
    process: Any = machine.Process()
    for at, happened in playbook.past:
        due = TimerFired(process.epoch)
        process = machine.step(process, playbook.spec, due if happened is DUE else happened, at)[0]
    restored = getattr(machine, "restored", restoring.restored)
    process, effects = restored(process, playbook.spec, playbook.life, playbook.at, same_daemon=playbook.same_daemon)
    done = [effect for effect in effects if isinstance(effect, Arm | RunPrestop | SendSignal | Spawn)]
    assert done == playbook.does, playbook.sentence
    for name, value in playbook.ends.items():
        assert getattr(process, name) == value, f"{playbook.sentence}: {name}"

"""Hooks: which one waits for which, and what is answered; with runs that end when the test says so."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from tests.unit.daemon.virtual import VirtualClock
from tests.world.fake_os import process
from tmd.config.settings import GroupSpec, Hook, ProcessSpec
from tmd.core import inputs as i
from tmd.core import notices as n
from tmd.core.effects import RunPrestop, Spawn
from tmd.core.inputs import AddGroupAsked, ExitStatus
from tmd.core.overseer import Overseer
from tmd.daemon.bus import Told
from tmd.daemon.hook_runs import HookRun, HookRuns, Outcome
from tmd.daemon.hooks import Hooks
from tmd.daemon.journal import Journal
from tmd.daemon.mainlog import MainLog
from tmd.daemon.trees import Trees
from tmd.posix.loop import ChildEvent
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

WEB = ProcessId("web", "web")
FAILED = Outcome("failed: exit status 1")


class FakeRuns:
    """Runs that do nothing; `end` ends the one that runs."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.facts: list[Mapping[str, str | None]] = []
        self.running: list[HookRun] = []
        self.killed: list[str] = []

    def run(self, spec: ProcessSpec, hook: Hook, command: str, facts: Mapping[str, str | None], done: Any) -> HookRun:
        run = HookRun(spec, hook, 0.0, done)
        self.begun.append(f"{hook} {command}")
        self.facts.append(facts)
        self.running.append(run)
        return run

    def end(self, outcome: Outcome = Outcome()) -> None:  # noqa: B008 - it is frozen
        self.running.pop(0).end(outcome)

    def kill(self, run: HookRun) -> None:
        self.killed.append(run.hook)

    def forget(self, id_: ProcessId) -> None:
        self.killed.append(f"forgot {id_.process}")


class Street:
    """Hooks with all that is around them."""

    def __init__(self, **fields: Any) -> None:
        self.spec = process("web", **fields)
        self.runs = FakeRuns()
        self.told: list[i.ProcessInput] = []
        self.spawned: list[Spawn] = []
        self.lines: list[tuple[Level, str]] = []
        self.overseer = Overseer()
        self.overseer.step(AddGroupAsked(GroupSpec(name="web", processes=(self.spec,))), 0.0)
        self.hooks = Hooks(
            overseer=self.overseer,
            runs=cast("HookRuns", self.runs),
            mainlog=MainLog(Level.TRAC, [lambda level, _line, text: self.lines.append((level, text))], lambda: 0.0),
            tell=lambda _id, input_: self.told.append(input_),
            spawn=self.spawned.append,
        )

    def hear(self, notice: n.Notice) -> None:
        self.hooks.hear(Told(1, 0.0, 0.0, notice))

    def live(self, pid: int = 7) -> None:
        self.hear(n.ProcessSpawned(WEB, pid))
        self.hear(n.ProcessRunning(WEB, S.STARTING, pid))

    def exit(self, pid: int = 7) -> None:
        self.hear(n.ProcessExited(WEB, S.RUNNING, True, pid, ExitStatus(code=0), 1.0, True))

    def start(self) -> bool:
        return self.hooks.hold(Spawn(WEB, self.spec, "restart"))


def test_who_has_no_hooks_is_not_held_up() -> None:
    street = Street()
    assert not street.start()
    street.live()
    street.exit()
    assert (street.runs.begun, street.told) == ([], [])


def test_a_start_waits_for_the_poststop_and_then_for_its_prestart() -> None:
    street = Street(prestart="before", poststop="after")
    street.live()
    street.exit()
    assert street.start()
    assert street.runs.begun == ["poststop after"]
    street.runs.end()
    assert (street.runs.begun, street.spawned) == (["poststop after", "prestart before"], [])
    street.runs.end()
    assert [effect.reason for effect in street.spawned] == ["restart"]
    assert street.told == []


def test_a_start_without_a_prestart_waits_for_the_poststop_too() -> None:
    street = Street(poststop="after", hook_failure="ignore")
    street.live()
    street.exit()
    assert street.start()
    street.runs.end(FAILED)
    assert len(street.spawned) == 1
    assert not street.start()


def test_a_poststop_that_fails_can_fail_the_start_that_waits_and_no_other() -> None:
    street = Street(prestart="before", poststop="after", hook_failure="abort")
    street.live()
    street.exit()
    street.start()
    street.runs.end(FAILED)
    assert street.told == [i.SpawnFailed("poststop hook failed: exit status 1")]
    assert street.runs.begun == ["poststop after"]
    street.start()
    street.runs.end()
    assert len(street.spawned) == 1


def test_want_of_means_is_passed_on() -> None:
    street = Street(prestart="before")
    street.start()
    street.runs.end(Outcome("cannot be run: too many open files", transient=True))
    reason = "prestart hook cannot be run: too many open files"
    assert street.told == [i.SpawnFailed(reason, transient=True)]


@pytest.mark.parametrize("poststop", [None, "after"])
def test_a_start_nobody_wants_is_answered_at_once(poststop: str | None) -> None:
    street = Street(prestart="before", poststop=poststop)
    street.live()
    street.exit()
    street.start()
    street.hooks.drop(WEB)
    assert street.told == [i.SpawnFailed("stopped before it was started")]
    assert street.runs.killed == ([] if poststop else ["prestart"]), "a poststop goes on, a prestart does not"
    street.runs.end()
    street.hooks.drop(WEB)
    assert (len(street.told), street.spawned) == (1, [])
    assert not [text for level, text in street.lines if level >= Level.WARN]


def test_a_start_after_one_that_was_dropped_waits_for_the_end_of_its_hook() -> None:
    street = Street(prestart="before")
    street.start()
    street.hooks.drop(WEB)
    street.start()
    assert len(street.runs.begun) == 1
    street.runs.end(Outcome("failed: terminated by SIGKILL"))
    assert len(street.runs.begun) == 2
    street.runs.end()
    assert len(street.spawned) == 1


def test_a_poststart_is_ended_by_what_comes_next() -> None:
    street = Street(poststart="up", prestop="drain", poststop="after", hook_failure="abort")
    street.live()
    street.hooks.run_prestop(RunPrestop(WEB, street.spec, 3, 7, "changed"))
    assert street.runs.killed == ["poststart"]
    street.runs.end(FAILED)
    assert street.told == [], "the failure of a hook that was ended counts"
    street.exit()
    assert street.runs.begun == ["poststart up", "prestop drain"]
    street.runs.end(FAILED)
    assert street.told == [i.PrestopEnded(3, "prestop hook failed: exit status 1")]
    assert street.runs.begun[2:] == ["poststop after"]
    assert [facts["TMD_REASON"] for facts in street.runs.facts] == ["running", "restart", "exited"]


def test_a_poststart_that_fails_is_told_of_when_it_counts() -> None:
    for failure in ("abort", "ignore"):
        street = Street(poststart="up", hook_failure=failure)
        street.live()
        street.runs.end(FAILED)
        assert len(street.told) == (failure == "abort")


def test_who_waits_for_all_hooks_is_called_once_the_last_has_ended() -> None:
    street = Street(poststop="after")
    calls: list[str] = []
    street.hooks.when_idle(lambda: calls.append("at once"))
    street.live()
    street.exit()
    street.hooks.when_idle(lambda: calls.append("later"))
    assert calls == ["at once"]
    assert (Level.INFO, "waiting for hooks to end: poststop of web") in street.lines
    street.runs.end()
    assert calls == ["at once", "later"]


def test_the_hooks_of_a_process_that_was_removed_are_those_it_had() -> None:
    street = Street(poststop="after")
    street.live()
    street.overseer.groups.clear()
    street.hear(n.ProcessStopped(WEB, S.STOPPING, 7, ExitStatus(code=0)))
    street.hear(n.ProcessRemoved(WEB))
    assert street.runs.begun == ["poststop after"]
    assert street.runs.killed == ["forgot web"]


def test_a_stop_without_a_process_has_no_poststop() -> None:
    street = Street(poststop="after")
    street.live()
    street.exit()
    street.hear(n.ProcessStopped(WEB, S.STARTING, 0, None))
    assert len(street.runs.begun) == 1


# --- one run


class NoLives:
    """Starts processes that are in the kernel's hands for ever."""

    trees = Trees(cast("Any", None), lambda *_: None, groups=False)

    def start_beside(self, *_: object) -> tuple[int, dict[str, int]]:
        return 2**31 - 2, {}


def test_a_hook_that_survives_sigkill_is_left_behind() -> None:
    clock = VirtualClock()
    runs = HookRuns(cast("Any", clock), cast("Any", None), cast("Any", NoLives()), lambda: None, Journal("", print))
    ends: list[Outcome] = []
    runs.run(process("web", hook_timeout=1.0), "prestop", "drain", {}, ends.append)
    clock.advance(1)
    assert ends == []
    clock.advance(2)
    assert ends == [Outcome("timed out after 1 seconds, and survives SIGKILL", took_s=1.0)]
    assert runs.child_event(ChildEvent(2**31 - 2, "exited", signal=9)), "thought unknown when it is reaped at last"
    assert len(ends) == 1

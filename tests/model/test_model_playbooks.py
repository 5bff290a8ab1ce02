"""The sentences of the contract about one process."""

import pytest

from tests.model.hook_playbooks import HOOK_PLAYBOOKS
from tests.model.playbooks import BASE, DUE, PLAYBOOKS, Playbook, play
from tests.model.restoring_playbooks import RESTORING_PLAYBOOKS, Restoring, play_restoring
from tmd.core import process as machine
from tmd.core.condition import UNKNOWN
from tmd.core.effects import Log, SendSignal
from tmd.core.inputs import RestartAsked, SignalAsked, SpecReplaced, StartAsked, StopAsked
from tmd.core.process import Process, step
from tmd.wire.levels import Level

ALL = [*PLAYBOOKS, *HOOK_PLAYBOOKS]


@pytest.mark.parametrize("playbook", ALL, ids=lambda playbook: playbook.sentence)
def test_playbook(playbook: Playbook) -> None:
    play(step, Process(), playbook)


@pytest.mark.parametrize("playbook", RESTORING_PLAYBOOKS, ids=lambda playbook: playbook.sentence)
def test_what_outlives_the_daemon(playbook: Restoring) -> None:
    play_restoring(machine, playbook)


def test_a_playbook_that_is_wrong_fails() -> None:
    with pytest.raises(AssertionError, match="step 0"):
        play(step, Process(), Playbook("", BASE, [(0, StartAsked(), [])], {}))


def test_sentences_are_told_once() -> None:
    assert len({playbook.sentence for playbook in ALL}) == len(ALL)
    assert any(happened is DUE for playbook in PLAYBOOKS for _, happened, _ in playbook.steps)


def test_signals_are_told_at_debug_level() -> None:
    process = Process(state=UNKNOWN, pid=7)
    _, effects = step(process, BASE, StopAsked(), 0)
    assert effects[0] == Log(Level.DEBG, "killing p (pid 7) with signal SIGTERM")
    grouped = BASE.__class__(name="p", group="g", program="p", command="p", stopasgroup=True, stopsignal=36)
    _, effects = step(process, grouped, StopAsked(), 0)
    assert effects[0] == Log(Level.DEBG, "killing p (pid 7) process group with signal signal 36")
    running, _ = step(Process(state=UNKNOWN), BASE, StartAsked(), 0)
    assert running.in_flight
    from tmd.core.inputs import Spawned

    running, _ = step(running, BASE, Spawned(9), 0)
    _, effects = step(running, BASE, SignalAsked(1), 0)
    assert effects == (Log(Level.DEBG, "sending p (pid 9) sig SIGHUP"), SendSignal(BASE.id, 9, 1, False))


def test_what_is_unknown_without_a_pid_can_be_started() -> None:
    for asked in (StartAsked(), RestartAsked()):
        process, _ = step(Process(state=UNKNOWN), BASE, asked, 0)
        assert process.in_flight
    process, effects = step(Process(state=UNKNOWN, pid=7), BASE, StartAsked(), 0)
    assert process.state is UNKNOWN
    assert effects == (Log(Level.WARN, "process 'p' already running"),)


def test_a_new_spec_is_the_caller_s_to_hand_over() -> None:
    process = Process(state=UNKNOWN, pid=7)
    assert step(process, BASE, SpecReplaced(BASE), 0) == (process, ())

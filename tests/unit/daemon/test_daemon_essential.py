"""Whose end is the daemon's, and the exit status that follows from it."""

from typing import Any

import msgspec
import pytest

from tmd.config.settings import ProcessSpec
from tmd.core import notices as n
from tmd.core.inputs import ExitStatus
from tmd.daemon.bus import Told
from tmd.daemon.essential import Essential
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

WEB, JOB, WORKER = ProcessId("web", "web"), ProcessId("job", "job"), ProcessId("shop", "worker_01")


class Stage:
    def __init__(self, *exit_on: str) -> None:
        self.exit_on = exit_on
        self.ends = 0
        self.specs = {
            id_: ProcessSpec(name=id_.process, group=id_.group, program=program, command="x", essential=id_ == WEB)
            for id_, program in ((WEB, "web"), (JOB, "job"), (WORKER, "worker"))
        }
        self.essential = Essential(spec_of=self.specs.get, exit_on=lambda: self.exit_on, end=self.end)

    def end(self) -> None:
        self.ends += 1

    def hear(self, *notices: n.Notice) -> "Stage":
        for notice in notices:
            self.essential.hear(Told(1, 0.0, 0.0, notice))
        return self

    def set(self, id_: ProcessId, **fields: Any) -> None:
        self.specs[id_] = msgspec.structs.replace(self.specs[id_], **fields)

    @property
    def outcome(self) -> tuple[int, int, str]:
        return self.ends, self.essential.exit_code, self.essential.last_line


NOTHING = (0, 0, "")


def exited(id_: ProcessId, status: ExitStatus, *, restarts: bool = False) -> n.ProcessExited:
    return n.ProcessExited(id_, S.RUNNING, status.code == 0, 100, status, 5.0, restarts)


def failed(id_: ProcessId, status: ExitStatus | None) -> n.ProcessBackoff:
    return n.ProcessBackoff(id_, S.STARTING, 1, "why", 100 if status else None, status, None)


def fatal(id_: ProcessId, reason: str = "cannot find it") -> n.ProcessFatal:
    return n.ProcessFatal(id_, S.BACKOFF, 4, reason)


def stopped(id_: ProcessId, status: ExitStatus, *, restarts: bool = False) -> n.ProcessStopped:
    return n.ProcessStopped(id_, S.STOPPING, 100, status, restarts)


@pytest.mark.parametrize(
    ("status", "code", "how"),
    [
        (ExitStatus(code=0), 0, "ended: exit status 0"),
        (ExitStatus(code=1), 1, "ended: exit status 1"),
        (ExitStatus(code=255), 255, "ended: exit status 255"),
        (ExitStatus(signal=15), 143, "ended: terminated by SIGTERM"),
        (ExitStatus(signal=9), 137, "ended: terminated by SIGKILL"),
        (ExitStatus(signal=11, core=True), 139, "ended: terminated by SIGSEGV (core dumped)"),
        (ExitStatus(signal=64), 192, "ended: terminated by "),
        (ExitStatus(), 1, "ended: "),
    ],
)
def test_the_daemon_ends_as_the_program_did(status: ExitStatus, code: int, how: str) -> None:
    ends, exit_code, line = Stage().hear(exited(WEB, status)).outcome
    assert (ends, exit_code) == (1, code)
    assert line.startswith(f"ends with exit status {code}: essential program 'web' {how}")


def test_who_was_given_up_has_the_status_of_its_last_start() -> None:
    stage = Stage().hear(failed(WEB, ExitStatus(code=3)), failed(WEB, ExitStatus(code=4)))
    assert stage.outcome == NOTHING
    line = "ends with exit status 4: essential program 'web' was given up: exit status 4"
    assert stage.hear(fatal(WEB)).outcome == (1, 4, line)


def test_who_never_started_is_not_found_as_in_a_shell() -> None:
    line = "ends with exit status 127: essential program 'web' could not be started: cannot find it"
    assert Stage().hear(failed(WEB, None), fatal(WEB)).outcome == (1, 127, line)
    assert Stage().hear(fatal(WEB)).outcome == (1, 127, line)
    # the last start counts, not an earlier one that got further
    assert Stage().hear(failed(WEB, ExitStatus(code=3)), failed(WEB, None), fatal(WEB)).outcome[1] == 127


def test_an_earlier_failure_is_forgotten_once_it_was_up() -> None:
    running = n.ProcessRunning(WEB, S.STARTING, 100)
    for between in (running, stopped(WEB, ExitStatus(signal=15)), n.ProcessRemoved(WEB)):
        assert Stage().hear(failed(WEB, ExitStatus(code=3)), between, fatal(WEB)).outcome[1] == 127


def test_what_is_no_end() -> None:
    restarts = exited(WEB, ExitStatus(code=1), restarts=True)
    by_hand = stopped(WEB, ExitStatus(signal=15))
    again = stopped(WEB, ExitStatus(signal=15), restarts=True)
    nobody = exited(ProcessId("no", "body"), ExitStatus(code=1))
    others: list[n.Notice] = [exited(JOB, ExitStatus(code=1)), fatal(WORKER)]
    assert Stage().hear(restarts, by_hand, again, nobody, *others, n.ProcessRemoved(WEB)).outcome == NOTHING


@pytest.mark.parametrize(
    ("reason", "id_", "given_up", "ended"),
    [
        ("fatal:any", JOB, True, False),
        ("exit:any", JOB, False, True),
        ("fatal:job", JOB, True, False),
        ("exit:job", JOB, False, True),
        ("exit:web", JOB, False, False),
        ("exit:worker", WORKER, False, True),
        ("exit:shop", WORKER, False, True),
        ("exit:shop:*", WORKER, False, True),
        ("fatal:shop:worker_01", WORKER, True, False),
        ("fatal:shop:worker_00", WORKER, False, False),
    ],
)
def test_other_reasons_to_end(reason: str, id_: ProcessId, given_up: bool, ended: bool) -> None:
    name = id_.namespec
    line = f"ends with exit status 5: program '{name}' ended: exit status 5"
    assert Stage(reason).hear(exited(id_, ExitStatus(code=5))).outcome == ((1, 5, line) if ended else NOTHING)
    outcome = Stage(reason).hear(failed(id_, ExitStatus(code=6)), fatal(id_)).outcome
    line = f"ends with exit status 6: program '{name}' was given up: exit status 6"
    assert outcome == ((1, 6, line) if given_up else NOTHING)


def test_the_first_culprit_counts_and_the_end_is_asked_for_once() -> None:
    stage = Stage("fatal:any").hear(exited(WEB, ExitStatus(code=7)), fatal(JOB), exited(WEB, ExitStatus(code=8)))
    assert stage.outcome[:2] == (1, 7)
    assert "'web'" in stage.essential.last_line


def test_what_ends_while_the_daemon_goes_down_is_no_reason() -> None:
    assert Stage("fatal:any").hear(n.DaemonStopping(), exited(WEB, ExitStatus(code=7)), fatal(JOB)).outcome == NOTHING


def test_the_settings_in_force_count() -> None:
    stage = Stage()
    stage.set(WEB, essential=False)
    assert stage.hear(exited(WEB, ExitStatus(code=7))).outcome == NOTHING
    stage.exit_on = ("exit:web",)
    assert stage.hear(exited(WEB, ExitStatus(code=8))).outcome[:2] == (1, 8)

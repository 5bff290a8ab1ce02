"""Operators whose own terminal takes nothing any more."""

import os
import select
import signal
import termios

import pytest

from tests.e2e.harness import Rig
from tests.e2e.terminals import PATIENCE_S, Operator
from tests.e2e.test_e2e_attach import start
from tests.support import eventually

pytestmark = pytest.mark.ours


def test_a_signal_ends_it_on_a_terminal_that_takes_nothing(rig: Rig) -> None:
    start(rig, flood="yes")
    ann = Operator(rig, "flood")
    theirs = os.open(f"/proc/{ann.pid}/fd/1", os.O_WRONLY | os.O_NOCTTY)
    try:
        eventually(lambda: termios.tcgetattr(theirs) != ann.before, PATIENCE_S)
        termios.tcflow(theirs, termios.TCOOFF)
        eventually(lambda: not select.select([], [theirs], [], 0)[1], PATIENCE_S, what="it takes nothing")
        for signum in (signal.SIGSTOP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
            os.kill(ann.pid, signum)
        eventually(lambda: not ann.terminal.isalive(), PATIENCE_S, what="it ends although nobody reads")
        assert termios.tcgetattr(theirs) == ann.before
        assert ann.terminal.exitstatus in (128 + signal.SIGHUP, 128 + signal.SIGTERM)
    finally:
        os.close(theirs)
        ann.close()
    assert rig.state("flood") == "RUNNING"
    rig.stop()

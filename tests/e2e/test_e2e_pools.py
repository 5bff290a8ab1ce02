"""What `tmctl` shows of event listeners that really run."""

import re

import pytest

from tests.e2e.harness import Rig, program

pytestmark = pytest.mark.ours

# Never answers an event, and gets one every five seconds at the latest.
SILENT = "sh -c 'printf \"READY\\n\"; exec sleep 100000'"


def test_pools_and_verbose_status(rig: Rig) -> None:
    rig.write(
        f"[eventlistener:mute]\ncommand={SILENT}\nevents=PROCESS_STATE,REMOTE_COMMUNICATION\nbuffer_size=2\nstartsecs=0\n"
        f"[program:web]\ncommand={program('echo.py')}\nstartsecs=0\n"
    )
    rig.start()
    rig.until("mute", "RUNNING")
    rig.until("web", "RUNNING")
    rig.wait(lambda: "  mute  BUSY for " in rig.ctl("pools").text, 20, "the listener has an event")
    for number in range(5):
        rig.rpc.supervisor.sendRemoteCommEvent("kind", str(number))
    rig.wait(lambda: "waiting 2/2" in rig.ctl("pools").text, 20, "the buffer is full")
    answer = rig.ctl("pools", "mute")
    assert answer.code == 0
    assert re.fullmatch(
        r"mute  events PROCESS_STATE,REMOTE_COMMUNICATION  waiting 2/2  delivered 0  rejected 0  redelivered 0"
        r"  dropped [1-9]\d*\n  mute  BUSY for 0:00:\d\d\n",
        answer.text,
    ), answer.text
    assert rig.ctl("pools", "nope")[:2] == ("nope: ERROR (no such pool)\n", 1)
    plain, verbose = rig.ctl("status").text, rig.ctl("status", "--verbose").text
    assert len(plain.splitlines()) == 2
    assert re.search(r"\n?mute +RUNNING.*\n  listener BUSY for 0:00:\d\d; pool: 2 of 2 waiting, dropped [1-9]", verbose)
    assert len(verbose.splitlines()) == 3
    (pool,) = rig.rpc.taskmaster.getEventPools()
    assert pool["listeners"][0]["state"] == "BUSY"
    rig.stop()

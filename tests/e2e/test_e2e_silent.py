"""A program that says nothing costs no open file, and its log can be asked for all the same."""

import os
from contextlib import suppress

import pytest

from tests.e2e.harness import Rig

pytestmark = pytest.mark.ours

SILENT = "/bin/sh -c 'read word; echo $word; exec sleep 1000'"
LOUD = "/bin/sh -c 'echo here I am; exec sleep 1000'"


def opened(rig: Rig) -> set[str]:
    """Return the files of the rig's directory that its daemon has open."""
    found = set()
    for fd in os.listdir(f"/proc/{rig.daemon_pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            directory, _, name = os.readlink(f"/proc/{rig.daemon_pid}/fd/{fd}").rpartition("/")
            if directory == str(rig.dir):
                found.add(name)
    return found


def test_a_log_is_there_from_the_start_and_open_from_the_first_word(rig: Rig) -> None:
    rig.write(
        f"[program:silent]\ncommand={SILENT}\nstartsecs=0\nnumprocs=9\nprocess_name=s%(process_num)d\n"
        "stdout_logfile={dir}/%(process_num)d.out\nstderr_logfile={dir}/%(process_num)d.err\n"
        f"[program:loud]\ncommand={LOUD}\nautostart=false\nstdout_logfile={{dir}}/loud.out\nstderr_logfile=NONE\n"
    )
    rig.start()
    rig.until("silent:s7", "RUNNING")
    assert rig.rpc.supervisor.readProcessStdoutLog("silent:s7", 0, 0) == ""
    assert rig.rpc.supervisor.tailProcessStderrLog("silent:s7", 0, 10) == ["", 0, False]
    logs = {f"{number}.{channel}" for number in range(9) for channel in ("out", "err")}
    assert all((rig.dir / log).stat().st_size == 0 for log in logs)
    rig.rpc.supervisor.startProcess("loud", False)
    rig.until_text("loud.out", "here I am")  # so all that was begun before it was looked after
    assert opened(rig) & (logs | {"loud.out"}) == {"loud.out"}

    rig.rpc.supervisor.sendProcessStdin("silent:s7", "a word\n")
    rig.until_text("7.out", "a word")
    assert opened(rig) & logs == {"7.out"}
    rig.stop()
    assert all((rig.dir / log).exists() for log in logs)

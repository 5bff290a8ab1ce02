"""Programs that write numbered, checksummed lines as fast as they can, and a daemon that is asked meanwhile."""

import time
from collections.abc import Callable
from typing import NamedTuple

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.programs.check_lines import check, oldest_first


class Drained(NamedTuple):
    """What was measured."""

    lines: int
    wrong_lines: int
    """missing, torn, doubled or out of order"""
    grown_bytes: int
    """resident memory: the most seen while they wrote, less that of before"""
    status_s: list[float]
    """wall time of one-shot `status` calls meanwhile"""
    answer_s: list[float]
    """wall time of getAllProcessInfo on an open connection meanwhile"""


def measure(spammers: int, seconds: float) -> Drained:
    """Let the spammers write a line at a time for some seconds and look at everything meanwhile and after."""
    rig = Rig("tmd")
    try:
        rig.write(
            f"[program:spam]\ncommand={program('spam.py')} --seconds {seconds} --size 100\n"
            f"numprocs={spammers}\nprocess_name=spam%(process_num)d\nstartsecs=0\nautorestart=false\nautostart=false\n"
            "stdout_logfile={dir}/out%(process_num)d\nstdout_logfile_maxbytes=10MB\nstdout_logfile_backups=1000\n"
        )
        rig.start()
        before = world.figures(rig.daemon_pid).rss_bytes
        rig.rpc.supervisor.startProcessGroup("spam", False)
        began = time.monotonic()
        most, status_s, answer_s = before, [], []
        while time.monotonic() - began < seconds - 0.5:
            status_s.append(_timed(lambda: rig.ctl("status")))
            answer_s.append(_timed(rig.rpc.supervisor.getAllProcessInfo))
            most = max(most, world.figures(rig.daemon_pid).rss_bytes)
        rig.until_all("EXITED", deadline_s=60)
        reports = [check(oldest_first(rig.dir / f"out{n}")) for n in range(spammers)]
        rig.stop()
    finally:
        rig.close()
    lines = sum(report.count for report in reports)
    wrong = sum(report.missing + report.torn + report.doubled + report.misplaced for report in reports)
    wrong += sum(report.first != 0 for report in reports)
    return Drained(lines, wrong, most - before, status_s, answer_s)


def _timed(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began

"""How long a program that was killed is missed, with whatever alerts are configured."""

import os
import signal
import socket
import time

from tests.e2e.harness import Rig, program


def respawn_times(rig: Rig, rounds: int, alerts: str = "") -> list[float]:
    """Run a daemon, kill its program that many times, and return the seconds until each successor acts.

    `alerts` stands (indented) under `taskmaster:`. The daemon still runs afterwards.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(rig.dir / "ear"))
        ear.settimeout(30)
        rig.write_native(
            f"  web:\n    command: {program('stamp.py')} {{dir}}/ear\n    startsecs: 0\n    autorestart: true\n",
            daemon=alerts,
        )
        rig.start()
        pid, _ = _birth(ear)
        took_s = []
        for _ in range(rounds):
            rig.until("web", "RUNNING")
            killed_ns = time.monotonic_ns()
            os.kill(pid, signal.SIGKILL)
            pid, born_ns = _birth(ear)
            took_s.append((born_ns - killed_ns) / 1e9)
    return took_s


def _birth(ear: socket.socket) -> tuple[int, int]:
    pid, born_ns = ear.recv(100).split()
    return int(pid), int(born_ns)

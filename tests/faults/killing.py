"""A daemon that is killed again and again under load, and what has to hold each time."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.faults.crashing import kill
from tests.faults.reading import Reader

MAX_KB = 256
KEPT_BACKUPS = 4
"""not read in between: the newest ones may be in the middle of a rotation"""
TURNS = ("start", "stop", "reload", "write", "write", "begin")


class Killing:
    """`steady` programs that write and are never touched, and `busy` ones that are started, stopped and changed."""

    def __init__(self, rig: Rig, steady: int, busy: int, seed: int) -> None:
        self.rig, self.steady, self.busy = rig, steady, busy
        self.random = random.Random(seed)
        self.told: list[str] = []
        """what was going on at each kill"""
        self._version = 0
        self._logs = rig.dir / "logs"
        self._logs.mkdir()
        self.readers = {f"steady_{n:02d}": Reader(self._log(f"steady_{n:02d}")) for n in range(steady)}
        self.busy_readers = {f"busy_{n:02d}": Reader(self._log(f"busy_{n:02d}"), cut=True) for n in range(busy)}
        self._pids: dict[str, int] = {}

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def write(self) -> None:
        """Write a configuration; each time something is new in it about the busy programs."""
        self._version += 1
        common = f"""stdout_logfile: "{{dir}}/logs/%(program_name)s_%(process_num)02d.log"
    stdout_logfile_maxbytes: {MAX_KB}KB
    stdout_logfile_backups: 100000
    process_name: "%(program_name)s_%(process_num)02d"
"""
        self.rig.write_native(f"""
  steady:
    command: "{program("scribe.py")} --note {{dir}}/note"
    numprocs: {self.steady}
    {common}
  busy:
    command: "{program("scribe.py")} --rate 2000"
    numprocs: {self.busy if self._version % 3 else max(1, self.busy - 1)}
    startsecs: 0
    environment: {{VERSION: "{self._version % 2}"}}
    {common}
""")

    def begin(self) -> None:
        """Start the daemon, and with it all programs."""
        self.write()
        self.rig.start()
        self.rig.until_all("RUNNING", 60)
        self._pids = {name: self.rig.pid(f"steady:{name}") for name in self.readers}

    def kill(self) -> None:
        """Have something going on, and kill the daemon at some moment of it; then start it again, and look."""
        turn = self.random.choice(TURNS)
        rpc, delay_s = self.rig.rpc.supervisor, 0.0
        match turn:
            case "start":
                rpc.stopProcessGroup("busy")
                rpc.startProcessGroup("busy", False)
                delay_s = self.random.uniform(0, 0.03)
            case "stop":
                rpc.stopProcessGroup("busy", False)
                delay_s = self.random.uniform(0, 0.02)
            case "reload":
                self.write()
                os.kill(self.rig.daemon_pid, signal.SIGHUP)
                delay_s = self.random.uniform(0, 0.1)
            case "write":
                delay_s = self.random.uniform(0, 0.5)
            case "begin":
                self.end_daemon()
                self.rig.start(ready=False)
                delay_s = self.random.uniform(0, 0.4)
        time.sleep(delay_s)
        self.end_daemon()
        self.told.append(f"{turn} {delay_s:.4f}")
        for reader in (*self.readers.values(), *self.busy_readers.values()):
            reader.consume(KEPT_BACKUPS)
        self.look()
        self.rig.start()
        self.look()
        self.rig.rpc.supervisor.startProcessGroup("busy", False)

    def end_daemon(self) -> None:
        """Kill the daemon."""
        kill(self.rig)

    def look(self) -> None:
        """Check what is true at any time: nobody runs twice, and those that nobody has touched are who they were."""
        story = f"after {self.told[-1] if self.told else 'the start'}"
        there = Counter(name for name, _ in self._scribes())
        twice = [name for name, count in there.items() if count > 1]
        assert not twice, f"{story}: {twice} run more than once"
        steady = dict(self._scribes())
        assert {name: steady.get(name) for name in self._pids} == self._pids, f"{story}: somebody is not who it was"
        if self.rig.daemon is not None:
            infos = {info["name"]: info for info in self.rig.rpc.supervisor.getAllProcessInfo()}
            for name, pid in self._pids.items():
                assert (infos[name]["pid"], infos[name]["statename"]) == (pid, "RUNNING"), f"{story}: {infos[name]}"

    def _scribes(self) -> list[tuple[str, int]]:
        found = []
        for pid in self.rig.processes():
            if pid != self.rig.daemon_pid and "scribe.py" in world.command(pid) and world.alive(pid):
                environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                name = next(each for each in environment if each.startswith(b"SUPERVISOR_PROCESS_NAME="))
                found.append((name.partition(b"=")[2].decode(), pid))
        return found

    def finish(self) -> None:
        """Stop everything, and check all that was ever written."""
        self.rig.stop(60)
        last = {int(pid): int(number) for pid, number in map(str.split, self.rig.text("note").splitlines())}
        for name, reader in self.readers.items():
            reader.finish()
            pid = self._pids[name]
            assert {each: number for each, number in reader.lives.items() if each} == {pid: last[pid]}, name
        for reader in self.busy_readers.values():
            reader.finish()

"""Upgrades of a daemon under load: who asks it all the time, what it runs, and what has to hold after each."""

import http.client
import random
import re
import signal
import threading
import time
import xmlrpc.client
from functools import partial
from pathlib import Path
from typing import Any

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.wire import UnixConnection
from tests.faults.reading import Reader

LATE_S = 60.0
CODES = (0, 3, 77, 255)


def upgraded(rig: Rig, times: int = 1) -> None:
    """Upgrade so often, and wait each time until the new daemon answers."""
    for _ in range(times):
        before = rig.rpc.taskmaster.upgrade()["upgrades"]
        rig.wait(partial(_is_after, rig, before), LATE_S, "the new one")


def _is_after(rig: Rig, upgrades: int) -> bool:
    return int(rig.rpc.taskmaster.getFigures()["upgrades"]) > upgrades


def until_rest(rig: Rig) -> None:
    """Wait until the daemon opens and closes nothing for a while."""
    seen: list[int] = []

    def rests() -> bool:
        seen.append(world.descriptors(rig.daemon_pid))
        return len(seen) > 50 and len(set(seen[-50:])) == 1

    rig.wait(rests, LATE_S, "the daemon is at rest")


def gaps_ms(rig: Rig) -> list[int]:
    """Return how long each upgrade kept everybody waiting, as the log tells."""
    return [int(found[1]) for line in rig.lines("^upgraded from") if (found := re.search(r"in ([0-9]+) ms", line.text))]


class Client:
    """One that asks and asks over one kept connection, and has a program of its own that it starts and stops."""

    def __init__(self, socket: Path, name: str) -> None:
        self.socket, self.name = socket, name
        self.asked = self.again = 0
        self.wrong: list[str] = []
        self.longest_s = 0.0
        self.doing = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join(LATE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        connection = UnixConnection(str(self.socket), LATE_S)
        turns = random.Random(self.name)
        try:
            while not self._ending.is_set():
                self._turn(connection, turns)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as why:
            self.wrong.append(f"{self.name}: {self.doing}: {why!r}")
        finally:
            connection.close()

    def _turn(self, connection: UnixConnection, turns: random.Random) -> None:
        match turns.randrange(6):
            case 0:
                self._expect(connection, lambda state: state["statename"] == "RUNNING", "supervisor.getState")
            case 1:
                self._expect(connection, len, "supervisor.getAllProcessInfo")
            case 2:
                self._expect(connection, bool, "supervisor.getProcessInfo", self.name)
            case 3:
                self._expect(connection, bool, "taskmaster.restartProcesses", [self.name], True)
                self._expect(connection, lambda done: done is True, "supervisor.stopProcess", self.name)
            case _:
                self._expect(connection, lambda done: done is True, "supervisor.startProcess", self.name)
                self._expect(connection, lambda done: done is True, "supervisor.stopProcess", self.name)

    def _expect(self, connection: UnixConnection, right: Any, method: str, *params: Any) -> None:
        began = time.monotonic()
        self.doing = f"{method}{params}"
        answer = self._call(connection, method, params)
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        self.asked += 1
        if not right(answer):
            self.wrong.append(f"{self.name}: {method}{params} -> {answer!r}")

    def _call(self, connection: UnixConnection, method: str, params: tuple[Any, ...]) -> Any:
        while True:
            connection.request("POST", "/RPC2", xmlrpc.client.dumps(params, method), {"Content-Type": "text/xml"})
            response = connection.getresponse()
            body = response.read()
            if response.status == 503 and response.headers["Retry-After"]:
                self.again += 1
                continue
            if response.status != 200:
                raise http.client.HTTPException(f"{method}: {response.status} {response.reason}")
            return xmlrpc.client.loads(body)[0][0]


class Load:
    """`steady` programs that write (at full speed, or so many lines a second), some that end, `clients` that ask."""

    def __init__(self, rig: Rig, *, steady: int, clients: int, rate: int = 0) -> None:
        self.rig, self._clients = rig, clients
        logs = rig.dir / "logs"
        logs.mkdir()
        self.readers = {f"steady_{n:02d}": Reader(logs / f"steady_{n:02d}.log") for n in range(steady)}
        common = "stdout_logfile_maxbytes: 4MB, stdout_logfile_backups: 100000"
        ends = {
            code: f"{program('exits.py')} {code} --first 1000000 {rig.dir}/lives_{code} --after 0.1" for code in CODES
        }
        enders = "".join(
            f"  end_{code}: {{command: '{command}', startsecs: 0, autorestart: always}}\n"
            for code, command in ends.items()
        )
        owned = "".join(
            f"  client_{n:02d}: {{command: sleep 1000, autostart: no, startsecs: 0.2}}\n" for n in range(clients)
        )
        rig.write_native(f"""
  steady:
    command: "{program("scribe.py")} --note {{dir}}/note{f" --rate {rate}" if rate else ""}"
    numprocs: {steady}
    process_name: "%(program_name)s_%(process_num)02d"
    stdout_logfile: "{{dir}}/logs/%(program_name)s_%(process_num)02d.log"
    {common.replace(", ", chr(10) + "    ")}
{enders}{owned}""")
        rig.start()
        self.pids = {name: self._running(f"steady:{name}") for name in self.readers}
        self.clients = [Client(rig.socket, f"client_{n:02d}") for n in range(clients)]

    def _running(self, name: str) -> int:
        return int(self.rig.until(name, "RUNNING", deadline_s=LATE_S)["pid"])

    def look(self) -> None:
        """Check that every steady program is who it was, and nobody has met an error."""
        gone = [name for name, pid in self.pids.items() if not world.alive(pid)]
        assert not gone, f"gone: {gone}"
        infos = {f"{each['group']}:{each['name']}": each for each in self.rig.rpc.supervisor.getAllProcessInfo()}
        for name, pid in self.pids.items():
            info = infos[f"steady:{name}"]
            assert (info["pid"], info["statename"]) == (pid, "RUNNING"), info
        wrong = [text for client in self.clients for text in client.wrong]
        assert not wrong, wrong

    def consume(self) -> None:
        """Check and throw away what was written so far, while nobody rotates."""
        world.kill(self.rig.daemon_pid, signal.SIGSTOP)
        try:
            self.rig.wait(partial(world.stopped, self.rig.daemon_pid), LATE_S)
            for reader in self.readers.values():
                reader.consume(4)
        finally:
            world.kill(self.rig.daemon_pid, signal.SIGCONT)

    def finish(self) -> None:
        """End it all, and check what was written and how everything has ended."""
        for client in self.clients:
            client.end()
        wrong = [text for client in self.clients for text in client.wrong]
        assert not wrong, wrong
        assert all(client.asked for client in self.clients)
        starts = {each["name"]: each["starts"] for each in self.rig.rpc.taskmaster.getGauges()}
        assert all(starts[f"steady:{name}"] == 1 for name in self.pids), "somebody was started a second time"
        for code in CODES:
            self.rig.rpc.supervisor.stopProcess(f"end_{code}")
            self._check_ends(code)
        self.rig.stop(LATE_S)
        last = {int(pid): int(number) for pid, number in map(str.split, self.rig.text("note").splitlines())}
        for name, reader in self.readers.items():
            reader.finish()
            lives = {each: number for each, number in reader.lives.items() if each}
            assert lives == {self.pids[name]: last[self.pids[name]]}, name

    def _check_ends(self, code: int) -> None:
        """Check that every life of a program was counted once, with the very status it ended with."""
        name = f"end_{code}"
        lives = len(self.rig.text(f"lives_{code}"))
        (starts,) = self._metric("starts", name).values()
        exits = {kind: count for kind, count in self._metric("exits", name).items() if count}
        assert 0 <= starts - lives <= 1, (
            f"{name}: {starts} starts, {lives} lives: the last one may not have come so far"
        )
        assert sum(exits.values()) == starts, f"{name}: {starts} starts, {exits}"
        assert exits.pop("stopped", 0) <= 1
        assert set(exits) == {"unexpected" if code else "expected"}, f"{name}: {exits}"
        ends = self.rig.rpc.taskmaster.why(name, 0)[0]["ends"]
        assert {end["code"] for end in ends if end["how"] == "exited"} == {code}, ends

    def _metric(self, what: str, name: str) -> dict[str, int]:
        connection = UnixConnection(str(self.rig.socket), LATE_S)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        found = re.findall(rf'^tmd_process_{what}_total\{{(.*process="{name}".*)\}} ([0-9]+)$', text, re.MULTILINE)
        return {"".join(re.findall('kind="([a-z]+)"', labels)): int(count) for labels, count in found}

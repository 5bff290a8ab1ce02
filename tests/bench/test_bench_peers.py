"""What pm2, runit and s6 are configured with and how their answers are read; nothing is fetched, none is started."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.subjects import debian, runit, s6, services
from bench.subjects.axon import Axon, Refused, encode
from bench.subjects.base import Ability, Plan, Program, Unavailable
from bench.subjects.pm2 import Pm2
from bench.subjects.runit import Runit
from bench.subjects.s6 import S6
from bench.subjects.waiting import until, wait_gone

ANN = Program("ann", ("/bin/sleep", "a day"), startsecs=2)
BOB = Program("bob", ("/bin/true",), autostart=False, startsecs=0, logged=True)
HERE = debian.Tools("1.0", None, None)


def runit_status(pid: int, wanted: bytes, state: int) -> bytes:
    return bytes(12) + struct.pack("<I?c?B", pid, False, wanted, False, state)


def s6_status(pid: int, flags: int) -> bytes:
    return bytes(24) + struct.pack(">QQHB", pid, pid, 0, flags)


class TestPm2IsGiven:
    def apps(self, home: Path, plan: Plan) -> dict[str, Any]:
        Pm2(home).write(plan)
        told = json.loads((home / "ecosystem.json").read_text())
        return {app["name"]: app for app in told["apps"]}

    def test_the_command_as_it_is(self, tmp_path: Path) -> None:
        ann = self.apps(tmp_path, Plan((ANN,)))["ann"]
        assert (ann["script"], ann["args"]) == ("/bin/sleep", ["a day"])
        assert (ann["interpreter"], ann["exec_mode"]) == ("none", "fork")
        assert ann["out_file"] == "/dev/null"

    def test_its_own_limits_of_restarts_where_the_program_has_to_live(self, tmp_path: Path) -> None:
        apps = self.apps(tmp_path, Plan((ANN, BOB)))
        assert apps["ann"]["min_uptime"] == 2000
        assert "max_restarts" not in apps["ann"]
        assert "min_uptime" not in apps["bob"]
        assert apps["bob"]["max_restarts"] > 1_000_000

    def test_no_limit_of_restarts_for_crash_cycles(self, tmp_path: Path) -> None:
        assert self.apps(tmp_path, Plan((ANN,), backoff=False))["ann"]["max_restarts"] > 1_000_000

    def test_what_it_need_not_start(self, tmp_path: Path) -> None:
        apps = self.apps(tmp_path, Plan((ANN, BOB)))
        assert [apps["ann"]["autostart"], apps["bob"]["autostart"]] == [True, False]

    def test_no_reason_to_look_for_newer_versions(self, tmp_path: Path) -> None:
        self.apps(tmp_path, Plan(()))
        assert (tmp_path / "pm2/touch").exists()


class TestServiceDirectories:
    @pytest.fixture(autouse=True)
    def tools_are_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian.Tools, "path", lambda _, name: f"/usr/bin/{name}")
        monkeypatch.setattr(runit, "_tools", lambda: HERE)
        monkeypatch.setattr(s6, "_tools", lambda: HERE)

    @pytest.mark.parametrize("kind", [Runit, S6])
    def test_run_the_command_as_it_is(self, tmp_path: Path, kind: type[Runit | S6]) -> None:
        kind(tmp_path).write(Plan((ANN,)))
        script = tmp_path / "services/ann/run"
        assert script.read_text() == "#!/bin/sh\nexec /bin/sleep 'a day' >/dev/null\n"
        assert os.access(script, os.X_OK)
        assert not (tmp_path / "services/ann/log").exists()

    @pytest.mark.parametrize("kind", [Runit, S6])
    def test_keep_down_what_is_not_to_be_started(self, tmp_path: Path, kind: type[Runit | S6]) -> None:
        kind(tmp_path).write(Plan((ANN, BOB)))
        assert [(tmp_path / "services" / name / "down").exists() for name in ("ann", "bob")] == [False, True]

    @pytest.mark.parametrize("kind", [Runit, S6])
    def test_hold_what_was_written_last(self, tmp_path: Path, kind: type[Runit | S6]) -> None:
        subject = kind(tmp_path)
        subject.write(Plan((ANN, BOB)))
        subject.write(Plan((BOB,)))
        assert sorted(path.name for path in (tmp_path / "services").iterdir()) == ["bob"]

    def test_tell_svlogd_how_much_to_keep(self, tmp_path: Path) -> None:
        Runit(tmp_path).write(Plan((BOB,), log_max_bytes=5000, log_backups=3))
        assert (tmp_path / "services/bob/run").read_text().endswith("exec /bin/true\n")
        assert (tmp_path / "services/bob/log/run").read_text() == "#!/bin/sh\nexec /usr/bin/svlogd main\n"
        assert (tmp_path / "services/bob/log/main/config").read_text() == "s5000\nn3\n"

    @pytest.mark.parametrize(("size", "told"), [(5000, "s5000"), (1 << 40, "s268435455")])
    def test_tell_s6_log_how_much_to_keep(self, tmp_path: Path, size: int, told: str) -> None:
        S6(tmp_path).write(Plan((BOB,), log_max_bytes=size, log_backups=3))
        assert (tmp_path / "services/bob/log/run").read_text() == f"#!/bin/sh\nexec /usr/bin/s6-log n3 {told} ./main\n"

    def test_do_not_exhaust_the_pids(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match=r"40,000,000 processes \(kernel\.pid_max is"):
            services.need_processes(40_000_000)

    def test_logs_are_named_in_the_order_they_were_written_in(self, tmp_path: Path) -> None:
        logs = tmp_path / "services/bob/log/main"
        logs.mkdir(parents=True)
        for name in ("current", "@4000000052c0ffee.s", "@4000000052c0ffed.s", "lock", "config"):
            (logs / name).touch()
        named = [path.name for path in services.log_files(tmp_path / "services", "bob")]
        assert named == ["@4000000052c0ffed.s", "@4000000052c0ffee.s", "current"]


class TestStatusFiles:
    def test_of_runit(self) -> None:
        assert runit._up(runit_status(70_000, b"u", 1))
        assert not runit._up(runit_status(0, b"u", 0))
        assert not runit._up(runit_status(70_000, b"d", 1))
        assert runit._down(runit_status(0, b"d", 0))
        assert not runit._down(runit_status(0, b"u", 0))
        assert not runit._down(runit_status(70_000, b"d", 1))
        assert not runit._down(runit_status(70_000, b"d", 2))

    def test_of_s6(self) -> None:
        assert s6._up(s6_status(70_000, 4))
        assert not s6._up(s6_status(0, 4))
        assert not s6._up(s6_status(70_000, 0))
        assert s6._down(s6_status(0, 0))
        assert not s6._down(s6_status(0, 4))
        assert not s6._down(s6_status(70_000, 0))


class TestControl:
    def test_sends_the_letter_and_waits_for_the_status(self, tmp_path: Path) -> None:
        place = tmp_path / "ann/supervise"
        place.mkdir(parents=True)
        os.mkfifo(place / "control")
        (place / "status").write_bytes(b"old")
        fifo = os.open(place / "control", os.O_RDWR)
        try:
            heard = []

            def obey() -> None:
                heard.append(os.read(fifo, 10))
                (place / "status").write_bytes(b"new")

            thread = threading.Thread(target=obey)
            thread.start()
            services.control(tmp_path, ["ann"], b"d", lambda status: status == b"new")
            thread.join()
            assert heard == [b"d"]
            assert services.supervised(tmp_path / "ann", "control")
        finally:
            os.close(fifo)
        assert not services.supervised(tmp_path / "ann", "control")

    def test_says_that_nobody_listens(self, tmp_path: Path) -> None:
        (tmp_path / "ann/supervise").mkdir(parents=True)
        os.mkfifo(tmp_path / "ann/supervise/control")
        with pytest.raises(OSError, match="control"):
            services.control(tmp_path, ["ann"], b"d", bool)


class Daemon:
    """Answers like pm2: as many calls as were agreed are read before they are answered, the last one first."""

    def __init__(self, path: Path, batches: tuple[int, ...]) -> None:
        self.heard: list[Any] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, args=(batches,))
        self._thread.start()

    def _serve(self, batches: tuple[int, ...]) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as stream:
            for batch in batches:
                calls = [self._read(stream) for _ in range(batch)]
                for call, of in reversed(calls):
                    self.heard.append((call["method"], call["args"]))
                    answer: dict[str, Any] = {"args": [call["args"][0], "more"]}
                    if call["method"] == "fail":
                        answer = {"error": "no such id", "stack": "at God"}
                    data = encode((b"j:" + json.dumps(answer).encode(), of))
                    connection.sendall(data[:3])
                    connection.sendall(data[3:])

    def _read(self, stream: Any) -> tuple[Any, bytes]:
        assert stream.read(1) == b"\x12"
        parts = [stream.read(struct.unpack(">I", stream.read(4))[0]) for _ in range(2)]
        return json.loads(parts[0][2:]), parts[1]

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


class TestCallsToPm2:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Iterator[Path]:
        # A socket's path is short, tmp_path is not always.
        before = Path.cwd()
        os.chdir(tmp_path)
        yield Path("rpc.sock")
        os.chdir(before)

    def test_one(self, path: Path) -> None:
        daemon = Daemon(path, (1,))
        axon = Axon(path)
        assert axon.call("ping", {"a": "é"}) == {"a": "é"}
        axon.close()
        daemon.close()
        assert daemon.heard == [("ping", [{"a": "é"}])]

    def test_many_at_a_time_answered_in_any_order(self, path: Path) -> None:
        daemon = Daemon(path, (2, 1, 1, 1))
        axon = Axon(path)
        assert sorted(axon.calls("stop", [7, 8, 9, 10, 11], 2)) == [7, 8, 9, 10, 11]
        axon.close()
        daemon.close()
        assert len(daemon.heard) == 5

    def test_an_error_is_raised(self, path: Path) -> None:
        daemon = Daemon(path, (1,))
        axon = Axon(path)
        with pytest.raises(Refused, match="cannot fail: no such id"):
            axon.call("fail", 1)
        axon.close()
        daemon.close()

    def test_nobody_listens(self, path: Path) -> None:
        with pytest.raises(TimeoutError, match=r"something listens on rpc\.sock"):
            Axon(path, timeout_s=0.01)

    def test_the_daemon_goes(self, path: Path) -> None:
        daemon = Daemon(path, ())
        axon = Axon(path)
        with pytest.raises(OSError, match=r"closed the connection|reset|Broken pipe"):
            axon.call("ping", {})
        axon.close()
        daemon.close()


class TestPrograms:
    def test_of_the_system_are_taken_when_it_has_them(self) -> None:
        found = debian.tools("coreutils", ("ls", "env"))
        assert found.bin is None
        assert found.libraries is None
        assert Path(found.path("ls")).is_absolute()

    def test_that_are_nowhere_are_named(self) -> None:
        with pytest.raises(Unavailable, match="cannot find no-such-program"):
            HERE.path("no-such-program")

    def test_from_the_cache_come_first_and_bring_their_libraries(self, tmp_path: Path) -> None:
        (tmp_path / "ls").touch(mode=0o755)
        fetched = debian.Tools("1.0", tmp_path, tmp_path / "lib")
        assert fetched.path("ls") == str(tmp_path / "ls")
        assert fetched.environment()["LD_LIBRARY_PATH"] == str(tmp_path / "lib")
        assert "LD_LIBRARY_PATH" not in HERE.environment()

    @pytest.mark.parametrize(
        ("depends", "libraries"),
        [
            (
                "libc6 (>= 2.34), libexecline2.9 (>= 2.9.0.0), libs6-2.11 (>= 2.11.2.0)",
                ["libexecline2.9", "libs6-2.11"],
            ),
            ("runit-helper (>= 2.14.0~), sysuser-helper (>= 1.3.3), libc6", []),
            ("liba1 (>= 1) | libb2, libgcc-s1", ["liba1"]),
            ("", []),
        ],
    )
    def test_need_the_libraries_their_package_names(self, depends: str, libraries: list[str]) -> None:
        assert debian._libraries(depends) == libraries

    def test_cannot_be_fetched_without_apt(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        with pytest.raises(Unavailable, match="cannot fetch runit: this is no Debian, apt-get is missing"):
            debian.tools("runit", ("runsvdir",))
        assert not list((tmp_path / "taskmaster-bench").glob("runit*"))


class TestNode:
    def node(self, place: Path, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
        if says:
            (place / "node").write_text(f"#!/bin/sh\necho {says}\n")
            (place / "node").chmod(0o755)
        monkeypatch.setenv("PATH", str(place))
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))

    @pytest.mark.parametrize(
        ("says", "why"),
        [("", "node is not there"), ("v16.1.0", r"node is v16\.1\.0 \(needs 18"), ("v20.1.0", "npm is not")],
    )
    def test_is_new_enough_and_has_npm_or_pm2_is_left_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, why: str
    ) -> None:
        self.node(tmp_path, says, monkeypatch)
        from bench.subjects import pm2

        pm2._client.cache_clear()
        try:
            with pytest.raises(Unavailable, match=why):
                Pm2.version()
        finally:
            pm2._client.cache_clear()


class TestWaiting:
    def test_ends_as_soon_as_it_is_so(self) -> None:
        answers = iter([False, False, True])
        until(lambda: next(answers), 5.0, "it is so")

    def test_ends_when_it_is_never_so(self) -> None:
        with pytest.raises(TimeoutError, match=r"not within 0\.01 s: it is so"):
            until(lambda: False, 0.01, "it is so")

    def test_for_processes_of_others(self) -> None:
        with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as child:
            with pytest.raises(TimeoutError, match="still runs"):
                wait_gone([child.pid], 0.0)
            child.communicate(b"\n")
        wait_gone([child.pid], 0.0)


def test_what_they_cannot_do_is_not_claimed() -> None:
    assert Ability.LOGS not in Pm2.abilities
    assert Ability.RPC not in Runit.abilities | S6.abilities
    assert Ability.STATUS not in S6.abilities
    assert Ability.RELOAD not in Pm2.abilities | Runit.abilities | S6.abilities

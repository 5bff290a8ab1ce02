"""Log drain: what the measurements make of output that arrives, arrives late, or does not arrive whole."""

import subprocess
from pathlib import Path

import pytest

from bench.measurements import draining, lines, logs, memory, running
from bench.subjects.base import Ability, Program, Rpc, Subject, Unavailable
from tests.bench.fakes import Bare, Fake, FakeRpc

SPAM = draining.Spam(children=2, total_bytes=64 * 1024, line_bytes=64, write_bytes=4096)
ALL = {"speed_2", "cpu_2", "answer_2", "wrong_2"}


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_REST_S", 0.0)
    monkeypatch.setattr(memory, "_PERIOD_S", 0.0)
    monkeypatch.setattr(draining, "_STUCK_S", 0.1)
    monkeypatch.setattr(draining, "_ASK_EVERY_S", 0.0001)


@pytest.mark.parametrize("write_bytes", [4096, 0])
def test_output_that_arrives_whole(tmp_path: Path, write_bytes: int) -> None:
    spam = draining.Spam(2, 256 * 1024, 64, write_bytes)
    found = spam.measure(Fake, tmp_path / "h", quick=False)
    assert {*found} <= ALL
    assert found["wrong_2"] == [0.0]
    assert found["speed_2"][0] > 0
    assert all(answer_ms >= 0 for answer_ms in found.get("answer_2", ()))
    assert {path.name for path in (tmp_path / "h").iterdir()} == {"stamps", "go"}  # the logs are gone


class Filtered(Fake):
    """Sends the output through a program before it is in the file."""

    through = ("sed", "-u", "100d")

    def spawn(self, program: Program) -> None:
        with (self.home / program.name).open("wb") as out:
            sieve = subprocess.Popen(self.through, stdin=subprocess.PIPE, stdout=out)
        self.children[f"{program.name} sieve"] = sieve
        assert sieve.stdin is not None
        with sieve.stdin as pipe:
            self.children[program.name] = subprocess.Popen(program.argv, stdin=subprocess.DEVNULL, stdout=pipe)
        self.running[program.name] = program


class Tearing(Filtered):
    through = ("sed", "-u", "100s/.$//")


class CuttingOff(Filtered):
    through = ("sed", "-u", "501,$d")


@pytest.mark.parametrize(("kind", "wrong"), [(Filtered, 2), (Tearing, 4), (CuttingOff, 2 * 12)])
def test_lines_that_do_not_arrive_are_counted(kind: type[Subject], wrong: int, tmp_path: Path) -> None:
    # 512 lines each; a torn one is missing too.
    assert SPAM.measure(kind, tmp_path / "h", quick=False)["wrong_2"] == [float(wrong)]


def test_who_cannot_be_asked_is_not_asked(tmp_path: Path) -> None:
    class Silent(Bare):
        abilities = frozenset({Ability.LOGS})

    assert {*SPAM.measure(Silent, tmp_path / "h", quick=True)} == ALL - {"answer_2"}


def test_an_answer_that_fails_is_told(tmp_path: Path) -> None:
    class Once(FakeRpc):
        asked = False

        def state(self, name: str | None = None) -> str:
            if self.asked:
                raise TimeoutError("no answer")
            self.asked = True
            return "RUNNING"

    class Busy(Filtered):
        through = ("sed", "-u", "s/a/a/")

        def rpc(self) -> Rpc:
            return Once(())

    with pytest.raises(TimeoutError, match="no answer"):
        SPAM.measure(Busy, tmp_path / "h", quick=False)


def test_a_full_disk_is_said_before(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot write logs below"):
        running.need_room(tmp_path, 1 << 60)


def test_quick_is_a_tenth_in_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bool]] = []

    def measure(self: draining.Spam, kind: type[Subject], home: Path, quick: bool) -> dict[str, list[float]]:
        asked.append((self.children, quick))
        return {f"speed_{self.children}": [1.0]}

    monkeypatch.setattr(draining.Spam, "measure", measure)
    assert {*logs.Logs().turn(Fake, tmp_path, quick=True)} == {"speed_1", "speed_50"}
    assert {*lines.Lines().turn(Fake, tmp_path, quick=False)} == {"speed_1", "speed_8"}
    assert asked == [(1, True), (50, True), (1, False), (8, False)]


def test_each_program_rotates_twice_at_least() -> None:
    for measurement in (logs.Logs, lines.Lines):
        for spam in (measurement.one, measurement.many):
            assert spam.total_bytes / spam.children / spam.file_bytes > 2


def test_every_promise_is_about_a_figure() -> None:
    for measurement in (logs.Logs, lines.Lines):
        keys = {figure.key for figure in measurement.figures}
        assert {promise.figure for promise in measurement.promises} <= keys

"""The gate: what it lets through, and that tmd passes it."""

import subprocess
from pathlib import Path
from typing import ClassVar

import pytest

from bench import gate
from bench.catalogue import Catalogue
from bench.measurements.base import Figure, Promise, Samples
from bench.subjects.base import Subject
from tests.bench.fake_runs import ORDER, Times

ROOT = Path(__file__).resolve().parents[2]


class Fast(Times):
    key: ClassVar[str] = "fast"
    promises: ClassVar[tuple[Promise, ...]] = (Promise("took", 2.0, "limit"),)
    rounds: ClassVar[int] = 1


class Moody(Times):
    """Takes tmd long, as often as the file of the order has no such line yet."""

    key: ClassVar[str] = "moody"
    figures: ClassVar[tuple[Figure, ...]] = (Figure("took", "something", "ms"),)
    promises: ClassVar[tuple[Promise, ...]] = (Promise("took", 2.0, "limit"),)
    rounds: ClassVar[int] = 1
    bad: ClassVar[int] = 1

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        found = super().turn(kind, home, quick)
        if kind.name == "limit":
            return {"took": found["took"]}
        times = Path(home.parent.parent / "moods")
        with times.open("a+", encoding="utf-8") as moods:
            moods.write("x")
            moods.seek(0)
            return {"took": [100.0 if len(moods.read()) <= self.bad else 2.0]}


class Worse(Moody):
    bad: ClassVar[int] = 9


class Failing(Moody):
    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        if kind.name == "limit":
            raise RuntimeError("no loop")
        return {"took": [1.0]}


GOOD = (Fast(),)
MOODY = (Fast(), Moody())
WORSE = (Fast(), Worse())
FAILING = (Failing(),)


@pytest.mark.parametrize(
    ("measurements", "code", "turns", "said"),
    [
        ("GOOD", 0, 2, "fast: from here to there: 2 ms: held (at most 2 times limit's 1.50 ms, so 3 ms)"),
        ("MOODY", 0, 6, "moody: something: 100 ms: not held (at most 2 times limit's 1.50 ms, so 3 ms)"),
        ("WORSE", 1, 6, "tmd has become slow, or this machine is in trouble: something"),
        ("FAILING", 1, 0, "moody: something: 1 ms: not measured (limit: round 1: RuntimeError: no loop)"),
    ],
)
def test_what_fails_is_measured_once_more(
    measurements: str, code: int, turns: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = tmp_path / "order"
    monkeypatch.setenv(ORDER, str(order))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lines: list[str] = []
    here = "tests.bench.test_bench_gate"
    catalogue = Catalogue(f"{here}:{measurements}", "tests.bench.fake_runs:KINDS")
    assert gate.main(lines.append, catalogue) == code
    assert said in lines
    assert len(order.read_text(encoding="utf-8").split() if order.exists() else ()) == turns


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_tmd_is_not_far_from_a_bare_loop(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "bench" / "run", "--gate"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr

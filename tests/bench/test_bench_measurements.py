"""Measurements with a supervisor that does as it should, and with ones that do not."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from bench.measurements import ALL, cycles, reach, scale, storm
from bench.measurements.base import Measurement
from bench.measurements.control import Control
from bench.measurements.crash import Crash
from bench.measurements.cycles import Cycles
from bench.measurements.reach import Reach
from bench.measurements.running import Broken, gone
from bench.measurements.scale import Scale
from bench.measurements.slow_stop import SlowStop
from bench.measurements.storm import Storm
from bench.stamping import helper
from bench.subjects import KINDS
from bench.subjects.base import Plan, Subject, Unavailable
from bench.wording import HERO, LIMIT
from tests.bench.keeper import Keeper


@pytest.fixture(autouse=True)
def compiled() -> None:
    try:
        helper()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper needs no time to come to rest."""
    for name in ("crash", "storm", "scale", "slow_stop", "control", "cycles", "reach"):
        monkeypatch.setattr(f"bench.measurements.{name}.settle", lambda seconds: None)


def kind(**changes: object) -> type[Subject]:
    return type("Changed", (Keeper,), changes)


class TestEachOfThem:
    def test_has_a_key_of_its_own(self) -> None:
        assert len({measurement.key for measurement in ALL}) == len(ALL)

    @pytest.mark.parametrize("measurement", ALL, ids=lambda measurement: measurement.key)
    def test_spares_only_who_is_there(self, measurement: Measurement) -> None:
        assert measurement.spared.keys() <= KINDS.keys() - {HERO, LIMIT}

    @pytest.mark.parametrize("measurement", ALL, ids=lambda measurement: measurement.key)
    def test_promises_only_what_it_yields(self, measurement: Measurement) -> None:
        figures = [figure.key for figure in measurement.figures]
        assert len(set(figures)) == len(figures)
        assert {promise.figure for promise in measurement.promises} <= set(figures)

    @pytest.mark.parametrize(
        ("measurement", "keys"),
        [
            (Crash(), {"respawn"}),
            (Storm(), {"back_100"}),
            (Scale(), {"first_10", "up_10", "stop_10", "first_100", "up_100", "stop_100"}),
            (SlowStop(), {"stop_3"}),
            (Control(), {"stop_1", "start_1", "stop_100", "start_100"}),
            (Cycles(), {"cpu", "rate", "descriptors", "written"}),
            (Reach(), {"came_400"}),
        ],
        ids=lambda given: getattr(given, "key", None),
    )
    @pytest.mark.usefixtures("hurried")
    def test_yields_figures_that_it_names_and_leaves_nothing(
        self, measurement: Measurement, keys: set[str], tmp_path: Path
    ) -> None:
        samples = measurement.turn(Keeper, tmp_path, quick=True)
        assert set(samples) == keys
        assert keys <= {figure.key for figure in measurement.figures}
        assert all(value >= 0 for values in samples.values() for value in values)
        assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.usefixtures("hurried")
class TestCrash:
    def test_kills_each_program_once(self, tmp_path: Path) -> None:
        took_ms = Crash().turn(Keeper, tmp_path, quick=True)["respawn"]
        assert len(took_ms) == 10
        assert all(0 < took < 10_000 for took in took_ms)

    def test_is_not_told_a_time_when_two_come_for_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench.measurements.crash.settle", time.sleep)
        with pytest.raises(Broken, match=r"p[0-9]+ was killed, but p[0-9]+"):
            Crash().turn(kind(twice=True), tmp_path, quick=True)


@pytest.mark.usefixtures("hurried")
class TestStorm:
    def test_counts_nobody_back_for_another(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(storm, "_QUICK_PROGRAMS", 10)
        with pytest.raises(Broken, match="of 10 killed programs started more than once"):
            Storm().turn(kind(twice=True), tmp_path, quick=True)


@pytest.mark.usefixtures("hurried")
class TestScale:
    def test_spares_one_the_thousand(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scale, "_QUICK_SIZES", (2,))
        monkeypatch.setattr(scale, "_SIZES", (2, 3))
        assert set(Scale().turn(kind(name="pm2"), tmp_path, quick=False)) == {"first_2", "up_2", "stop_2"}
        assert len(Scale().turn(Keeper, tmp_path, quick=False)) == 6


@pytest.mark.usefixtures("hurried")
class TestSlowStop:
    def test_takes_the_seconds_that_the_programs_need(self, tmp_path: Path) -> None:
        (took_s,) = SlowStop().turn(Keeper, tmp_path, quick=True)["stop_3"]
        assert took_s >= 1.0


@pytest.mark.usefixtures("hurried")
class TestControl:
    def test_names_the_one_and_leaves_all_unnamed(self, tmp_path: Path) -> None:
        asked: list[tuple[str, tuple[str, ...]]] = []
        samples = Control().turn(kind(asked=asked), tmp_path, quick=True)
        assert asked == [("stop", ("p0",)), ("start", ("p0",))] * 5 + [("stop", ()), ("start", ())]
        assert [len(samples[key]) for key in ("stop_1", "start_1", "stop_100", "start_100")] == [5, 5, 1, 1]


@pytest.mark.usefixtures("hurried")
class TestCycles:
    def test_tells_the_growth_only_of_the_whole_number(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cycles, "_CYCLES", 120)
        samples = Cycles().turn(Keeper, tmp_path, quick=False)
        assert set(samples) == {"cpu", "rate", "rss", "descriptors", "written"}
        assert samples["written"] == [0.0]
        assert samples["descriptors"] == [0.0]

    def test_ends_when_it_has_been_long_enough(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cycles, "_SEEN_S", 0.0)
        monkeypatch.setattr(cycles, "_WITHIN_S", 0.0)
        assert set(Cycles().turn(Keeper, tmp_path, quick=False)) == {"cpu", "rate", "descriptors", "written"}


@pytest.mark.usefixtures("hurried")
class TestReach:
    @pytest.fixture(autouse=True)
    def smaller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("_QUICK_DEFAULT", 30), ("_DEFAULT", 40), ("_MANY", 60), ("_CONFIGURED", 80)):
            monkeypatch.setattr(reach, name, value)
        monkeypatch.setattr(reach, "_QUIET_S", 0.2)

    def test_yields_all_of_it(self, tmp_path: Path) -> None:
        samples = Reach().turn(Keeper, tmp_path, quick=False)
        assert set(samples) == {"came_40", "came_60", "up_60", "gone_60", "ready_80", "status_80", "rss_80"}
        assert samples["came_60"] == [60.0]

    @pytest.mark.parametrize("name", ["circus", "pm2", "runit", "s6"])
    def test_spares_those_who_would_take_minutes(self, name: str, tmp_path: Path) -> None:
        assert set(Reach().turn(kind(name=name), tmp_path, quick=False)) == {"came_40"}
        assert name in Reach().spared

    def test_tells_how_many_came_up(self, tmp_path: Path) -> None:
        samples = Reach().turn(kind(room=20, abilities=frozenset()), tmp_path, quick=False)
        assert samples == {"came_40": [20.0], "came_60": [20.0]}

    def test_leaves_out_who_does_not_answer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reach, "_ANSWERS_WITHIN_S", 0.0)
        samples = Reach().turn(kind(ready=lambda self: False), tmp_path, quick=False)
        assert not {"ready_80", "status_80", "rss_80"} & set(samples)

    def test_wants_the_last_program_in_the_status(self, tmp_path: Path) -> None:
        with pytest.raises(Broken, match="said nothing of p79"):
            Reach().turn(kind(room=79), tmp_path, quick=False)

    def test_does_not_ask_for_an_orderly_end_of_the_slow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reach, "_STOPPABLE_S", 0.0)
        assert "gone_60" not in Reach().turn(kind(abilities=frozenset()), tmp_path, quick=False)

    @pytest.mark.parametrize(("room", "second"), [(None, 1024), (39, None)])
    def test_gives_a_higher_limit_to_who_needs_it(self, tmp_path: Path, room: int | None, second: int | None) -> None:
        given: list[int | None] = []

        def write(self: Keeper, plan: Plan) -> None:
            given.append(plan.descriptors)
            Keeper.write(self, plan)

        Reach().turn(kind(write=write, room=room, abilities=frozenset()), tmp_path, quick=False)
        assert given == [1024, second]


class TestGone:
    def test_counts_a_zombie_as_gone(self) -> None:
        with subprocess.Popen("/bin/true") as process:
            gone([process.pid], 20.0)
            assert process.returncode is None

    def test_tells_who_stays(self) -> None:
        with pytest.raises(Broken, match="1 programs still ran 0 s after"):
            gone([os.getpid()], 0.0)

"""A run of the bench: who has turns and when, what becomes of trouble, and that nothing is ever left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.catalogue import Catalogue
from bench.findings import Run, dump, load
from bench.offspring import process
from bench.runner import Bench, Wanted
from tests.bench.fake_runs import ORDER
from tests.support import eventually

ROOT = Path(__file__).resolve().parents[2]
FAKES = "tests.bench.fake_runs"


def run(measurements: str, **wanted: object) -> tuple[Run, list[str]]:
    said: list[str] = []
    catalogue = Catalogue(f"{FAKES}:{measurements}", f"{FAKES}:KINDS")
    bench = Bench(Wanted(**wanted), said.append, catalogue)  # type: ignore[arg-type]
    bench.measure()
    return bench.found("bench/run"), said


def gone(pid: int) -> bool:
    seen = process(pid)
    return seen is None or seen.state in "ZX"


def pids(path: Path) -> list[int]:
    """Return what stands in the file, nothing until it is there."""
    return [int(word) for word in path.read_text(encoding="utf-8").split()] if path.exists() else []


def test_each_has_a_turn_in_each_round_in_an_order_that_moves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = tmp_path / "order"
    monkeypatch.setenv(ORDER, str(order))
    found, _ = run("GOOD", only=("times",))
    assert order.read_text(encoding="utf-8").split() == [
        "tmd", "supervisor", "runit", "limit",
        "supervisor", "runit", "limit", "tmd",
        "runit", "limit", "tmd", "supervisor",
    ]  # fmt: skip
    times = found.measurements[0]
    assert [*times.outcomes] == ["tmd", "supervisor", "runit", "limit"]
    took = times.summary("tmd", "took")
    assert took is not None
    assert (took.count, took.least, took.median, took.p99, took.most, took.rounds) == (9, 2, 2, 4, 4, (2, 2, 2))
    beside = times.outcomes["tmd"].beside
    assert beside is not None
    assert beside.cpu_ms.count == beside.spawn_ms.count == 6
    assert beside.cpu_ms.least > beside.spawn_ms.least > 0


def test_who_is_not_there_or_cannot_is_left_out_and_named() -> None:
    found, said = run("GOOD", only=("needy",))
    assert found.measurements[0].absent == {"pm2": "cannot fetch pm2: no network", "runit": "lacks reload"}
    assert [*found.measurements[0].outcomes] == ["tmd", "supervisor", "limit"]
    assert [one.name for one in found.subjects if one.missing] == ["pm2"]
    assert "pm2: left out: cannot fetch pm2: no network" in said


def test_all_have_a_round_before_any_has_its_second_and_no_further_ones_when_time_is_short() -> None:
    found, said = run("GOOD", subjects=("tmd",))
    turns = [line.partition(":")[0] for line in said if line.endswith(" s)")]
    assert turns == ["times", "needy", "times", "times"]
    found, said = run("GOOD", subjects=("tmd", "runit"), minutes=0)
    assert [one.rounds for one in found.measurements] == [1, 1]
    assert found.measurements[0].absent["runit"] == "there was no time left"
    assert found.measurements[0].omitted == {"tmd": ("1 round instead of 3: time was short, and a turn takes 0 s",)}, (
        "one round it has whatever time there is"
    )
    assert "times: tmd: 2 rounds left out: time is short" in said


def test_peers_leave_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    left_s = iter([60.0, 9.0, 9.0])  # of which 20, 10 and 0 are for those to come
    monkeypatch.setattr(Bench, "_left_s", lambda bench: next(left_s))
    found, _ = run("THREE", subjects=("tmd", "runit"), minutes=1)
    assert [one.absent for one in found.measurements] == [{}, {"runit": "there was no time left"}, {}]


def test_what_a_subject_is_spared_is_named() -> None:
    found, _ = run("SPARING", subjects=("tmd", "runit"))
    assert found.measurements[0].omitted == {"runit": ("without a million programs: it takes days",)}
    found, _ = run("SPARING", subjects=("tmd", "runit"), quick=True)
    assert found.measurements[0].omitted == {}


def test_what_is_wanted_is_measured_in_the_usual_order(tmp_path: Path) -> None:
    found, _ = run("GOOD", only=("needy", "times"), subjects=("limit", "tmd"), quick=True)
    assert [one.key for one in found.measurements] == ["times", "needy"]
    assert [one.name for one in found.subjects] == ["tmd", "limit"]
    assert found.measurements[0].rounds == 1
    assert found.measurements[0].summary("tmd", "lost") is None
    kept = tmp_path / "run.json"
    kept.write_bytes(dump(found))
    assert load(kept) == found


@pytest.mark.parametrize(("what", "wanted"), [("measurement", {"only": ("tims",)}), ("subject", {"subjects": ("x",)})])
def test_a_name_that_is_not_there_is_refused(what: str, wanted: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match=rf"no such {what} \(there are .*t"):
        run("GOOD", **wanted)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"format": 1}')
    with pytest.raises(ValueError, match="cannot read"):
        load(path)


def test_trouble_is_told_and_the_others_go_on() -> None:
    found, said = run("TROUBLE")
    trouble = found.measurements[0]
    assert trouble.outcomes["supervisor"].troubles == tuple(
        f"round {n}: RuntimeError: the house burns" for n in (1, 2, 3)
    )
    assert trouble.outcomes["supervisor"].figures == {}
    assert trouble.absent["runit"] == "cannot write: no room"
    assert trouble.outcomes["limit"].troubles[0] == "round 1: gave figures nobody asked for: surprise"
    assert trouble.summary("limit", "took") is not None
    assert trouble.outcomes["tmd"].troubles == ()
    assert any("in turn" in line and "and more" in line for line in said), "the traceback is told"


def test_a_turn_that_is_killed_is_trouble() -> None:
    found, _ = run("KILLED", subjects=("tmd",), quick=True)
    assert found.measurements[0].outcomes["tmd"].troubles == ("round 1: its process was killed",)


def test_what_a_turn_leaves_behind_is_ended_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "left"
    monkeypatch.setenv(ORDER, str(left))
    found, _ = run("LEAKING", subjects=("tmd",), quick=True)
    (pid,) = pids(left)
    assert gone(pid)
    outcome = found.measurements[0].outcomes["tmd"]
    assert outcome.troubles[0].startswith("round 1: left running: python")
    assert outcome.figures["took"].median == 1


def test_a_turn_that_does_not_end_is_ended_and_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "left"
    monkeypatch.setenv(ORDER, str(left))
    found, _ = run("HANGING", subjects=("tmd",), most_s=2)
    (pid,) = pids(left)
    assert gone(pid)
    assert found.measurements[0].outcomes["tmd"].troubles == ("round 1: not done within 2 s",)


SCRIPT = f"""
import sys
sys.path[0] = {str(ROOT)!r}
from bench.__main__ import main
from bench.catalogue import Catalogue
sys.exit(main(sys.argv[2:], Catalogue({FAKES!r} + ":" + sys.argv[1], {FAKES!r} + ":KINDS")))
"""


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start the command line of the bench with fakes."""

    def start(*arguments: str) -> "subprocess.Popen[str]":
        environ = {**os.environ, "TMPDIR": str(tmp_path / "t"), ORDER: str(tmp_path / "left")}
        (tmp_path / "t").mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments],
            env=environ, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_ends_all_that_was_started(
    signum: signal.Signals, bench: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    left, kept = tmp_path / "left", tmp_path / "x.json"
    kept.write_text("the run before", encoding="utf-8")
    with bench("HANGING", "--subjects", "tmd", "--json", "x.json") as running:
        (pid,) = eventually(lambda: pids(left), 30)
        running.send_signal(signum)
        text, said = running.communicate(timeout=60)
    eventually(lambda: gone(pid), 20)
    assert kept.read_text(encoding="utf-8") == "the run before", "what is not complete is not kept"
    assert {path.name for path in tmp_path.iterdir()} <= {"left", "t", "x.json"}
    if signum != signal.SIGKILL:
        assert running.returncode == 130, said
        assert "interrupted" in said
        assert text == "", "nothing was found yet"
        assert list((tmp_path / "t").iterdir()) == []


def test_the_results_the_page_and_the_charts_are_written_where_one_wants(
    bench: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    arguments = ("--quick", "--only=times", "--json", "o/x.json", "--markdown=o/d/x.md", "--charts", "o/c")
    with bench("GOOD", *arguments) as running:
        text, said = running.communicate(timeout=60)
    assert (running.returncode, text) == (0, ""), said
    assert load(tmp_path / "o/x.json").command == "bench/run --quick --only=times"
    assert "(../c/times.svg)" in (tmp_path / "o/d/x.md").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "o/c").iterdir()] == ["times.svg"]


def test_the_page_is_printed_when_nothing_is_written(bench: Callable[..., "subprocess.Popen[str]"]) -> None:
    with bench("GOOD", "--quick", "--only", "times") as running:
        text, _ = running.communicate(timeout=60)
    assert "## Times & other things" in text
    assert ".svg" not in text


def test_what_is_no_file_is_written_to(bench: Callable[..., "subprocess.Popen[str]"]) -> None:
    with bench("GOOD", "--quick", "--only", "times", "--json", "/dev/stdout") as running:
        text, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert text.startswith("{")


@pytest.mark.parametrize("arguments", [("--only", "nothing"), ("--subjects", "nobody")])
def test_a_mistake_is_told_in_a_line(arguments: tuple[str, ...], bench: Callable[..., "subprocess.Popen[str]"]) -> None:
    with bench("GOOD", *arguments) as running:
        _, said = running.communicate(timeout=60)
    assert running.returncode == 2
    assert said.startswith("cannot measure 'no")
    assert len(said.splitlines()) == 1


def test_where_nothing_can_be_written_nothing_is_measured(
    bench: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with bench("GOOD", "--json", "file/x.json") as running:
        _, said = running.communicate(timeout=60)
    assert running.returncode == 2
    assert len(said.splitlines()) == 1


def test_it_runs_from_any_directory(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "bench" / "run", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert "--only KEY" in done.stdout

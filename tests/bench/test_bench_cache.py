"""What the bench fetches and builds is kept outside the tree, made once, and its failure is told."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import cache, stamping
from bench.unavailable import Unavailable
from tests.e2e.harness import ROOT

MAKE = """
from bench import cache
with cache.making("thing") as path:
    if not path.is_file():
        with path.open("x") as file:  # fails when another one is making it
            file.write("made")
"""


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "taskmaster-bench"


def test_it_is_below_the_users_cache(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.cache() == kept
    assert kept.is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache() == tmp_path / "home/.cache/taskmaster-bench"


def test_a_command_that_fails_is_told_by_its_last_words() -> None:
    with pytest.raises(Unavailable, match="cannot build it: no such luck"):
        cache.run((sys.executable, "-c", "raise SystemExit('no such luck')"), "build it")


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(Unavailable, match=r"cannot build it: .*No such file"):
        cache.run(("/no/such/compiler",), "build it")


def test_only_one_makes_a_thing_at_a_time() -> None:
    makers = [subprocess.Popen([sys.executable, "-c", MAKE], cwd=ROOT) for _ in range(2)]
    assert [maker.wait(60) for maker in makers] == [0, 0]
    assert (cache.cache() / "thing").read_text() == "made"


def test_the_helper_is_built_once(kept: Path) -> None:
    stamping.helper.cache_clear()
    try:
        built = stamping.helper()
        assert built.parent == kept
        first = built.stat().st_ino
        stamping.helper.cache_clear()
        assert stamping.helper().stat().st_ino == first
        assert [path.name for path in kept.iterdir() if not path.name.startswith(".")] == [built.name]
    finally:
        stamping.helper.cache_clear()


def test_an_environment_of_which_nothing_can_be_fetched_is_none(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def run(argv: Sequence[str], what: str) -> None:
        """Make an environment that has no more than an interpreter which can install nothing: a real one takes long."""
        nonlocal made
        if argv[1:3] != ("-m", "venv"):
            really(argv, what)
            return
        made += 1
        python = Path(argv[-1]) / "bin/python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text("#!/bin/sh\necho no matching distribution >&2\nexit 1\n")
        python.chmod(0o755)

    really = cache.run
    monkeypatch.setattr(cache, "run", run)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"cannot install no-such-thing==1 from PyPI: no matching"):
            cache.venv("nothing", "no-such-thing==1")
    assert made == 2
    assert not (kept / "nothing/installed").exists()

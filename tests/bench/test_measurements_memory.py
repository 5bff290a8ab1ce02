"""Memory is held until the host has just taken back the rest, or does not seem to do such a thing."""

import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.measurements import memory


class Host:
    """Has a clock that goes on by what each write takes, and by sleep."""

    def __init__(self, writes_s: Iterable[float], monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.writes = 0.0, 0
        self._writes_s = iter(writes_s)
        monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))
        monkeypatch.setattr(memory, "os", SimpleNamespace(**{**vars(os), "write": self.write}))

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def write(self, fd: int, data: bytes) -> int:
        self.now += next(self._writes_s)
        self.writes += 1
        return len(data)


def resident() -> int:
    """Return how many bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_it_is_all_there_within_and_none_of_it_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_PERIOD_S", 0.0)
    size, before = 64 << 20, resident()
    with memory.held(tmp_path, size):
        assert resident() - before > size * 0.9
    assert resident() - before < size * 0.5
    assert [*tmp_path.iterdir()] == []


def test_it_is_given_free_when_the_host_has_been_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host([0.004, 0.002, 0.002, 0.003, 0.02], monkeypatch)
    with memory.held(tmp_path, 4096):
        pass
    assert host.writes == 5
    assert [*tmp_path.iterdir()] == []


def test_nobody_waits_for_ever_where_no_host_takes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(itertools.repeat(0.002), monkeypatch)
    with memory.held(tmp_path, 4096):
        pass
    assert memory._PERIOD_S <= host.now < memory._PERIOD_S + 0.05

"""Descriptors for clients: only while enough are left to start programs."""

from typing import Any, cast

import pytest

from tmd.daemon.files_room import RESERVED_FILES, SPARE_FILES
from tmd.daemon.lives import Lives
from tmd.posix import limits


class Files:
    """The limits of a process with `used` files open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.soft, self.hard, self.used = soft, hard, 10
        self.raised = 0
        monkeypatch.setattr(limits, "files_limit", lambda: self.soft)
        monkeypatch.setattr(limits, "files_left", lambda: self.soft - self.used)
        monkeypatch.setattr(limits, "raise_files", self._raise)
        nothing = cast("Any", None)
        self.lives = Lives(
            loop=nothing,
            drain=nothing,
            launching=nothing,
            plumbing=nothing,
            ended=nothing,
            ends_groups=True,
            files_limit=soft,
            listening=nothing,
            ears=nothing,
            told=nothing,
            trees=nothing,
        )

    def _raise(self, minimum: int) -> tuple[int, int]:
        before, self.soft = self.soft, max(minimum, self.hard)
        self.raised += 1
        return before, self.soft


def test_the_limit_is_raised_when_it_comes_near(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(monkeypatch, 1024, 4096)
    assert files.lives.room_for_files()
    assert files.raised == 0, "not before"
    files.used = 1024 - SPARE_FILES + 1
    assert files.lives.room_for_files()
    assert (files.raised, files.soft) == (1, 4096)


def test_some_are_kept_when_it_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(monkeypatch, 1024, 1024)
    files.used = 1024 - RESERVED_FILES
    assert files.lives.room_for_files()
    files.used += 1
    assert not files.lives.room_for_files()
    files.used -= 1
    assert files.lives.room_for_files()
    assert files.raised == 1, "tried once"


def test_of_a_small_limit_a_part_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(monkeypatch, 64, 64)
    assert files.lives.room_for_files()
    files.used = 57
    assert not files.lives.room_for_files()

"""Limits of this process: how many files may still be opened."""

import os

import pytest

from tmd.posix import limits


def test_each_file_that_is_open_counts() -> None:
    before = limits.files_left()
    assert 0 < before < limits.files_limit()
    fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
    try:
        assert limits.files_left() == before - 5
    finally:
        for fd in fds:
            os.close(fd)
    assert limits.files_left() == before


def test_an_older_kernel_has_them_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    new = limits.files_left()
    real = os.stat

    def stat(path: str) -> object:
        found = real(path)
        return os.stat_result((*found[:6], 0, *found[7:10])) if path == "/proc/self/fd" else found

    monkeypatch.setattr(os, "stat", stat)
    assert new - 1 <= limits.files_left() <= new, "the listing itself is open for a moment"

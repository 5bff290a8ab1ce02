"""Marks: which processes carry a variable in the environment they were started with. All they start inherit it.

Reads all of /proc: for the moments in which nothing else tells. What we may not read is missing from an answer.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from tmd.posix.identity import glimpse


class Carrier(NamedTuple):
    """A living process and the value it carries."""

    value: str
    pid: int
    ticks: int
    """when it began"""
    leads: bool
    """whether it leads a process group"""
    uid: int
    """the user who it is (the real one)"""


def carriers(variable: str, wanted: Callable[[str], bool]) -> list[Carrier]:
    """Return the living processes whose `variable` has a wanted value, the oldest first; never our own."""
    mark = variable.encode() + b"="
    found = []
    us = os.getpid()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == us:
            continue
        value = _value(name, mark)
        if value is None or not wanted(value):
            continue
        carrier = carrier_of(int(name), value)
        if carrier is not None:
            found.append(carrier)
    return sorted(found, key=age)


def carrier_of(pid: int, value: str) -> Carrier | None:
    """Return a process as one that carries a value, None if it does not live."""
    uid, seen = _real_uid(str(pid)), glimpse(pid)
    if seen is None or not seen.alive:
        return None
    return Carrier(value, pid, seen.ticks, seen.group == pid, uid)


def age(carrier: Carrier) -> tuple[int, int]:
    """Return what sorts carriers, the oldest first."""
    return carrier.ticks, carrier.pid


def _value(pid: str, mark: bytes) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            text = file.read()
    except OSError:
        return None
    if mark not in text:
        return None
    marked = (each[len(mark) :] for each in text.split(b"\0") if each.startswith(mark))
    return next((os.fsdecode(value) for value in marked), None)


def _real_uid(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(b"Uid:")), -1)
    except (OSError, ValueError):
        return -1

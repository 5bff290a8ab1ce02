"""Streams: our ends of the pipes of a process that an earlier daemon has started, opened again or found impossible.

A process whose output nobody can take goes on until its pipe is full, and then hangs: better to say at once that it
cannot go on. Knows nothing of what is done about that.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

from tmd.core.records import Life
from tmd.daemon.logbook import CHANNELS
from tmd.daemon.surface import Channel
from tmd.posix.descriptors import Denied, reopen


class CannotTakeOver(Exception):
    """Its streams are not to be had; the text says why."""


class Streams(NamedTuple):
    """Our ends, owned by whoever gets them; None and missing: it has none, or nobody has the other end any more."""

    stdin: int | None = None
    outputs: dict[Channel, int] = {}


def take_over(life: Life, kin: Sequence[int]) -> Streams:
    """Open our ends of the pipes of a life, wherever it and its `kin` keep the others. Raises `CannotTakeOver`."""
    if life.tty:
        raise CannotTakeOver("its terminal has gone with that daemon")
    if life.listens:
        raise CannotTakeOver("it is an event listener, and what it has said last is not known")
    outputs: dict[Channel, int] = {}
    try:
        for channel in CHANNELS:
            if inode := life.pipes.get(channel, 0):
                fd = reopen(inode, kin, "read")
                if fd is not None:
                    outputs[channel] = fd
        inode = life.pipes.get("stdin", 0)
        return Streams(reopen(inode, kin, "write") if inode else None, outputs)
    except (Denied, OSError) as why:
        for fd in outputs.values():
            os.close(fd)
        denied = "the kernel does not let this daemon open its streams"
        raise CannotTakeOver(denied if isinstance(why, Denied) else f"cannot open its streams: {why}") from why

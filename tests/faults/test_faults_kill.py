"""SIGKILL of the daemon at any moment: nobody is started twice, nobody is stopped, and no line is lost or doubled."""

import os
import random

import pytest

from tests.e2e.harness import Rig
from tests.faults.killing import Killing


def _kill(rig: Rig, *, kills: int, steady: int, busy: int) -> Killing:
    seed = int(os.environ.get("KILLING_SEED", random.randrange(1 << 30)))
    killing = Killing(rig, steady, busy, seed)
    try:
        killing.begin()
        for _ in range(kills):
            killing.kill()
        killing.finish()
    except BaseException:
        print(f"KILLING_SEED={seed}", *killing.told, sep="\n")
        raise
    lines = sum(reader.lines for reader in killing.readers.values())
    size = sum(reader.read_bytes for reader in killing.readers.values())
    files = sum(reader.files for reader in killing.readers.values())
    print(f"{len(killing.told)} kills, {lines} lines, {size >> 20} MiB, {files} files")
    return killing


@pytest.mark.timeout(120)
def test_a_few_kills_cost_nothing(rig: Rig) -> None:
    killing = _kill(rig, kills=5, steady=4, busy=2)
    assert all(reader.lines for reader in killing.readers.values())


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_kills_with_fifty_programs_cost_nothing(rig: Rig) -> None:
    _kill(rig, kills=100, steady=50, busy=6)

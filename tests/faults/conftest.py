"""Faults: what the machine and its people do to a daemon, done for real. The same rig as in the stories."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import make_rig, pytest_runtest_makereport, python_for_all, rig
from tests.e2e.harness import Rig
from tests.faults.disks import Disk, mounted
from tests.faults.meddling import Meddler, build

__all__ = ["disk", "make_rig", "meddler", "pytest_runtest_makereport", "python_for_all", "rig"]


@pytest.fixture
def disk(rig: Rig) -> Iterator[Disk]:
    """A disk of a megabyte, `disk` in the rig's directory, nearly empty."""
    with mounted(rig.dir / "disk") as disk:
        yield disk
        rig.close()  # what still runs has files there


@pytest.fixture(scope="session")
def meddling_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("meddling"))


@pytest.fixture
def meddler(rig: Rig, meddling_library: Path) -> Meddler:
    """What lies to the daemon that is started after this."""
    return Meddler(rig, meddling_library)

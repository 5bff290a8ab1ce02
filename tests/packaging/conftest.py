"""The tests of what is shipped beside the programs use the rigs of the stories."""

from tests.e2e.conftest import make_rig, pytest_runtest_makereport, rig

__all__ = ["make_rig", "pytest_runtest_makereport", "rig"]

"""A journal that was damaged in any way: it never raises, and what it says is a possible condition each time."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.daemon.test_daemon_journal import JOB, entry
from tmd.core.restoring import sound
from tmd.daemon.journal import Journal

ONE_DIRECTORY = HealthCheck.function_scoped_fixture


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(str(path), print)
    for starts in range(1, 6):
        journal.note(entry(starts))
        journal.note(entry(starts, JOB))
        journal.flush()
    journal.close()
    return path.read_bytes().rstrip(b"\0")


def read(path: Path, data: bytes) -> None:
    """Read a file of our own with these data, and go on writing."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    warnings: list[str] = []
    journal = Journal(str(path), warnings.append)
    entries = journal.read()
    assert all(sound(each.process) for each in entries)
    assert len({each.id for each in entries}) == len(entries)
    assert len(warnings) <= 1
    journal.note(entry(9))
    journal.flush()
    later = Journal(str(path), warnings.append)
    assert entry(9) in later.read()
    assert len(warnings) <= 1
    journal.end()


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[ONE_DIRECTORY])
@given(data=st.binary(max_size=300))
def test_random_bytes(tmp_path: Path, data: bytes) -> None:
    read(tmp_path / "j", data)


@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=[ONE_DIRECTORY])
@given(data=st.data())
def test_random_bytes_in_the_middle(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 60))
    put = data.draw(st.binary(max_size=60) | st.sampled_from([b"\n", b"}", b'"', b"9" * 40, b"null"]))
    read(tmp_path / "j", whole[:at] + put + whole[at + length :])

"""Lines of the daemon's own that go to the system's log."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import eventually
from tmd.posix.drain import Drain


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tm") as directory:
        yield Path(directory)


def test_each_line_is_a_message_with_identity_and_tag(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(place / "log"))
        log.settimeout(5)
        drain = Drain(
            post=lambda callback: callback(),
            dropped=lambda *_: None,
            heard=lambda *_: None,
            identity="mine",
            syslog_path=str(place / "log"),
        )
        drain.start()
        drain.write_syslog("WARN", b"one\ntwo")
        first, second = log.recv(4096), log.recv(4096)
        drain.stop(1.0)
    assert first.startswith(b"<14>")
    assert first.endswith(f" mine[{os.getpid()}]: WARN one".encode())
    assert second.endswith(b": WARN two")


def test_a_system_without_a_log_is_counted(place: Path) -> None:
    losses: list[int] = []
    drain = Drain(
        post=lambda callback: callback(),
        dropped=lambda _target, count, _reason: losses.append(count),
        heard=lambda *_: None,
        syslog_path=str(place / "nothing"),
    )
    drain.start()
    drain.write_syslog("WARN", b"lost")
    eventually(lambda: drain.figures().total_dropped == 4)
    drain.stop(1.0)
    assert sum(losses) == 4

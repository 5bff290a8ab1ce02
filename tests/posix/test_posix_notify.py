"""Messages to a service manager, on real sockets."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.service_manager import ServiceManager
from tmd.posix.notify import Contract, Notifier, Sent, take_contract


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    manager = ServiceManager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def test_all_that_is_meant_for_us_alone_leaves_the_environment() -> None:
    environ = {
        "NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()), "LISTEN_FDS": "2",
        "LISTEN_PID": "1", "LISTEN_FDNAMES": "a:b", "LISTEN_PIDFDID": "9", "INVOCATION_ID": "abc", "PATH": "/bin",
    }  # fmt: skip
    assert take_contract(environ) == Contract("/run/notify", 3.0)
    assert environ == {"INVOCATION_ID": "abc", "PATH": "/bin"}
    assert take_contract(environ) == Contract()


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
    ],
)
def test_the_watchdog_is_ours_when_it_names_us_or_nobody(variables: dict[str, str], wanted: float | None) -> None:
    assert take_contract(variables).watchdog_s == wanted


def test_an_empty_address_is_none() -> None:
    assert take_contract({"NOTIFY_SOCKET": ""}) == Contract()


def test_assignments_arrive_as_lines(manager: ServiceManager) -> None:
    notifier = Notifier(manager.address)
    assert notifier.send({"READY": "1", "STATUS": "all well"}) is Sent.TAKEN
    notifier.close()
    assert manager.receive() == [{"READY": "1", "STATUS": "all well"}]


def test_a_name_beside_the_file_system(tmp_path: Path) -> None:
    manager = ServiceManager(f"@taskmaster-test-{os.getpid()}-{tmp_path.name}")
    notifier = Notifier(manager.address)
    assert notifier.send({"READY": "1"}) is Sent.TAKEN
    notifier.close()
    assert manager.receive() == [{"READY": "1"}]
    manager.close()


def test_a_value_cannot_smuggle_in_another_line(manager: ServiceManager) -> None:
    notifier = Notifier(manager.address)
    notifier.send({"STATUS": "web\nSTOPPING=1\x1b[2J \udcff"})
    notifier.close()
    assert manager.receive() == [{"STATUS": "web STOPPING=1 [2J  "}]


def test_a_manager_that_does_not_read_is_busy_not_lost(manager: ServiceManager) -> None:
    notifier = Notifier(manager.address)
    sent = [notifier.send({"STATUS": "x"}) for _ in range(5000)]
    assert sent[0] is Sent.TAKEN
    assert sent[-1] is Sent.LATER
    manager.receive()
    assert notifier.send({"READY": "1"}) is Sent.TAKEN
    notifier.close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/nowhere/notify", "No such file or directory"),
        ("vsock:2:1234", "neither a path nor @name"),
        ("@", "neither a path nor @name"),
        ("/" + "x" * 200, "AF_UNIX path too long"),
    ],
)
def test_a_message_that_reaches_nobody_is_lost_with_a_reason(address: str, reason: str) -> None:
    notifier = Notifier(address)
    assert notifier.send({"READY": "1"}) is Sent.LOST
    assert reason in notifier.reason
    notifier.close()
    notifier.close()


def test_a_socket_that_nobody_serves_any_more(manager: ServiceManager, tmp_path: Path) -> None:
    path = tmp_path / "dead"
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(path))
    dead.close()
    notifier = Notifier(str(path))
    assert notifier.send({"READY": "1"}) is Sent.LOST
    assert notifier.reason == "Connection refused"
    notifier.close()

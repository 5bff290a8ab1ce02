"""What the listening sockets learn about the programs that use them."""

import pytest

from tmd.config.settings import GroupSpec, ProcessSpec, SocketSpec
from tmd.core import effects as e
from tmd.core import inputs as i
from tmd.core.overseer import Overseer
from tmd.daemon.fcgi import Place
from tmd.daemon.tenants import Tenants
from tmd.wire.names import ProcessId

ONE, OTHER = (SocketSpec(family="unix", path=path) for path in ("/run/one", "/run/other"))
URL = "unix:///run/tmd.sock"


def process(name: str, group: str = "web", program: str = "web", socket: SocketSpec | None = ONE) -> ProcessSpec:
    return ProcessSpec(name=name, group=group, program=program, command="true", socket=socket, startsecs=0)


def alone(*processes: ProcessSpec) -> GroupSpec:
    return GroupSpec(name="web", kind="fcgi-program", processes=processes)


class Street(Overseer):
    """An overseer whose every input is answered at once, and the tenants it has."""

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[str] = []
        self.refuses = False
        self.tenants = Tenants(self, environment, lambda id_, input_: self.feed(i.ForProcess(id_, input_)))
        self.feed(i.DaemonStarted())

    def feed(self, input_: i.OverseerInput) -> None:
        for effect in self.step(input_, 1.0):
            if isinstance(effect, e.Spawn):
                self.spawned.append(effect.id.process)
                failed = i.SpawnFailed("why", transient=True)
                self.feed(i.ForProcess(effect.id, failed if self.refuses else i.Spawned(7)))


@pytest.fixture
def street() -> Street:
    return Street()


def environment(spec: ProcessSpec) -> dict[str, str]:
    return {
        "SUPERVISOR_ENABLED": "1",
        "SUPERVISOR_SERVER_URL": URL,
        "SUPERVISOR_GROUP_NAME": spec.group,
        "SUPERVISOR_PROCESS_NAME": spec.name,
    }


def moves_off(street: Street, name: str = "a", socket: SocketSpec = ONE) -> bool:
    return street.tenants.moves_off(ProcessId("web", name), Place("web", socket.url))


def test_who_runs_stays_and_who_is_unknown_does_not(street: Street) -> None:
    street.feed(i.AddGroupAsked(alone(process("a"))))
    assert not moves_off(street)
    assert moves_off(street, "b")


def test_who_stops_leaves_or_listens_elsewhere_moves_off(street: Street) -> None:
    street.feed(i.AddGroupAsked(alone(process("a"), process("b"), process("c"))))
    street.feed(i.ForProcess(ProcessId("web", "a"), i.StopAsked()))
    assert [moves_off(street, name) for name in "abc"] == [True, False, False]
    assert moves_off(street, "b", OTHER)
    street.feed(i.RemoveGroupAsked("web"))
    assert [moves_off(street, name) for name in "abc"] == [True, True, True]


@pytest.mark.parametrize(
    ("change", "kin"),
    [
        ({}, True),
        ({"SUPERVISOR_PROCESS_NAME": "of more processes, once"}, True),
        ({"MORE": "1"}, True),
        ({"SUPERVISOR_PROCESS_NAME": ""}, False),
        ({"SUPERVISOR_ENABLED": ""}, False),
        ({"SUPERVISOR_GROUP_NAME": "other"}, False),
        ({"SUPERVISOR_SERVER_URL": "http://localhost:9001"}, False),
    ],
)
def test_kin_has_the_marks_of_the_program(street: Street, change: dict[str, str], kin: bool) -> None:
    spec = process("a")
    street.feed(i.AddGroupAsked(alone(spec)))
    assert street.tenants.is_kin(spec, environment(spec) | change) is kin
    assert not street.tenants.is_kin(spec, {})


def test_in_a_group_kin_has_the_name_of_a_process_of_the_same_program(street: Street) -> None:
    mine, brother, stranger = process("a", "site"), process("b", "site"), process("c", "site", "other", OTHER)
    street.feed(i.AddGroupAsked(GroupSpec(name="site", kind="group", processes=(mine, brother, stranger))))
    assert street.tenants.is_kin(mine, environment(brother))
    assert not street.tenants.is_kin(mine, environment(stranger))
    assert not street.tenants.is_kin(process("a", "gone"), environment(process("a", "gone")))


def test_only_who_waits_for_its_next_try_is_tried_again(street: Street) -> None:
    street.refuses = True
    street.feed(i.AddGroupAsked(alone(process("a"))))
    street.tenants.try_again(ProcessId("web", "a"))
    assert street.spawned == ["a", "a"]
    street.refuses = False
    street.tenants.try_again(ProcessId("web", "a"))
    street.tenants.try_again(ProcessId("web", "a"))
    street.tenants.try_again(ProcessId("web", "unknown"))
    assert street.spawned == ["a", "a", "a"]

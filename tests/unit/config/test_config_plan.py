"""What an update would do."""

from typing import Any

import msgspec
import pytest

from tmd.config.plan import daemon_changes, fingerprint, needs_restart, plan_update
from tmd.config.program_options import PROGRAM
from tmd.config.settings import (
    AUTO,
    AlertSpec,
    Autorestart,
    DaemonSettings,
    Dialect,
    EnvironmentFile,
    ExtensionSpec,
    GroupSpec,
    PoolSpec,
    ProcessSpec,
    Settings,
    SocketSpec,
)
from tmd.wire.names import ProcessId


def spec(name: str = "a", group: str = "g", **fields: Any) -> ProcessSpec:
    return msgspec.structs.replace(ProcessSpec(name=name, group=group, program="p", command="x"), **fields)


def group(*specs: ProcessSpec, name: str = "g", priority: int = 999) -> GroupSpec:
    return GroupSpec(name=name, priority=priority, processes=specs)


def test_nothing() -> None:
    assert plan_update((group(spec()),), (group(spec()),)).empty
    assert plan_update((), ()).empty


def test_added_and_removed_groups_keep_their_order() -> None:
    one, two, three, four = (group(name=name) for name in "abcd")
    plan = plan_update((three, one, two), (four, two))
    assert plan.added == (four,)
    assert plan.removed == ("c", "a")
    assert plan.changed == ()


def test_more_and_fewer_processes_touch_only_the_difference() -> None:
    few, many = group(spec("p0"), spec("p1")), group(spec("p0"), spec("p1"), spec("p2"), spec("p3"))
    (change,) = plan_update((few,), (many,)).changed
    assert (change.added, change.removed, change.restart, change.live) == ((spec("p2"), spec("p3")), (), (), ())
    (change,) = plan_update((many,), (few,)).changed
    assert (change.added, change.removed) == ((), (ProcessId("g", "p2"), ProcessId("g", "p3")))
    assert change.name == "g"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", "y"),
        ("directory", "/"),
        ("umask", 0),
        ("uid", 1),
        ("gid", 1),
        ("environment", {"A": "1"}),
        ("redirect_stderr", True),
        ("stdout_logfile", "/x"),
        ("stderr_logfile", None),
        ("stdout_capture_maxbytes", 1),
        ("stderr_syslog", True),
        ("serverurl", "x"),
        ("restore_signals", False),
        ("kind", "fcgi-program"),
        ("socket", SocketSpec(family="unix", path="/x")),
        ("user_environment", True),
    ],
)
def test_what_only_a_new_process_can_have(field: str, value: Any) -> None:
    (change,) = plan_update((group(spec()),), (group(spec(**{field: value})),)).changed
    assert change.restart == (spec(**{field: value}),)
    assert change.live == ()
    assert fingerprint(spec()) != fingerprint(spec(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", 1),
        ("autostart", False),
        ("autorestart", Autorestart.ALWAYS),
        ("startsecs", 5.0),
        ("startretries", 5),
        ("exitcodes", (1,)),
        ("stopsignal", 9),
        ("stopwaitsecs", 1.0),
        ("stopasgroup", True),
        ("killasgroup", True),
        ("stdout_logfile_maxbytes", 1),
        ("stderr_logfile_backups", 1),
        ("user", "0"),
        ("process_num", 7),
        ("prestart", "x"),
        ("poststop", "x"),
        ("hook_timeout", 1.0),
        ("hook_failure", "abort"),
        ("log_format", "json"),
        ("environment_file", (EnvironmentFile("/x"),)),
        ("environment_own", ("A",)),
    ],
)
def test_what_applies_to_a_running_process(field: str, value: Any) -> None:
    (change,) = plan_update((group(spec()),), (group(spec(**{field: value})),)).changed
    assert change.live == (spec(**{field: value}),)
    assert change.restart == ()
    assert fingerprint(spec()) == fingerprint(spec(**{field: value}))


def test_auto_against_a_path_is_a_change() -> None:
    assert needs_restart(spec(stdout_logfile=AUTO), spec(stdout_logfile="/x"))
    assert needs_restart(spec(stdout_logfile="/x"), spec(stdout_logfile=AUTO))


def test_another_order_or_priority_is_a_change_that_touches_no_process() -> None:
    one, two = spec("a"), spec("b")
    for changed in (group(two, one), group(one, two, priority=5)):
        (change,) = plan_update((group(one, two),), (changed,)).changed
        assert (change.added, change.removed, change.restart, change.live) == ((), (), (), ())


def pool(**fields: Any) -> GroupSpec:
    spec_of_pool = msgspec.structs.replace(PoolSpec(events=("TICK_5",)), **fields)
    return GroupSpec(name="g", kind="eventlistener", processes=(spec(kind="eventlistener"),), pool=spec_of_pool)


@pytest.mark.parametrize(
    ("field", "value"),
    [("events", ("EVENT",)), ("buffer_size", 1), ("result_handler", "a:b"), ("ackwaitsecs", 1.0)],
)
def test_another_pool_touches_no_process(field: str, value: Any) -> None:
    (change,) = plan_update((pool(),), (pool(**{field: value}),)).changed
    assert (change.added, change.removed, change.restart, change.live) == ((), (), (), ())
    assert change.kept == (spec().id,)


def test_a_program_that_becomes_a_listener_is_another_process() -> None:
    (change,) = plan_update((group(spec()),), (pool(),)).changed
    assert change.restart == pool().processes


def test_another_socket_is_another_process() -> None:
    sockets = [SocketSpec(family="unix", path="/x"), SocketSpec(family="unix", path="/x", mode=0o777)]
    old, new = (group(spec(kind="fcgi-program", socket=socket)) for socket in sockets)
    (change,) = plan_update((old,), (new,)).changed
    assert change.restart == new.processes


def test_every_field_of_a_process_is_an_option_or_known_otherwise() -> None:
    beside = {"kind", "socket", "name", "group", "program", "process_num", "uid", "environment_own", "restore_signals"}
    beside |= {"prefixed"}
    options = {option.name for option in PROGRAM}
    assert set(ProcessSpec.__struct_fields__) - beside <= options
    assert options - set(ProcessSpec.__struct_fields__) == {"process_name", "numprocs", "numprocs_start"}


def test_changes_of_the_daemon_itself() -> None:
    daemon = DaemonSettings(logfile="/l", pidfile="/p", childlogdir="/c")
    old = Settings(dialect=Dialect.NATIVE, daemon=daemon)
    new = msgspec.structs.replace(old, daemon=msgspec.structs.replace(daemon, identifier="x", minfds=1))
    assert daemon_changes(old, old) == ()
    assert daemon_changes(old, new) == ("minfds", "identifier")
    plugged = msgspec.structs.replace(old, rpcinterfaces=(ExtensionSpec(name="x", factory="a:b"),))
    assert daemon_changes(old, plugged) == ("rpcinterfaces",)
    told = msgspec.structs.replace(old, alerts=(AlertSpec(name="x", kind="syslog"),))
    assert daemon_changes(old, told) == ()


def test_what_a_change_keeps() -> None:
    old = group(spec("a"), spec("b"), spec("c"), spec("d"))
    new = group(spec("a"), spec("b", command="other"), spec("c", stopwaitsecs=3.0), spec("e"))
    (change,) = plan_update((old,), (new,)).changed
    assert change.kept == (spec("a").id, spec("c").id)


def test_a_fingerprint_knows_no_order_and_no_name() -> None:
    one, other = spec(environment={"A": "1", "B": "2"}), spec(environment={"B": "2", "A": "1"})
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) == fingerprint(spec("b", "h", environment={"A": "1", "B": "2"}))
    assert fingerprint(one) != fingerprint(spec(environment={"A": "2", "B": "1"}))


def test_a_fingerprint_is_of_any_text() -> None:
    assert fingerprint(spec(command="a\udcff")) != fingerprint(spec(command="a\udcfe"))


def test_a_fingerprint_stays_the_same_over_versions() -> None:
    assert fingerprint(spec()) == "48b2a416-12", "after an upgrade every adopted program would be restarted"

"""What a daemon hands over: later versions read what earlier ones have written, and nothing is read by chance."""

import os
from pathlib import Path

import msgspec
import pytest

from tmd.config.settings import DaemonSettings, Dialect, GroupSpec, ProcessSpec, Settings
from tmd.core.process import Process
from tmd.core.records import Entry
from tmd.daemon.handover import (
    FORMAT,
    BootState,
    CannotHandOver,
    ChannelState,
    GroupState,
    State,
    keep_from_programs,
    pack,
    receive,
    unpack,
)
from tmd.daemon.host import HostState
from tmd.daemon.life import ChannelKey, LifeState, LivesState
from tmd.daemon.seats import ListenersState, TalkState
from tmd.posix.drain import Held
from tmd.wire.names import ProcessId
from tmd.wire.places import Places
from tmd.wire.states import ProcessState

WEB = ProcessId("web", "web")


def state(name: str = "web") -> State:
    spec = ProcessSpec(name=name, group="web", program="web", command="sleep 1000", startsecs=2.5)
    return State(
        boot=BootState(
            path="/etc/x.yaml", foreground=True, uid=0, files_limit=1024, host=HostState(0, "/", "/", "/tmp", PLACES)
        ),
        pidfile=("/run/x.pid", 5),
        settings=Settings(
            dialect=Dialect.NATIVE, daemon=DaemonSettings(logfile="/x.log", pidfile="/run/x.pid", childlogdir="/")
        ),
        groups=[GroupState(spec=GroupSpec(name="web", processes=(spec,)))],
        entries=[Entry(id=WEB, process=Process(state=ProcessState.RUNNING, pid=77, epoch=3), spec=spec)],
        lives=LivesState(lives=[LifeState(id=WEB, pid=77, stdin=11)], generation=4),
        channels=[ChannelState(life=ChannelKey(WEB, "stdout", 77, 4), fd=12, held=Held(last="x"))],
        listeners=ListenersState(talks=[TalkState(WEB, 13), TalkState(WEB, None)]),
        http_fds=[14, 15],
    )


PLACES = Places("/run", "/log", "/state")


def test_what_is_packed_is_unpacked() -> None:
    before = state()
    assert unpack(pack(before)) == before


def test_all_descriptors_are_known() -> None:
    assert sorted(state().descriptors()) == [5, 11, 12, 13, 14, 15]


def test_what_an_earlier_version_lacks_has_a_default_and_what_is_unknown_is_passed_over() -> None:
    raw = msgspec.msgpack.decode(pack(state()))
    for name in ("trees", "operations", "essential", "history", "sockets", "counters"):
        del raw[name]
    raw["unheard_of"] = {"a": [1]}
    raw["boot"]["unheard_of"] = 1
    read = unpack(msgspec.msgpack.encode(raw))
    assert read.operations == []
    assert read.groups == state().groups


@pytest.mark.parametrize("data", [b"", b"nonsense", pack(state())[:-3], msgspec.msgpack.encode({"format": FORMAT})])
def test_what_makes_no_sense_is_refused(data: bytes) -> None:
    with pytest.raises(CannotHandOver, match="cannot read the state"):
        unpack(data)


def test_a_later_format_is_refused_by_name() -> None:
    raw = msgspec.msgpack.decode(pack(state())) | {"format": FORMAT + 1, "version": "9.9"}
    with pytest.raises(CannotHandOver, match=r"of tmd 9\.9 \(format "):
        unpack(msgspec.msgpack.encode(raw))


def test_what_cannot_be_written_down_is_refused_before_anything_happens() -> None:
    with pytest.raises(CannotHandOver, match="cannot be written down"):
        pack(state("a\udcff"))


def test_descriptors_that_were_received_are_kept_from_programs(tmp_path: Path) -> None:
    left = state()
    fds = [os.dup(0) for _ in range(6)]
    try:
        for fd in fds:
            os.set_inheritable(fd, True)
        left.pidfile, left.http_fds = (left.pidfile[0], fds[0]), fds[1:3]
        left.lives.lives[0].stdin = fds[3]
        left.channels[0].fd = fds[4]
        left.listeners.talks[0].fd = fds[5]
        file = tmp_path / "state"
        file.write_bytes(pack(left))
        assert receive(os.open(file, os.O_RDONLY)) == left
        assert not any(os.get_inheritable(fd) for fd in fds)
        keep_from_programs(left)
    finally:
        for fd in fds:
            os.close(fd)


def test_what_cannot_be_read_at_all_is_told() -> None:
    with pytest.raises(CannotHandOver, match="cannot read the state"):
        receive(987)

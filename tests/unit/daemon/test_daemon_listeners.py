"""Listeners between a bus, a loop and pipes, without a daemon around them."""

import fcntl
import os
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tmd.config.settings import GroupSpec, PoolSpec, ProcessSpec
from tmd.core import notices as n
from tmd.core.events import Event
from tmd.core.inputs import ExitStatus
from tmd.daemon.answers import HANG_UP_S
from tmd.daemon.bus import Told
from tmd.daemon.journal import Journal
from tmd.daemon.listeners import LAST_EVENTS_S, OVERSLEPT_S, Listeners
from tmd.daemon.mainlog import MainLog
from tmd.posix.drain import Drain, LogTarget
from tmd.posix.loop import Loop
from tmd.posix.pipes import input_pipe, output_pipe
from tmd.posix.stdin import StdinWriter
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

EAR = ProcessId("ear", "ear")


class FakeDrain:
    """Keeps what is written, and what is held open."""

    def __init__(self) -> None:
        self.written = b""
        self.open: set[LogTarget] = set()

    def prepare(self, target: LogTarget) -> None:
        self.open.add(target)

    def write(self, target: LogTarget, data: bytes) -> None:
        self.open.add(target)
        self.written += data

    def release(self, target: LogTarget) -> None:
        self.open.discard(target)


class House:
    """A daemon's parts around the listeners under test."""

    def __init__(self, level: Level = Level.INFO, journal: Journal | None = None) -> None:
        self.journal = journal or Journal("", self._say_trouble)
        self.loop = Loop()
        self.drain = FakeDrain()
        self.log: list[str] = []
        self.groups: dict[str, GroupSpec] = {}
        self.target: LogTarget | None = None
        self.restarted: list[ProcessId] = []
        self.published: list[n.Notice] = []
        self.stdins: dict[ProcessId, StdinWriter] = {}
        self.fds: list[int] = []
        self.child_in = self.child_out = -1
        self.listeners = Listeners(
            loop=self.loop,
            drain=cast("Drain", self.drain),
            mainlog=MainLog(level, [lambda _level, _line, text: self.log.append(text)], lambda: 0.0),
            wall=lambda: 1000.0,
            identifier="me",
            strip_ansi=True,
            group=self.groups.get,
            stdin=self.stdins.get,
            log_target=lambda _id: self.target,
            restart=self.restarted.append,
            publish=self.published.append,
            journal=self.journal,
        )

    def _say_trouble(self, text: str) -> None:
        self.log.append(text)

    def hear(self, notice: n.Notice) -> None:
        self.listeners.hear(Told(0, 0.0, 0.0, notice))

    def add(self, name: str = "ear", events: tuple[str, ...] = ("REMOTE_COMMUNICATION",), **options: Any) -> None:
        process = ProcessSpec(name=name, group=name, program=name, command="x", kind="eventlistener")
        spec = PoolSpec(events=events, **options)
        known = name in self.groups
        self.groups[name] = GroupSpec(name=name, kind="eventlistener", processes=(process,), pool=spec)
        self.hear(n.GroupChanged(name) if known else n.GroupAdded(name))

    def remove(self, name: str = "ear") -> None:
        del self.groups[name]
        self.hear(n.GroupRemoved(name))

    def begin(self) -> None:
        """Let the listener live and run."""
        self.child_in, ours = input_pipe()
        os.set_blocking(self.child_in, False)
        theirs, self.child_out = output_pipe()
        self.fds += [self.child_in, self.child_out]
        self.stdins[EAR] = StdinWriter(self.loop, ours)
        self.listeners.opened(EAR, theirs)
        self.hear(n.ProcessRunning(EAR, ProcessState.STARTING, 1))

    def say(self, text: str) -> None:
        """Write to the listener's stdout, until the daemon has read it."""
        os.write(self.child_out, text.encode())
        give_up_at = time.monotonic() + 20
        while self.unread():
            assert time.monotonic() < give_up_at
            self.pass_time(0.01)

    def unread(self) -> int:
        (count,) = struct.unpack("i", fcntl.ioctl(self.child_out, termios.FIONREAD, b"\0\0\0\0"))
        return int(count)

    def note(self, text: str) -> None:
        self.hear(n.RemoteCommunicated("note", text))

    def got(self) -> list[str]:
        """Return the header and the text of the events that lie on the listener's stdin."""
        try:
            return os.read(self.child_in, 1 << 20).decode().splitlines()
        except BlockingIOError:
            return []

    def sleep(self, seconds: float) -> None:
        """Stand still, as under SIGSTOP."""
        self.loop.call_soon(lambda: time.sleep(seconds))
        self.pass_time(0.01)

    def pass_time(self, seconds: float) -> None:
        self.loop.call_later(seconds, self.loop.stop)
        self.loop.run()

    def close(self) -> None:
        self.listeners.close()
        for stdin in self.stdins.values():
            stdin.close()
        for fd in self.fds:
            os.close(fd)
        self.loop.close()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


def test_without_a_pool_nothing_is_counted_or_kept(house: House) -> None:
    house.note("nobody")
    assert house.listeners.views() == []
    house.add()
    house.begin()
    house.note("first")
    house.say("READY\n")
    assert house.got()[0] == ("ver:3.0 server:me serial:0 pool:ear poolserial:0 eventname:REMOTE_COMMUNICATION len:15")


def test_a_serial_is_drawn_only_for_an_event_that_somebody_takes(house: House) -> None:
    house.add("ear")
    house.add("other", events=("PROCESS_GROUP",))
    house.hear(n.DaemonRunning())
    house.note("one")
    house.begin()
    house.say("READY\n")
    assert "serial:1 pool:ear poolserial:0" in house.got()[0], "0 was the addition of the other group"


def test_an_extensions_event_reaches_who_asked_for_it(house: House) -> None:
    house.add(events=("MINE",))
    house.begin()
    house.hear(n.EventEmitted("YOURS", "no"))
    house.hear(n.EventEmitted("MINE", "yes"))
    house.say("READY\n")
    assert house.got()[1:] == ["yes"]


def test_both_words_of_an_answer_are_taken_in_one_go(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.note("one")
    house.note("two")
    house.say("RESULT 2\nOKREADY\n")
    assert house.got()[1::2] == ["type:note"] * 2
    assert house.listeners.views()[0].delivered == 1


def test_nobody_is_given_anything_once_it_is_stopping(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.hear(n.ProcessStopping(EAR, ProcessState.RUNNING, 1))
    house.note("one")
    assert house.got() == []
    assert house.listeners.views()[0].waiting == 1


def test_at_the_end_of_the_daemon_a_listener_goes_once_it_has_taken_everything(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.hear(n.DaemonStopping())
    house.note("one")
    house.note("two")
    house.hear(n.ProcessStopping(EAR, ProcessState.RUNNING, 1))
    stopped: list[str] = []
    house.listeners.let_go(EAR, lambda: stopped.append("gone"))
    house.say("RESULT 2\nOKREADY\n")
    assert not stopped, "there is another"
    house.say("RESULT 2\nOKREADY\n")
    assert stopped == ["gone"]
    house.note("too late")
    view = house.listeners.views()[0]
    assert (view.delivered, view.waiting) == (2, 1)


def test_at_the_end_of_the_daemon_nobody_waits_for_who_hangs_for_long(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.hear(n.DaemonStopping())
    house.note("one")
    stopped: list[str] = []
    house.listeners.let_go(EAR, lambda: stopped.append("gone"))
    house.pass_time(LAST_EVENTS_S + 0.05)
    assert stopped == ["gone"]


def test_at_the_end_of_the_daemon_nobody_is_restarted(house: House) -> None:
    house.add(ackwaitsecs=0.1)
    house.begin()
    house.say("READY\n")
    house.note("one")
    house.hear(n.DaemonStopping())
    house.listeners.let_go(EAR, lambda: None)
    house.pass_time(0.5)
    assert (house.restarted, house.log) == ([], [])


def test_at_the_end_of_the_daemon_who_can_take_nothing_goes_at_once(house: House) -> None:
    house.add()
    house.begin()
    house.stdins.pop(EAR).close()
    house.say("READY\n")
    house.note("one")
    house.hear(n.DaemonStopping())
    stopped: list[str] = []
    house.listeners.let_go(EAR, lambda: stopped.append("gone"))
    assert stopped == ["gone"]


def test_at_the_end_of_the_daemon_a_second_request_is_not_held_up(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.hear(n.DaemonStopping())
    house.note("one")
    stopped: list[str] = []
    house.listeners.let_go(EAR, lambda: stopped.append("gone"))
    house.listeners.let_go(EAR, lambda: stopped.append("gone again"))
    assert stopped == ["gone"]


def test_at_the_end_of_the_daemon_who_is_through_goes_at_once(house: House) -> None:
    house.add()
    house.begin()
    house.hear(n.DaemonStopping())
    stopped: list[str] = []
    house.listeners.let_go(EAR, lambda: stopped.append("through"))
    house.say("READY\n")
    house.hear(n.ProcessRunning(EAR, ProcessState.STARTING, 1))
    house.add("other")
    house.note("one")
    house.listeners.let_go(ProcessId("other", "other"), lambda: stopped.append("not there"))
    house.listeners.let_go(ProcessId("web", "web"), lambda: stopped.append("no listener"))
    assert stopped == ["through", "not there", "no listener"]


def test_whoever_hangs_is_restarted_and_that_is_told(house: House) -> None:
    house.add(ackwaitsecs=0.05)
    house.begin()
    house.say("READY\n")
    house.note("one")
    house.pass_time(0.2)
    assert house.restarted == [EAR]
    assert [type(notice) for notice in house.published] == [n.ListenerStuck]


def test_before_a_listener_counts_as_stuck_what_lies_in_its_pipe_is_heard(house: House) -> None:
    house.add(ackwaitsecs=0.2)
    house.begin()
    house.say("READY\n")
    house.note("one")
    house.loop.call_soon(lambda: os.write(house.child_out, b"RESULT 2\nOKREADY\n"))
    house.sleep(0.5)
    assert house.restarted == []
    assert house.listeners.views()[0].delivered == 1


def test_a_daemon_that_slept_gives_listeners_their_time_anew(house: House) -> None:
    house.add(ackwaitsecs=0.2)
    house.begin()
    house.say("READY\n")
    house.note("one")
    house.sleep(0.3 + OVERSLEPT_S)
    house.pass_time(0.1)
    assert house.restarted == []
    house.pass_time(0.2)
    assert house.restarted == [EAR]


def test_a_listener_that_closes_its_stdout_is_told_of_and_restarted(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.note("one")
    house.fds.remove(house.child_out)
    os.close(house.child_out)
    house.pass_time(HANG_UP_S + 0.1)
    assert house.log == ["ear: closed its stdout and can answer no more, event 0 (REMOTE_COMMUNICATION) is given again"]
    view = house.listeners.views()[0]
    assert (view.waiting, view.listeners[0].note) == (1, "has closed its stdout")
    assert "listeners failed once over it" in view.note
    house.pass_time(1.1)
    assert house.restarted == [EAR]


def test_the_answer_of_a_member_that_leaves_counts(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.note("one")
    house.groups["ear"] = GroupSpec(name="ear", kind="eventlistener", pool=house.groups["ear"].pool)
    house.hear(n.GroupChanged("ear"))
    house.hear(n.ProcessStopping(EAR, ProcessState.RUNNING, 1))
    os.write(house.child_out, b"RESULT 2\nOK")
    left = house.listeners.ended(EAR)
    assert left is not None, "the test holds the other end"
    os.close(left)
    view = house.listeners.views()[0]
    assert (view.delivered, view.waiting) == (1, 0)


def test_a_closed_stdin_brings_the_event_back(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.fds.remove(house.child_in)
    os.close(house.child_in)
    house.note("one")
    assert house.listeners.views()[0].waiting == 1


def test_a_process_without_a_stdin_is_as_one_that_closed_it(house: House) -> None:
    house.add()
    house.begin()
    house.stdins.pop(EAR).close()
    house.say("READY\n")
    house.note("one")
    assert house.listeners.views()[0].waiting == 1


def test_the_last_words_count_and_what_is_not_answered_comes_back(house: House) -> None:
    house.add()
    house.begin()
    house.say("READY\n")
    house.note("one")
    os.write(house.child_out, b"RESULT 2\nOKREADY\n")
    left = house.listeners.ended(EAR)
    assert left is not None, "the test holds the other end"
    os.close(left)
    view = house.listeners.views()[0]
    assert (view.delivered, view.waiting, view.listeners[0].state) == (1, 0, "-")


def test_what_it_says_goes_to_its_log_without_colours(house: House) -> None:
    house.target = LogTarget("/nowhere", 0, 0)
    house.add()
    house.begin()
    assert house.drain.open == {house.target}
    house.say("\x1b[31mREADY\x1b[0m\n")
    assert house.drain.written == b"READY\n"


def test_its_log_is_let_go_of_when_it_changes_and_when_it_is_gone(house: House) -> None:
    house.target = LogTarget("/nowhere", 0, 0)
    house.add()
    house.begin()
    house.target = LogTarget("/elsewhere", 0, 0)
    house.say("READY\n")
    assert house.drain.open == {house.target}
    house.hear(n.ProcessRemoved(EAR))
    assert house.drain.open == set()


def test_a_pool_that_is_removed_says_what_it_discards_and_still_counts_it(house: House) -> None:
    house.add()
    house.note("one")
    house.note("two")
    house.remove()
    assert house.log == ["pool ear was removed, discarding 2 events"]
    assert house.listeners.dropped == 2
    assert house.listeners.views() == []
    house.add()
    house.note("three")
    assert house.listeners.views()[0].waiting == 1


def test_a_pool_that_is_removed_does_not_count_what_was_about_itself(house: House) -> None:
    house.add(events=("EVENT",))
    house.begin()
    house.say("READY\n")
    house.hear(n.ProcessStopping(EAR, ProcessState.RUNNING, 1))
    house.hear(n.ProcessStopped(EAR, ProcessState.STOPPING, 1, ExitStatus(0)))
    house.remove()
    assert house.log == []
    assert house.listeners.dropped == 0


def test_a_pool_that_is_removed_counts_what_is_in_somebodys_hands(house: House) -> None:
    house.add(events=("EVENT",))
    house.begin()
    house.say("READY\n")
    house.say("RESULT 2\nOKREADY\n" * 2)
    house.note("one")
    house.hear(n.ProcessStopping(ProcessId("web", "web"), ProcessState.RUNNING, 1))
    assert house.listeners.views()[0].listeners[0].state == "BUSY"
    house.remove()
    assert house.log[-1] == "pool ear was removed, discarding 2 events"


def test_events_that_are_lost_at_the_end_are_counted_in_the_log() -> None:
    house = House()
    house.add(events=("EVENT",))
    house.add("other")
    house.hear(n.ProcessStopped(EAR, ProcessState.STOPPING, 1, ExitStatus(0)))
    house.hear(n.ProcessStopped(ProcessId("other", "other"), ProcessState.STOPPING, 1, ExitStatus(0)))
    house.hear(n.ProcessStopped(ProcessId("web", "web"), ProcessState.STOPPING, 1, ExitStatus(0)))
    house.close()
    assert house.log == ["pool ear ends, discarding 1 events that no listener has accepted"]


def test_new_settings_keep_what_waits(house: House) -> None:
    house.add(buffer_size=10)
    for number in range(10):
        house.note(str(number))
    house.add(events=("PROCESS_GROUP",), buffer_size=4)
    house.pass_time(0.01)
    view = house.listeners.views()[0]
    assert (view.events, view.waiting, view.dropped) == (("PROCESS_GROUP",), 4, 6)
    house.note("no longer wanted")
    assert house.listeners.views()[0].waiting == 4


def test_a_group_that_is_no_pool_any_more_has_none(house: House) -> None:
    house.add()
    house.groups["ear"] = GroupSpec(name="ear")
    house.hear(n.GroupChanged("ear"))
    assert house.listeners.views() == []


def test_pools_are_shown_by_name(house: House) -> None:
    house.add("b")
    house.add("a")
    assert [view.name for view in house.listeners.views()] == ["a", "b"]


def test_ticks_are_asked_for_only_while_somebody_takes_them(house: House) -> None:
    before = house.loop.figures["callbacks"]
    house.add(events=("TICK",))
    house.remove()
    house.pass_time(0.01)
    assert house.loop.figures["callbacks"] == before + 1


def test_nonsense_is_copied_at_level_debug_once_in_a_while() -> None:
    house = House(Level.DEBG)
    house.add()
    house.begin()
    for _ in range(3):
        os.write(house.child_out, b"nonsense\n" * 1000)
        house.pass_time(0.06)
    assert len([line for line in house.log if line.startswith("'ear' stdout output:\nb'nonsense")]) <= 2
    house.close()


# --- what the next daemon has to know -----------------------------------------------------------------------------


def successor(path: Path) -> House:
    """Return a daemon that begins where another one was killed."""
    journal = Journal(str(path), print)
    journal.read()
    house = House(journal=journal)
    house.listeners.resume()
    house.add()
    house.hear(n.DaemonRunning())
    return house


def test_what_was_in_hand_when_the_daemon_was_killed_is_given_first_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "j"
    house = House(journal=Journal(str(path), print))
    house.add()
    house.begin()
    for text in ("one", "two", "three"):
        house.note(text)
    house.say("READY\n")
    (header, _, payload) = house.got()
    assert payload == "one"
    house.say("RESULT 2\nOK")
    house.say("READY\n")
    (header, _, payload) = house.got()
    assert payload == "two"
    house.pass_time(0.01)
    house.journal.flush()
    house.close()
    house.journal.close()

    again = successor(path)
    again.begin()
    again.note("four")
    again.say("READY\n")
    assert again.got() == [header, "type:note", "two"]
    again.say("RESULT 2\nOK")
    again.say("READY\n")
    header, _, payload = again.got()
    assert payload == "four"
    numbers = dict(word.split(":") for word in header.split())
    assert int(numbers["serial"]) >= 3
    assert int(numbers["poolserial"]) >= 3
    again.say("RESULT 2\nOK")
    again.pass_time(0.01)
    assert not again.journal.events
    again.close()
    again.journal.close()


def test_events_of_pools_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "j"
    before = Journal(str(path), print)
    before.note_event("other", 7, Event("REMOTE_COMMUNICATION", "x"), 3)
    before.flush()
    before.close()
    house = successor(path)
    assert not house.journal.events
    house.begin()
    house.note("one")
    house.say("READY\n")
    house.got()
    assert list(house.journal.events) == [("ear", 0)]
    house.remove()
    assert not house.journal.events
    house.close()
    house.journal.close()

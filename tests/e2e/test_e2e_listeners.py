"""Event listeners: who gets what, and what becomes of events when listeners reject, die, lie, hang or flood."""

import json
import shlex
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import world
from tests.e2e.harness import PROGRAMS, Rig, program

LATE_S = 30.0
BIG = "x" * 60_000


def listener(mode: str, events: str, *, name: str = "ear", more: str = "") -> str:
    """Return the section of a listener that records its events in a file of its name."""
    command = f"{program('listener.py')} {mode} {{dir}}/{name}.events"
    return f"[eventlistener:{name}]\ncommand={command}\nevents={events}\nstartsecs=0\n{more}\n"


SLEEPER = "[program:web]\ncommand=sleep 100000\nstartsecs=0\nautostart=false\n"


def events(rig: Rig, name: str = "ear") -> list[dict[str, str]]:
    """Return what a listener was given so far."""
    whole, _, _ = rig.text(f"{name}.events").rpartition("\n")
    return [json.loads(line) for line in whole.split("\n") if line]


def until_events(rig: Rig, count: int, *, name: str = "ear", what: str = "") -> list[dict[str, str]]:
    """Wait until a listener was given so many events of a type (any, without one); return them."""

    def there() -> list[dict[str, str]] | None:
        found = [event for event in events(rig, name) if what in event["eventname"]]
        return found if len(found) >= count else None

    return rig.wait(there, LATE_S, f"{count} events like {what!r}")


def pool(rig: Rig, name: str = "ear") -> dict[str, Any]:
    """Return what the daemon says of a pool."""
    (found,) = [pool for pool in rig.rpc.taskmaster.getEventPools() if pool["name"] == name]
    return dict(found)


def until_pool(rig: Rig, probe: Callable[[dict[str, Any]], bool], what: str = "", name: str = "ear") -> dict[str, Any]:
    """Wait until what is said of a pool is as wanted; return it."""

    def there() -> dict[str, Any] | None:
        found = pool(rig, name)
        return found if probe(found) else None

    return rig.wait(there, LATE_S, what)


def until_state(rig: Rig, state: str, name: str = "ear") -> dict[str, Any]:
    """Wait until the first listener of a pool is in a state."""
    return until_pool(rig, lambda found: found["listeners"][0]["state"] == state, f"{name} is {state}", name)


def say(rig: Rig, *texts: str) -> None:
    """Have an event of a client's own for each text."""
    for text in texts:
        assert rig.rpc.supervisor.sendRemoteCommEvent("note", text)


def notes(found: list[dict[str, str]]) -> list[str]:
    """Return the texts of client's events, in the order they were given."""
    return [event["payload"].removeprefix("type:note\n") for event in found if "REMOTE" in event["eventname"]]


# --- who gets what -------------------------------------------------------------------------------------------------


def test_a_pool_that_takes_everything_sees_the_daemon_from_its_own_addition_to_its_end(rig: Rig) -> None:
    rig.write(listener("ok", "EVENT") + "[program:web]\ncommand=sleep 100000\n")
    rig.start()
    rig.until("web", "RUNNING")
    until_events(rig, 1, what="STATE_RUNNING")
    said = [
        (event["eventname"], event["payload"]) for event in events(rig) if not event["eventname"].startswith("TICK")
    ]
    assert said[:5] == [
        ("PROCESS_GROUP_ADDED", "groupname:ear\n"),
        ("PROCESS_GROUP_ADDED", "groupname:web\n"),
        ("SUPERVISOR_STATE_CHANGE_RUNNING", ""),
        ("PROCESS_STATE_STARTING", "processname:ear groupname:ear from_state:STOPPED tries:0"),
        ("PROCESS_STATE_STARTING", "processname:web groupname:web from_state:STOPPED tries:0"),
    ]
    rig.stop()
    end = events(rig)
    serials = [int(event["serial"]) for event in end]
    assert serials == [int(event["poolserial"]) for event in end] == list(range(len(end)))
    assert {(event["ver"], event["server"], event["pool"]) for event in end} == {("3.0", "supervisor", "ear")}


@pytest.mark.ours
def test_the_last_events_of_the_daemon_are_taken_before_the_listener_goes(rig: Rig) -> None:
    rig.write(
        listener("slow", "SUPERVISOR_STATE_CHANGE,PROCESS_STATE_STOPPED") + "[program:web]\n"
        "command=sleep 100000\nstartsecs=0\nnumprocs=8\nprocess_name=%(process_num)s\n"
    )
    rig.start()
    rig.until_all("RUNNING")
    until_events(rig, 1, what="STATE_CHANGE_RUNNING")
    rig.stop()
    names = [event["eventname"] for event in events(rig)]
    assert names[1:] == ["SUPERVISOR_STATE_CHANGE_STOPPING"] + ["PROCESS_STATE_STOPPED"] * 8


@pytest.mark.ours
def test_a_listener_that_hangs_holds_up_the_end_by_a_second_at_most(rig: Rig) -> None:
    rig.write(listener("hang", "SUPERVISOR_STATE_CHANGE"))
    rig.start()
    until_events(rig, 1)
    at = time.monotonic()
    rig.stop()
    assert time.monotonic() - at < 5


def test_events_go_to_subscribers_only_and_each_pool_counts_for_itself(rig: Rig) -> None:
    rig.write(
        listener("ok", "PROCESS_STATE_STARTING,PROCESS_STATE_STOPPED", name="states")
        + listener("ok", "REMOTE_COMMUNICATION", name="notes")
        + listener("ok", "REMOTE_COMMUNICATION,PROCESS_STATE_STOPPED", name="both")
        + SLEEPER
    )
    rig.start()
    say(rig, "one")
    rig.ctl("start", "web")
    rig.ctl("stop", "web")
    say(rig, "two")
    until_events(rig, 2, name="notes")
    until_events(rig, 3, name="both")
    until_events(rig, 1, name="states", what="STOPPED")
    assert notes(events(rig, "notes")) == ["one", "two"]
    assert [event["poolserial"] for event in events(rig, "notes")] == ["0", "1"]
    assert [event["eventname"][:6] for event in events(rig, "both")] == ["REMOTE", "PROCES", "REMOTE"]
    assert {event["eventname"] for event in events(rig, "states")} == {
        "PROCESS_STATE_STARTING",
        "PROCESS_STATE_STOPPED",
    }
    by_note = {
        name: [event["serial"] for event in events(rig, name) if "REMOTE" in event["eventname"]]
        for name in ("notes", "both")
    }
    assert by_note["notes"] == by_note["both"], "one event has one serial, whoever gets it"
    rig.stop()


def test_output_and_communications_of_a_program_are_events(rig: Rig) -> None:
    talk = "printf 'plain\\n<!--XSUPERVISOR:BEGIN-->inside<!--XSUPERVISOR:END-->'; echo oops >&2; exec sleep 100000"
    rig.write(
        listener("ok", "PROCESS_LOG,PROCESS_COMMUNICATION")
        + f"[program:web]\ncommand=/bin/sh -c {shlex.quote(talk)}\n"
        + "stdout_capture_maxbytes=1KB\nstdout_events_enabled=true\nstderr_events_enabled=true\n"
    )
    rig.start()
    until_events(rig, 1, what="COMMUNICATION_STDOUT")
    until_events(rig, 1, what="LOG_STDERR")
    head = f"processname:web groupname:web pid:{rig.pid('web')}"
    rig.wait(lambda: payloads(rig, "LOG_STDOUT", f"{head} channel:stdout\n") == "plain\ninside", LATE_S)
    assert payloads(rig, "COMMUNICATION_STDOUT", f"{head}\n") == "inside"
    assert payloads(rig, "LOG_STDERR", f"{head} channel:stderr\n") == "oops\n"
    rig.stop()


def payloads(rig: Rig, kind: str, head: str) -> str:
    """Return what events of a type carried behind a head that all of them have, together."""
    said = [event["payload"] for event in events(rig) if kind in event["eventname"]]
    assert all(text.startswith(head) for text in said)
    return "".join(text.removeprefix(head) for text in said)


def test_the_length_of_an_event_counts_characters(rig: Rig) -> None:
    rig.write(listener("ok", "REMOTE_COMMUNICATION"))
    rig.start()
    say(rig, "Malmö, 東京", "behind it")
    found = until_events(rig, 2)
    assert notes(found) == ["Malmö, 東京", "behind it"]
    assert found[0]["len"] == str(len("type:note\nMalmö, 東京"))
    rig.stop()


def test_ticks_come_on_multiples_of_their_period(rig: Rig) -> None:
    rig.write(listener("ok", "TICK_5"))
    began = time.time()
    rig.start()
    first, second = [int(event["payload"].removeprefix("when:")) for event in until_events(rig, 2)[:2]]
    assert first % 5 == 0
    assert began < first <= began + 12
    assert second == first + 5
    rig.stop()


@pytest.mark.ours
def test_without_a_tick_to_give_an_idle_daemon_sleeps(rig: Rig) -> None:
    rig.write(listener("ok", "PROCESS_STATE"))
    rig.start()
    until_state(rig, "READY")
    until_pool(rig, lambda found: found["waiting"] == 0)
    before = rig.rpc.taskmaster.getFigures()["loop_wakeups"]
    at = time.monotonic()
    rig.wait(lambda: time.monotonic() > at + 3.0, LATE_S)
    assert rig.rpc.taskmaster.getFigures()["loop_wakeups"] - before <= 8  # those of the question itself
    rig.stop()


def test_events_of_a_pool_of_two_go_to_whoever_is_free(rig: Rig) -> None:
    command = program("listener.py") + " hang-first {dir}/ear.events"
    more = "numprocs=2\nprocess_name=%(program_name)s_%(process_num)s\n"
    rig.write(
        f"[eventlistener:ear]\ncommand={command}\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n{more}",
    )
    rig.start()
    rig.until_all("RUNNING")
    say(rig, "one")
    until_events(rig, 1)
    say(rig, "two", "three")
    assert notes(until_events(rig, 3)) == ["one", "two", "three"]
    assert len({event["pid"] for event in events(rig)}) == 2
    rig.stop()


@pytest.mark.ours
def test_a_pool_changes_while_it_works_and_goes(rig: Rig) -> None:
    rig.write(listener("ok", "REMOTE_COMMUNICATION"))
    rig.start()
    say(rig, "one")
    until_events(rig, 1)
    rig.write(listener("ok", "REMOTE_COMMUNICATION,PROCESS_GROUP", more="buffer_size=3") + SLEEPER)
    rig.rpc.taskmaster.reread("")
    rig.rpc.taskmaster.update([])
    added = until_events(rig, 1, what="PROCESS_GROUP_ADDED")
    assert added[0]["payload"] == "groupname:web\n"
    assert until_state(rig, "READY")["buffer_size"] == 3
    rig.write(SLEEPER)
    rig.rpc.taskmaster.reread("")
    rig.rpc.taskmaster.update([])
    rig.wait(lambda: rig.rpc.taskmaster.getEventPools() == [], LATE_S)
    say(rig, "nobody there")
    rig.stop()


@pytest.mark.ours
def test_a_native_configuration_has_listeners_too(rig: Rig) -> None:
    rig.write_native(
        "  web: {command: sleep 100000, autostart: false}\n"
        "eventlisteners:\n"
        f"  ear: {{command: '{program('listener.py')} ok {{dir}}/ear.events', events: [REMOTE_COMMUNICATION]}}\n"
    )
    rig.start()
    say(rig, "one")
    assert notes(until_events(rig, 1)) == ["one"]
    rig.stop()


def test_a_restart_of_the_daemon_begins_anew(rig: Rig) -> None:
    rig.write(listener("ok", "REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE"))
    rig.start()
    say(rig, "one")
    until_events(rig, 1, what="REMOTE")
    world.kill(rig.daemon_pid, signal.SIGHUP)
    until_events(rig, 2, what="STATE_CHANGE_RUNNING")
    rig.wait_ready()
    say(rig, "two")
    assert notes(until_events(rig, 2, what="REMOTE")) == ["one", "two"]
    rig.stop()


# --- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.ours
def test_a_rejected_event_is_given_again_first_and_to_its_own_pool_only(rig: Rig) -> None:
    rig.write(
        listener("fail-first", "REMOTE_COMMUNICATION", more="priority=-1")
        + listener("ok", "PROCESS_GROUP", name="other", more="priority=-1")
    )
    rig.start()
    say(rig, "one", "two")
    assert notes(until_events(rig, 4)) == ["one", "one", "two", "two"]
    assert len(rig.until_line("^ear: event was rejected$", 2)) == 2
    found = until_pool(rig, lambda found: found["delivered"] == 2)
    assert (found["rejected"], found["dropped"], found["waiting"]) == (2, 0, 0)
    assert not notes(events(rig, "other"))
    rig.stop()


HANDLER = """\
class RejectEvent(Exception):
    pass


class Later(RejectEvent):
    pass


seen = []


def judge(event, result):
    seen.append(event.serial)
    assert result == b"OK"
    assert event.name == "REMOTE_COMMUNICATION"
    if "later" in event.payload() and seen.count(event.serial) == 1:
        raise Later
    if "broken" in event.payload() and seen.count(event.serial) == 1:
        raise ValueError("no idea")
    if "interrupted" in event.payload() and seen.count(event.serial) == 1:
        raise KeyboardInterrupt
"""


@pytest.mark.ours
def test_a_result_handler_of_ones_own_judges(rig: Rig) -> None:
    (rig.dir / "judging.py").write_text(HANDLER)
    rig.write(listener("ok", "REMOTE_COMMUNICATION", more="result_handler=judging:judge"))
    rig.start(PYTHONPATH=f"{rig.dir}:{rig.environment()['PYTHONPATH']}")
    say(rig, "now", "later", "broken", "interrupted", "end")
    said = ["now", "later", "later", "broken", "broken", "interrupted", "interrupted", "end"]
    assert notes(until_events(rig, 8)) == said
    rig.until_line("ear: event was rejected")
    rig.until_line("ear: event caused an error")
    assert "ValueError: no idea" in rig.text("d.log")
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("mode", ["garbage-first", "too-much"])
def test_whoever_breaks_the_protocol_is_listened_to_again_once_ready(rig: Rig, mode: str) -> None:
    rig.write(listener(mode, "REMOTE_COMMUNICATION", more="ackwaitsecs=5"))
    rig.start()
    said = [f"note {number}" for number in range(5)]
    say(rig, *said)
    found = until_pool(rig, lambda found: found["waiting"] == 0 and found["listeners"][0]["state"] == "READY")
    assert list(dict.fromkeys(notes(events(rig)))) == said, "each was given, and in order"
    assert found["dropped"] == 0
    rig.until_line(
        "^ear: has entered the UNKNOWN state and will no longer receive events until it says READY again, this"
    )
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("mode", ["too-little", "far-too-much"])
def test_whoever_announces_more_than_it_says_is_restarted_in_the_end(rig: Rig, mode: str) -> None:
    rig.write(listener(mode, "REMOTE_COMMUNICATION", more="ackwaitsecs=1"))
    rig.start()
    say(rig, "one", "two")
    found = until_pool(rig, lambda found: found["delivered"] == 2)
    assert found["dropped"] == 0
    assert notes(events(rig)) == ["one", "one", "two", "two"]
    assert len(rig.lines("^ear: .* restarting it$")) == 2
    rig.stop()


@pytest.mark.ours
def test_nonsense_before_the_first_ready_is_no_end(rig: Rig) -> None:
    command = program("listener.py") + " ok {dir}/ear.events"
    rig.write(
        f"[eventlistener:ear]\ncommand=/bin/sh -c 'echo starting up; exec {command}'\nevents=REMOTE_COMMUNICATION\n"
        "startsecs=0\n"
    )
    rig.start()
    say(rig, "one")
    assert notes(until_events(rig, 1)) == ["one"]
    assert len(rig.until_line("ear: has entered the UNKNOWN state")) == 1
    rig.stop()


@pytest.mark.parametrize("mode", ["flood", "flip", "eager"])
@pytest.mark.ours
def test_a_flood_of_nonsense_costs_next_to_nothing(rig: Rig, mode: str) -> None:
    rig.write(listener(mode, "REMOTE_COMMUNICATION") + SLEEPER)
    rig.start()
    rig.until_line("ear: has entered the UNKNOWN state")
    before, at = world.figures(rig.daemon_pid), time.monotonic()
    rig.wait(lambda: time.monotonic() > at + 3.0, LATE_S)
    after = world.figures(rig.daemon_pid)
    assert after.cpu_s - before.cpu_s < 0.3 * (time.monotonic() - at)
    assert len(rig.lines("")) < 40
    assert rig.ctl("start", "web").code == 0
    rig.stop()


@pytest.mark.ours
def test_a_flood_at_level_debug_leaves_a_log_that_can_be_read(rig: Rig) -> None:
    rig.write(listener("flood", "REMOTE_COMMUNICATION"), daemon="loglevel=debug")
    rig.start()
    rig.until_line("ear: has entered the UNKNOWN state")
    at = time.monotonic()
    rig.wait(lambda: time.monotonic() > at + 3.0, LATE_S)
    assert len(rig.lines("'ear' stdout output:")) < 10
    rig.stop()


# --- listeners that die, hang or do not read -----------------------------------------------------------------------


@pytest.mark.ours
def test_an_event_whose_listener_died_over_it_is_given_again(rig: Rig) -> None:
    rig.write(listener("die-first", "REMOTE_COMMUNICATION"))
    rig.start()
    say(rig, "one", "two")
    found = until_events(rig, 3)
    assert notes(found) == ["one", "one", "two"]
    assert found[0]["serial"] == found[1]["serial"]
    assert found[0]["pid"] != found[1]["pid"]
    facts = until_pool(rig, lambda facts: facts["delivered"] == 2)
    assert (facts["redelivered"], facts["dropped"]) == (1, 0)
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("mode", ["die-of-poison", "fail-poison"])
def test_an_event_that_nobody_can_handle_holds_up_no_other_and_is_to_be_seen(rig: Rig, mode: str) -> None:
    rig.write(listener(mode, "REMOTE_COMMUNICATION"))
    rig.start()
    bread = [f"bread {number}" for number in range(5)]
    say(rig, "poison", *bread)
    facts = until_pool(rig, lambda facts: facts["delivered"] == 5)
    assert [text for text in notes(events(rig)) if text != "poison"] == bread
    assert facts["dropped"] == 0
    rig.wait(lambda: "  oldest event 0 (REMOTE_COMMUNICATION): " in rig.ctl("pools").text, LATE_S)
    rig.stop()
    rig.until_line("^pool ear ends, discarding 1 events that no listener has accepted$")


@pytest.mark.ours
def test_listeners_that_are_killed_at_random_lose_nothing(rig: Rig) -> None:
    more = "numprocs=3\nprocess_name=ear%(process_num)s"
    rig.write(listener("slow", "REMOTE_COMMUNICATION", more=more))
    rig.start()
    rig.until_all("RUNNING")
    for number in range(40):
        say(rig, f"{number}")
        world.kill(rig.until(f"ear:ear{number % 3}", "RUNNING")["pid"], signal.SIGKILL)
    facts = until_pool(rig, lambda facts: facts["delivered"] == 40)
    assert (facts["dropped"], facts["waiting"]) == (0, 0)
    assert set(notes(events(rig))) == {str(number) for number in range(40)}
    rig.stop()


@pytest.mark.ours
def test_a_listener_that_closes_its_stdout_is_told_of_and_restarted(rig: Rig) -> None:
    rig.write(listener("hang-up", "REMOTE_COMMUNICATION"))
    rig.start()
    say(rig, "one", "two")
    until_pool(rig, lambda facts: facts["delivered"] == 2)
    rig.until_line(
        r"^ear: closed its stdout and can answer no more, event \d+ \(REMOTE_COMMUNICATION\) is given again$"
    )
    rig.until_line("^ear: has closed its stdout, restarting it$")
    rig.stop()


@pytest.mark.ours
def test_a_listener_that_ends_is_not_said_to_have_closed_its_stdout(rig: Rig) -> None:
    rig.write(listener("die-of-poison", "REMOTE_COMMUNICATION"))
    rig.start()
    say(rig, "poison")
    until_events(rig, 5)
    rig.stop()
    assert not rig.lines("closed its stdout")


@pytest.mark.ours
def test_a_daemon_that_slept_restarts_nobody(rig: Rig) -> None:
    rig.write(listener("wait", "REMOTE_COMMUNICATION", more="ackwaitsecs=1"))
    rig.start()
    before = rig.until("ear", "RUNNING")["pid"]
    say(rig, "one")
    until_events(rig, 1)
    world.kill(rig.daemon_pid, signal.SIGSTOP)
    at = time.monotonic()
    rig.wait(lambda: time.monotonic() > at + 3.5, LATE_S)
    (rig.dir / "ear.events.go").touch()
    world.kill(rig.daemon_pid, signal.SIGCONT)
    until_pool(rig, lambda facts: facts["delivered"] == 1)
    assert rig.pid("ear") == before
    assert not rig.lines("restarting it")
    rig.stop()


@pytest.mark.ours
def test_the_last_answer_of_a_process_that_a_pool_has_too_many_counts(rig: Rig) -> None:
    answer = (
        'trap "sleep 0.2; printf \'RESULT 2\\nOK\'; exit 0" TERM; printf "READY\\n"; read -r line; '
        'echo "$line" >> {dir}/got; while :; do sleep 0.05; done'
    )

    def section(count: int) -> str:
        command = f"/bin/sh -c {shlex.quote(answer)}"
        return (
            f"[eventlistener:ear]\ncommand={command}\nevents=REMOTE_COMMUNICATION\nstartsecs=0\nstopasgroup=false\n"
            f"numprocs={count}\nprocess_name=ear%(process_num)s\n"
        )

    rig.write(section(2))
    rig.start()
    until_pool(rig, lambda facts: [one["state"] for one in facts["listeners"]] == ["READY", "READY"])
    say(rig, "one", "two")
    until_pool(rig, lambda facts: [one["state"] for one in facts["listeners"]] == ["BUSY", "BUSY"])
    rig.write(section(1))
    rig.rpc.taskmaster.reread("")
    rig.rpc.taskmaster.update([])
    facts = until_pool(rig, lambda facts: facts["delivered"] >= 1)
    assert (facts["redelivered"], facts["waiting"]) == (0, 0)
    assert len(rig.text("got").splitlines()) == 2
    rig.stop()


@pytest.mark.ours
def test_a_pool_tells_of_a_listener_that_closed_its_stdin(rig: Rig) -> None:
    rig.write(listener("deaf", "REMOTE_COMMUNICATION"))
    rig.start()
    until_state(rig, "READY")
    say(rig, "one")
    rig.wait(lambda: ", has closed its stdin" in rig.ctl("pools").text, LATE_S)
    rig.stop()


@pytest.mark.ours
def test_a_listener_that_says_ready_and_never_reads_is_restarted(rig: Rig) -> None:
    never_reads = "while :; do printf 'READY\\n'; sleep 0.1; done"
    rig.write(
        f"[eventlistener:ear]\ncommand=/bin/sh -c {shlex.quote(never_reads)}\nevents=REMOTE_COMMUNICATION\n"
        "startsecs=0\nackwaitsecs=1\nstopasgroup=true\n"
    )
    rig.start()
    before = rig.until("ear", "RUNNING")["pid"]
    say(rig, BIG + BIG)
    rig.until_new_pid("ear", before)
    rig.until_line("^ear: has not read its stdin for 1 seconds while 1 events wait, restarting it$")
    rig.stop()


@pytest.mark.ours
def test_a_listener_that_hangs_is_restarted_and_gets_its_event_again(rig: Rig) -> None:
    rig.write(listener("hang-first", "REMOTE_COMMUNICATION", more="ackwaitsecs=1"))
    rig.start()
    before = rig.until("ear", "RUNNING")["pid"]
    say(rig, "one", "two")
    found = until_events(rig, 3)
    assert notes(found) == ["one", "one", "two"]
    rig.until_line(r"^ear: has not answered event \d+ \(REMOTE_COMMUNICATION\) for 1 seconds, restarting it$")
    assert rig.until_new_pid("ear", before) == int(found[1]["pid"])
    assert until_pool(rig, lambda facts: facts["delivered"] == 2)["redelivered"] == 1
    rig.stop()


@pytest.mark.ours
def test_a_listener_that_never_says_ready_is_restarted_once_events_wait(rig: Rig) -> None:
    rig.write(listener("mute", "REMOTE_COMMUNICATION", more="ackwaitsecs=1"))
    rig.start()
    before = rig.until("ear", "RUNNING")["pid"]
    at = time.monotonic()
    rig.wait(lambda: time.monotonic() > at + 1.5, LATE_S)
    assert rig.pid("ear") == before, "nobody waits for it"
    say(rig, "one")
    rig.until_new_pid("ear", before)
    rig.until_line("^ear: has not been READY for 1 seconds while 1 events wait, restarting it$")
    rig.stop()


@pytest.mark.ours
def test_a_suspended_listener_is_restarted_too(rig: Rig) -> None:
    rig.write(listener("ok", "REMOTE_COMMUNICATION", more="ackwaitsecs=1\nstopwaitsecs=1"))
    rig.start()
    until_state(rig, "READY")
    before = rig.pid("ear")
    world.kill(before, signal.SIGSTOP)
    say(rig, "one")
    rig.until_new_pid("ear", before)
    assert notes(until_events(rig, 1)) == ["one"]
    rig.stop()


@pytest.mark.ours
def test_a_stop_by_hand_stays_a_stop_and_its_events_wait(rig: Rig) -> None:
    rig.write(listener("ok", "REMOTE_COMMUNICATION", more="ackwaitsecs=1"))
    rig.start()
    say(rig, "one")
    until_events(rig, 1)
    rig.ctl("stop", "ear")
    say(rig, "two")
    facts = pool(rig)
    assert (facts["waiting"], facts["listeners"][0]["state"]) == (1, "-")
    at = time.monotonic()
    rig.wait(lambda: time.monotonic() > at + 1.5, LATE_S)
    assert rig.state("ear") == "STOPPED"
    rig.ctl("start", "ear")
    assert notes(until_events(rig, 2)) == ["one", "two"]
    rig.stop()


@pytest.mark.ours
def test_big_events_to_one_who_answers_without_reading_do_the_daemon_no_harm(rig: Rig) -> None:
    rig.write(listener("blind", "REMOTE_COMMUNICATION", more="ackwaitsecs=2") + SLEEPER)
    rig.start()
    before = rig.until("ear", "RUNNING")["pid"]
    until_state(rig, "READY")
    for number in range(20):
        say(rig, f"{number}{BIG}")
    facts = pool(rig)
    assert facts["delivered"] <= 2, "an event it cannot have read is not followed by another"
    assert facts["waiting"] + facts["delivered"] + 1 >= 20
    assert rig.ctl("start", "web").code == 0
    rig.until_new_pid("ear", before)
    rig.stop()


@pytest.mark.ours
def test_an_event_much_bigger_than_a_pipe_arrives_whole(rig: Rig) -> None:
    rig.write(listener("ok", "REMOTE_COMMUNICATION"))
    rig.start()
    big = "0123456789" * 90_000
    say(rig, "before", big, "after")
    assert notes(until_events(rig, 3)) == ["before", big, "after"]
    rig.stop()


@pytest.mark.ours
def test_a_closed_stdin_makes_the_event_go_to_another(rig: Rig) -> None:
    rig.write(
        "[eventlistener:ear]\n"
        f"command=/bin/sh -c 'if [ $SUPERVISOR_PROCESS_NAME = ear0 ]; then m=deaf; else m=ok; fi; "
        f"exec {program('listener.py')} $m {{dir}}/ear.events'\n"
        "events=REMOTE_COMMUNICATION\nstartsecs=0\nnumprocs=2\nprocess_name=ear%(process_num)s\n"
    )
    rig.start()
    until_pool(rig, lambda facts: [one["state"] for one in facts["listeners"]] == ["READY", "READY"])
    say(rig, "one", "two")
    assert notes(until_events(rig, 2)) == ["one", "two"]
    assert {int(event["pid"]) for event in events(rig)} == {rig.pid("ear:ear1")}
    rig.stop()


@pytest.mark.ours
def test_a_full_buffer_drops_the_oldest_and_counts(rig: Rig) -> None:
    rig.write(listener("hang", "REMOTE_COMMUNICATION", more="buffer_size=5"))
    rig.start()
    until_state(rig, "READY")
    say(rig, *(f"note {number}" for number in range(26)))  # one is given, five wait
    facts = until_pool(rig, lambda facts: facts["dropped"] == 20)
    assert facts["waiting"] == 5
    assert rig.rpc.taskmaster.getFigures()["events_dropped"] == 20
    rig.until_line("^pool ear event buffer overflowed, discarding event 1$")
    rig.until_line(r"^pool ear event buffer overflowed, discarding event 20 \(and 18 more\)$")
    assert "dropped" in rig.ctl("pools").text
    rig.stop()


# --- what it says beside the protocol, and programs from elsewhere -------------------------------------------------


def test_the_output_of_a_listener_is_in_its_log_and_its_errors_are_a_programs(rig: Rig) -> None:
    rig.write(
        "[eventlistener:ear]\nevents=REMOTE_COMMUNICATION\nstartsecs=0\nstdout_logfile={dir}/out\n"
        "stderr_logfile={dir}/err\n"
        "command=/bin/sh -c 'echo oops >&2; while echo READY; read line; do printf \"RESULT 2\\nOK\"; done'\n"
    )
    rig.start()
    say(rig, "")
    rig.until_text("out", "READY\nRESULT 2\nOKREADY\n")
    rig.until_text("err", "oops\n")
    assert rig.info("ear")["stdout_logfile"] == str(rig.dir / "out")
    assert rig.rpc.supervisor.readProcessStdoutLog("ear", 0, 0).startswith("READY\n")
    rig.stop()


@pytest.mark.ours
def test_the_last_answer_of_a_listener_that_ends_counts(rig: Rig) -> None:
    last = "printf 'READY\\n'; read line; printf 'RESULT 2\\nOK'"
    rig.write(
        f"[eventlistener:ear]\ncommand=/bin/sh -c {shlex.quote(last)}\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n"
        "autorestart=false\n"
    )
    rig.start()
    say(rig, "")
    rig.until("ear", "EXITED")
    assert until_pool(rig, lambda facts: facts["delivered"] == 1)["waiting"] == 0
    rig.stop()


@pytest.mark.ours
def test_what_a_listener_left_behind_neither_blocks_nor_is_lost(rig: Rig) -> None:
    leftover = "(trap '' TERM; sleep 0.3; echo from below; sleep 0.2) & exit 0"
    rig.write(
        f"[eventlistener:ear]\ncommand=/bin/sh -c {shlex.quote(leftover)}\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n"
        "autorestart=false\nstdout_logfile={dir}/out\n"
    )
    rig.start()
    rig.until("ear", "EXITED")
    rig.until_text("out", "from below\n")
    rig.wait(lambda: not [pid for pid in rig.processes() if pid != rig.daemon_pid], LATE_S)
    rig.stop()


def test_a_client_can_write_to_the_stdin_of_a_listener(rig: Rig) -> None:
    echo = 'while read line; do echo "$line" >> {dir}/got; done'
    rig.write(
        f"[eventlistener:ear]\ncommand=/bin/sh -c {shlex.quote(echo)}\nevents=REMOTE_COMMUNICATION\nstartsecs=0\n"
    )
    rig.start()
    assert rig.rpc.supervisor.sendProcessStdin("ear", "hello\n")
    rig.until_text("got", "hello\n")
    rig.stop()


def test_output_that_is_not_text_is_shown_as_python_writes_it(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'printf \"\\210\\n\"; exec sleep 100000'\nautorestart=false\n",
        daemon="loglevel=debug",
    )
    rig.start()
    rig.until_text("d.log", "Undecodable: b'\\x88\\n'")
    rig.stop()


def test_the_end_of_a_child_is_told_at_level_debug(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=true\nstartsecs=0\nautorestart=false\n", daemon="loglevel=debug")
    rig.start()
    assert rig.until_line("^received SIGCHLD indicating a child quit$")[0].level == "DEBG"
    rig.stop()


def test_the_answers_of_a_listener_are_told_at_level_debug(rig: Rig) -> None:
    rig.write(listener("ok", "REMOTE_COMMUNICATION"), daemon="loglevel=debug")
    rig.start()
    rig.until_text("d.log", "'ear' stdout output:\nb'READY\\n'\n")
    rig.until_line("^ear: ACKNOWLEDGED -> READY$")
    say(rig, "one")
    rig.until_line("^event 0 sent to listener ear$")
    rig.until_line("^ear: event was processed$")
    rig.until_line("^ear: BUSY -> ACKNOWLEDGED$")
    rig.stop()


def test_a_listener_of_one_line_ends_the_daemon_when_a_program_is_fatal(rig: Rig) -> None:
    rig.write(
        "[program:nonexistent]\ncommand={dir}/nonexistent\nstartsecs=0\nstartretries=0\nautorestart=false\n"
        "[eventlistener:fatalexit]\nevents=PROCESS_STATE_FATAL\nstartsecs=0\nstartretries=0\n"
        'command=sh -c \'while true; do printf "READY\\n"; read line; kill -15 $PPID; printf "RESULT 2\\n"; '
        'printf "OK"; done\'\n'
    )
    rig.start(ready=False)
    rig.wait_end(LATE_S)
    assert rig.lines("gave up: nonexistent entered FATAL state")
    assert rig.lines("received SIGTERM indicating exit request")


def test_a_listener_in_the_manner_of_superlance(rig: Rig) -> None:
    rig.write(
        f"[eventlistener:crashmail]\ncommand={sys.executable} {PROGRAMS / 'crashmail.py'} {{dir}}/mail\n"
        "events=PROCESS_STATE\nstartsecs=0\n"
        "[program:web]\ncommand=sh -c 'exit 7'\nstartsecs=0\nautostart=false\nautorestart=false\n"
    )
    rig.start()
    rig.ctl("start", "web")
    rig.until("web", "EXITED")
    mail = rig.until_text("mail", "\n", LATE_S)
    assert mail.startswith("web exited unexpectedly from RUNNING with 7 (pid ")
    rig.stop()

"""Event listeners: who gets what, what becomes of what they answer, and what they say beside it."""

import shlex
import signal
import sys
import time

import pytest

from tests.e2e import world
from tests.e2e.harness import PROGRAMS, Rig, program
from tests.e2e.listening import LATE_S, SLEEPER, events, listener, notes, say, until_events, until_pool, until_state

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

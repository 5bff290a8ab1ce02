"""Event listeners that die, hang, lie or do not read: no event is lost, and nobody else notices."""

import shlex
import signal
import time

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.listening import (
    BIG,
    LATE_S,
    SLEEPER,
    events,
    listener,
    notes,
    pool,
    say,
    until_events,
    until_pool,
    until_state,
)

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

"""The exit status of a container is that of the program whose end is its end, and its last line names it."""

import signal

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.faults.containers import last_line, said, until_said, write

LONG = "sleep 100000"
ONCE = "essential: true, autorestart: false, starttime: 0"


@pytest.mark.parametrize("code", [0, 1, 2, 127, 128, 255])
def test_the_exit_status_of_an_essential_program(rig: Rig, code: int) -> None:
    write(rig, f"  web: {{command: {program('exits.py')} {code}, {ONCE}}}")
    ended = rig.run_daemon("--container")
    assert ended.code == code
    assert last_line(ended.text) == f"ends with exit status {code}: essential program 'web' ended: exit status {code}"
    rig.assert_nothing_left()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGHUP"])
def test_a_signal_is_told_as_a_shell_does(rig: Rig, name: str) -> None:
    write(rig, f"  web: {{command: {program('exits.py')} {name}, {ONCE}}}")
    ended = rig.run_daemon("--container")
    status = 128 + signal.Signals[name]
    assert ended.code == status
    line = f"ends with exit status {status}: essential program 'web' ended: terminated by {name}"
    assert last_line(ended.text).startswith(line)


def test_who_was_given_up_and_who_never_started(rig: Rig) -> None:
    failing = f"command: {program('exits.py')} 4, starttime: 20, startretries: 1, autorestart: true"
    write(rig, f"  web: {{{failing}, essential: true}}")
    ended = rig.run_daemon("--container")
    assert (ended.code, last_line(ended.text)) == (
        4,
        "ends with exit status 4: essential program 'web' was given up: exit status 4",
    )
    assert ended.text.count("spawned: 'web'") == 2
    write(rig, "  web: {command: /nowhere/web --now, essential: true, startretries: 0}")
    ended = rig.run_daemon("--container")
    assert ended.code == 127
    assert last_line(ended.text).startswith("ends with exit status 127: essential program 'web' could not be started: ")
    assert "/nowhere/web" in last_line(ended.text)


def test_a_hook_that_forbids_the_start_is_no_start(rig: Rig) -> None:
    write(rig, f"  web: {{command: {LONG}, essential: true, prestart: 'false', startretries: 0}}")
    ended = rig.run_daemon("--container")
    assert (ended.code, "prestart" in last_line(ended.text)) == (127, True)


def test_what_is_no_end(rig: Rig) -> None:
    tally = f"{program('exits.py')} 3 --first 2 {{dir}}/tally"
    write(
        rig,
        f"  web: {{command: {LONG}, essential: true, starttime: 0}}\n"
        f"  again: {{command: {tally}, essential: true, autorestart: true, starttime: 0}}",
    )
    rig.start("--container")
    until_said(rig, "again stdout: stays")  # ended twice, and started again each time
    assert rig.ctl("stop", "web").code == 0
    assert rig.ctl("start", "web").code == 0
    pid = rig.pid("web")
    assert rig.ctl("restart", "web").code == 0
    pid = rig.until_new_pid("web", pid)
    rig.conf.write_text(rig.conf.read_text().replace(f"{LONG}, essential", f"{LONG}0, essential"))
    assert rig.ctl("update").code == 0
    rig.until_new_pid("web", pid)
    rig.conf.write_text("\n".join(line for line in rig.conf.read_text().splitlines() if not line.startswith("  web:")))
    assert rig.ctl("update").code == 0
    assert set(rig.states()) == {"again:again"}
    assert "ends with" not in said(rig)
    rig.stop()
    assert "ends with" not in said(rig)


def test_a_program_that_was_stopped_by_hand_may_fail_its_next_start(rig: Rig) -> None:
    write(rig, f"  web: {{command: {LONG}, essential: true, starttime: 0, autorestart: false}}")
    rig.start("--container")
    rig.ctl("stop", "web")
    rig.ctl("start", "web")
    world.kill(rig.until("web", "RUNNING")["pid"], signal.SIGINT)
    rig.wait_end(code=130)


@pytest.mark.parametrize(
    ("exit_on", "end", "code"),
    [
        ("fatal:any", "starttime: 20, startretries: 0", 9),
        ("fatal:shop", "starttime: 20, startretries: 0", 9),
        ("exit:worker", "starttime: 0, autorestart: false", 9),
        ("'exit:shop:worker_01'", "starttime: 0, autorestart: false", 9),
    ],
)
def test_other_reasons_to_end(rig: Rig, exit_on: str, end: str, code: int) -> None:
    ends = f"sh -c 'test %(process_num)d = 0 && exec {LONG}; exit 9'"
    write(
        rig,
        f'  worker: {{command: "{ends}", numprocs: 2, {end}}}\n  web: {{command: {LONG}}}\n'
        "groups: {shop: {programs: [worker]}}",
        f"  exit_on: [{exit_on}]\n",
    )
    ended = rig.run_daemon("--container")
    assert ended.code == code
    assert last_line(ended.text).startswith("ends with exit status 9: program 'shop:worker_01' ")


def test_reasons_and_essence_change_while_it_runs(rig: Rig) -> None:
    write(rig, f"  web: {{command: {LONG}, autorestart: false}}\n  job: {{command: {LONG}, autorestart: false}}")
    rig.start("--container")
    rig.until_all("RUNNING")
    pids = rig.pid("web"), rig.pid("job")
    text = rig.conf.read_text()
    rig.conf.write_text(text.replace("  socket:", "  exit_on: exit:web\n  socket:"))
    assert rig.ctl("update").code == 0
    world.kill(pids[1])
    rig.until("job", "EXITED")
    assert rig.pid("web") == pids[0]
    assert rig.daemon is not None
    assert rig.daemon.poll() is None
    world.kill(pids[0], signal.SIGUSR1)
    rig.wait_end(code=138)
    assert last_line(said(rig)).startswith("ends with exit status 138: program 'web' ended: terminated by SIGUSR1")


def test_of_several_at_once_one_is_named_and_it_is_its_status(rig: Rig) -> None:
    lines = [f"  w{code}: {{command: {program('exits.py')} {code} --after 0.3, {ONCE}}}" for code in range(11, 19)]
    write(rig, "\n".join(lines))
    ended = rig.run_daemon("--container")
    assert ended.code in range(11, 19)
    assert ended.text.count("ends with exit status") == 1
    assert last_line(ended.text) == (
        f"ends with exit status {ended.code}: essential program 'w{ended.code}' ended: exit status {ended.code}"
    )


def test_the_others_stop_in_their_order_first(rig: Rig) -> None:
    write(
        rig,
        f"  db: {{command: {LONG}, priority: 1}}\n  app: {{command: {LONG}, priority: 2}}\n"
        f"  web: {{command: {program('exits.py')} 6 --after 0.5, priority: 3, {ONCE}}}",
    )
    ended = rig.run_daemon("--container")
    assert ended.code == 6
    places = [ended.text.index(words) for words in ("exited: web", "stopped: app", "stopped: db", "ends with exit")]
    assert places == sorted(places)


def test_without_a_container_too_and_in_supervisors_dialect(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('exits.py')} 5\nautorestart=false\nstartsecs=0\nessential=true\n")
    ended = rig.run_daemon("-n")
    assert ended.code == 5
    assert last_line(rig.text("d.log")) == "ends with exit status 5: essential program 'web' ended: exit status 5"
    # in the background nobody waits for a status, but it ends
    assert rig.run_daemon().code == 0
    rig.wait(lambda: rig.text("d.log").count("ends with exit status 5") == 2 or None, what="the second end")
    rig.wait(lambda: not rig.pidfile.exists() or None, what="it is gone")


def test_a_restart_of_the_daemon_asks_for_no_status(rig: Rig) -> None:
    """What ends while the daemon goes down is no reason, and the next run begins anew."""
    rig.write(f"[program:web]\ncommand={program('ending.py')} TERM 7\nautorestart=false\nstartsecs=0\nessential=true\n")
    rig.start()
    pid = rig.until("web", "RUNNING")["pid"]
    assert rig.rpc.supervisor.restart() is True
    rig.wait_ready()
    rig.until_new_pid("web", pid)
    rig.stop(code=0)
    assert "ends with" not in rig.text("d.log")

"""What becomes of each kind of program when the daemon is killed and started again."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.identities import AS_ROOT, NOBODY, through
from tests.faults.crashing import again, kill
from tmd.posix import brands

SLEEP = "sleep 100000"
SUMMARY = "an earlier daemon was killed or broke down; of its programs: "


def restarts(rig: Rig, name: str) -> int:
    return int(rig.info(name)["starts"])


def until_deaf(rig: Rig, name: str) -> None:
    """Wait until a stubborn program ignores what asks it to end."""
    rig.until(name, "RUNNING")
    log = Path(rig.info(name)["stdout_logfile"])
    rig.wait(lambda: log.exists() and "ready" in log.read_text(), what=f"{name} is deaf")


def test_a_program_goes_on_and_can_be_used_as_before(rig: Rig) -> None:
    rig.write_native(f"""
  echo: {{command: "{program("echo.py")}", startsecs: 0}}
  web: {{command: "{SLEEP}", startsecs: 0}}
""")
    rig.start()
    before = rig.until("echo", "RUNNING")
    first = rig.pid("web")
    os.kill(first, signal.SIGKILL)
    web = rig.until_new_pid("web", first)
    rig.rpc.supervisor.sendProcessStdin("echo", "one\n")
    rig.until_text("echo-stdout.log", "one")
    again(rig)
    after = rig.info("echo")
    for fact in ("pid", "start", "starts", "statename", "stdout_logfile"):
        assert after[fact] == before[fact], fact
    assert restarts(rig, "web") == 2, "what was counted goes on"
    assert [line.text for line in rig.lines("adopted: ")] == [
        line.text for line in rig.lines(rf"adopted: '(echo|web)' with pid ({before['pid']}|{web}) \(up for ")
    ]
    rig.until_line(f"{SUMMARY}2 taken back")
    assert "It was taken back by the tmd that was started at " in rig.ctl("why", "echo").text

    rig.rpc.supervisor.sendProcessStdin("echo", "two\n")
    rig.until_text("echo-stdout.log", "two")
    rig.rpc.supervisor.signalProcess("web", "TERM")
    renewed = rig.until_new_pid("web", web)
    assert "killed by signal 15 (SIGTERM" in rig.ctl("why", "web").text, "its end is known exactly"
    assert "after 0 s" not in rig.ctl("why", "web").text
    rig.ctl("restart", "echo")
    assert rig.until_new_pid("echo", int(before["pid"])) != renewed
    rig.stop()


def test_states_and_wishes_outlive_the_daemon(rig: Rig) -> None:
    rig.write_native(f"""
  stopped: {{command: "{SLEEP}", startsecs: 0}}
  never: {{command: "{SLEEP}", autostart: no}}
  done: {{command: "sh -c 'exit 0'", startsecs: 0, autorestart: unexpected}}
  fatal: {{command: "sh -c 'exit 3'", startretries: 0}}
  failing: {{command: "sh -c 'exit 4'", startretries: 50}}
  stubborn: {{command: "{program("stubborn.py")}", startsecs: 0, stopwaitsecs: 5}}
""")
    rig.start()
    rig.until("fatal", "FATAL")
    rig.until("done", "EXITED")
    rig.rpc.supervisor.stopProcess("stopped")
    rig.wait(lambda: len(rig.lines("exited: failing")) >= 2)
    until_deaf(rig, "stubborn")
    rig.rpc.supervisor.stopProcess("stubborn", False)
    rig.until("stubborn", "STOPPING")
    stubborn = rig.pid("stubborn")
    rig.until("failing", "BACKOFF")
    tries = len(rig.lines("exited: failing"))
    ended = rig.info("fatal")["stop"]
    again(rig)
    assert rig.states() | {"failing:failing": ""} == {
        "stopped:stopped": "STOPPED",
        "never:never": "STOPPED",
        "done:done": "EXITED",
        "fatal:fatal": "FATAL",
        "failing:failing": "",
        "stubborn:stubborn": "STOPPING",
    }
    assert (rig.pid("stubborn"), rig.info("fatal")["stop"]) == (stubborn, ended)
    rig.until_line("exited: failing", tries + 1)
    assert f"(attempt {tries + 2} of 51)" in rig.wait(
        lambda: text if "attempt" in (text := rig.ctl("why", "failing").text) else None
    ), "tries are counted on"
    rig.until("stubborn", "STOPPED")  # its deadline was kept, too
    assert rig.lines("killing 'stubborn'")
    rig.stop()


def test_when_it_was_stopped_is_known_however_soon_the_daemon_is_killed(rig: Rig) -> None:
    rig.write_native(f"""
  web: {{command: "{SLEEP}", startsecs: 0}}
""")
    rig.start()
    began = rig.until("web", "RUNNING")["start"]
    rig.rpc.supervisor.stopProcess("web")
    again(rig)
    info = rig.info("web")
    assert info["statename"] == "STOPPED"
    assert began <= info["stop"] <= info["now"]
    rig.stop()


def test_what_ended_while_nobody_was_there_is_told_and_restarted_by_its_rule(rig: Rig) -> None:
    rig.write_native(f"""
  web: {{command: "{SLEEP}", startsecs: 0}}
  once: {{command: "{SLEEP}", startsecs: 0, autorestart: never}}
  asked: {{command: "{program("stubborn.py")}", startsecs: 0, stopwaitsecs: 60}}
""")
    rig.start()
    rig.until_all("RUNNING")
    pids = {name: rig.pid(name) for name in ("web", "once", "asked")}
    until_deaf(rig, "asked")
    rig.rpc.supervisor.stopProcess("asked", False)
    rig.until("asked", "STOPPING")
    kill(rig)
    for pid in pids.values():
        world.kill(pid)
    rig.wait(lambda: not any(map(world.alive, pids.values())) or None)
    rig.start()
    assert rig.until_new_pid("web", pids["web"])
    assert rig.until("once", "EXITED")["exitstatus"] in (-1, 0)
    rig.until("asked", "STOPPED")
    assert rig.lines("exited: once")
    assert rig.ctl("why", "once").text.startswith("once ended "), "and not: it was lost"
    assert rig.ctl("why", "web").text.count(f"pid {pids['web']}") <= 1
    rig.stop()


def test_rules_for_who_is_taken_back(rig: Rig) -> None:
    rig.write_native(f"""
  plain: {{command: "{SLEEP}", startsecs: 0}}
  alone: {{command: "{SLEEP}", startsecs: 0, adopt: no}}
  killed: {{command: "{SLEEP}", startsecs: 0, adopt: kill}}
""")
    rig.start()
    rig.until_all("RUNNING")
    before = {name: rig.pid(name) for name in ("plain", "alone", "killed")}
    again(rig)
    assert rig.pid("plain") == before["plain"]
    rig.until_new_pid("alone", before["alone"])
    assert world.alive(before["alone"])
    rig.until_line(rf"'alone' \(pid {before['alone']}\) outlived an earlier daemon and is left alone")
    rig.until_new_pid("killed", before["killed"])
    assert not world.alive(before["killed"])
    rig.until_line("'killed' .* outlived the daemon .*: its settings say 'adopt = kill'; restarting it")
    rig.until_line(f"{SUMMARY}1 taken back, 1 restarted, 1 left alone")
    assert "it outlived the tmd that had started it" in rig.ctl("why", "killed").text
    world.kill(before["alone"])
    rig.stop()


def test_nobody_is_taken_back_when_that_is_not_wanted(rig: Rig) -> None:
    rig.write_native(f"""
  web: {{command: "{SLEEP}", startsecs: 0}}
  stopped: {{command: "{SLEEP}", startsecs: 0}}
""")
    rig.start()
    rig.until_all("RUNNING")
    before = rig.pid("web")
    rig.rpc.supervisor.stopProcess("stopped")
    again(rig, "--no-adopt")
    rig.until_all("RUNNING")
    assert rig.pid("web") != before
    assert world.alive(before)
    rig.until_line(rf"'web' \(pid {before}\) outlived .* left alone")
    again(rig)
    rig.until_line(f"{SUMMARY}2 taken back")
    assert world.alive(before), "and it is no business of a later one"
    world.kill(before)
    rig.stop()


def test_what_the_configuration_says_by_now_counts(rig: Rig) -> None:
    group = "groups: {pair: {programs: [left, right]}}"
    common = "startsecs: 0, stopwaitsecs: 5"
    rig.write_native(f"""
  same: {{command: "{SLEEP}", {common}}}
  live: {{command: "{SLEEP}", {common}}}
  other: {{command: "{SLEEP}", {common}}}
  gone: {{command: "{program("counter.py")} {{dir}}/gone.got --end", {common}, stopsignal: USR1}}
  many: {{command: "{SLEEP}", {common}, numprocs: 2}}
  fixed: {{command: "sh -c 'exit 3'", startretries: 0}}
  left: {{command: "{SLEEP}", {common}}}
  right: {{command: "{SLEEP}", {common}}}
{group}
""")
    rig.start()
    rig.until("fixed", "FATAL")
    rig.until_text("gone.got", "ready")
    before = {name: info["pid"] for info in rig.rpc.supervisor.getAllProcessInfo() if (name := info["name"])}
    kill(rig)
    rig.write_native(f"""
  same: {{command: "{SLEEP}", {common}}}
  live: {{command: "{SLEEP}", startsecs: 0, stopwaitsecs: 7}}
  other: {{command: "sleep 99999", {common}}}
  many: {{command: "{SLEEP}", {common}, numprocs: 1, process_name: many_00}}
  fixed: {{command: "{SLEEP}", {common}}}
  left: {{command: "{SLEEP}", {common}}}
  new: {{command: "{SLEEP}", {common}}}
groups: {{pair: {{programs: [left]}}}}
""")
    rig.start()
    rig.until_line(SUMMARY)
    rig.until_new_pid("other", before["other"])
    rig.wait(
        lambda: (
            set(rig.states())
            == {"same:same", "live:live", "other:other", "many:many_00", "fixed:fixed", "pair:left", "new:new"}
            or None
        ),
        20,
    )
    rig.until_all("RUNNING")
    for name in ("same", "live", "many:many_00", "pair:left"):
        assert rig.pid(name) == before[name.rpartition(":")[2]], name
    assert "USR1" in rig.text("gone.got"), "it was stopped as its settings said then"
    for name in ("gone", "many_01", "right"):
        assert not world.alive(before[name]), name
    assert not rig.lines("second one")
    rig.stop()


def test_who_is_suspended_is_known_to_be(rig: Rig) -> None:
    rig.write_native(f'  web: {{command: "{SLEEP}", startsecs: 0, stopwaitsecs: 30}}\n')
    rig.start()
    web = int(rig.until("web", "RUNNING")["pid"])
    kill(rig)
    os.kill(web, signal.SIGSTOP)
    rig.start()
    rig.wait(lambda: rig.info("web")["paused"] or None)
    rig.rpc.supervisor.signalProcess("web", "CONT")
    rig.wait(lambda: not rig.info("web")["paused"] or None)
    os.kill(web, signal.SIGSTOP)
    rig.stop()  # would last as long as its stopwaitsecs
    assert not rig.lines("SIGKILL")


def test_a_number_that_was_given_away_again_is_nobody_of_ours(rig: Rig) -> None:
    rig.write_native(f'  web: {{command: "{SLEEP}", startsecs: 0}}\n')
    rig.start()
    web = int(rig.until("web", "RUNNING")["pid"])
    kill(rig)
    world.kill(web)
    rig.wait(lambda: not world.alive(web) or None)
    with subprocess.Popen(["/bin/sleep", "1000"]) as stranger:
        (journal,) = rig.dir.glob("*.journal")
        journal.write_bytes(journal.read_bytes().replace(b'"pid":%d' % web, b'"pid":%d' % stranger.pid))
        rig.start()
        rig.until_new_pid("web", stranger.pid)
        rig.stop()
        assert world.alive(stranger.pid), "whoever has the number now is not touched"
        stranger.kill()


def test_a_journal_that_makes_no_sense_costs_a_warning(rig: Rig) -> None:
    rig.write_native(f'  web: {{command: "{SLEEP}", startsecs: 0}}\n')
    rig.start()
    web = int(rig.until("web", "RUNNING")["pid"])
    kill(rig)
    (journal,) = rig.dir.glob("*.journal")
    journal.write_bytes(b"\xff\x00garbage\n" * 100)
    rig.start()
    rig.until_new_pid("web", web)
    assert any(line.level == "WARN" for line in rig.lines("journal"))
    world.kill(web)
    rig.stop()


def test_generated_logs_of_supervisors_dialect_go_on(rig: Rig) -> None:
    rig.write(f"[program:talker]\ncommand={program('scribe.py')} --rate 100\nstartsecs=0\n")
    rig.start()
    before = rig.until("talker", "RUNNING")
    log = Path(before["stdout_logfile"])
    stale = rig.dir / "old-stdout---supervisor-abcdefgh.log"
    stale.touch()
    rig.wait(lambda: log.stat().st_size > 1000 or None)
    kill(rig)
    size = log.stat().st_size
    rig.start()
    after = rig.info("talker")
    assert (after["pid"], after["stdout_logfile"]) == (before["pid"], str(log))
    rig.wait(lambda: log.stat().st_size > size + 1000 or None)
    assert not stale.exists(), "the others are swept as ever"
    rig.stop()


def forget_outcome(rig: Rig, *changes: tuple[bytes, bytes]) -> None:
    """Have the journal end with the intent to start something, as if the daemon had been killed right after that."""
    (journal,) = rig.dir.glob("*.journal")
    lines = journal.read_bytes().split(b"\0", 1)[0].splitlines(keepends=True)
    intent = next(at for at, line in enumerate(lines) if b'"life":{"token"' in line and b'"ticks"' not in line)
    for old, new in changes:
        assert old in lines[intent]
        lines[intent] = lines[intent].replace(old, new)
    journal.write_bytes(b"".join(lines[: intent + 1]))


def test_a_start_that_nobody_wrote_down_is_found_by_its_mark(rig: Rig) -> None:
    rig.write_native(
        f'  web: {{command: "{program("scribe.py")} --rate 50", startsecs: 0, stdout_logfile: "{{dir}}/web.log"}}\n'
    )
    rig.start()
    web = int(rig.until("web", "RUNNING")["pid"])
    kill(rig)
    forget_outcome(rig)
    rig.start()
    assert rig.until("web", "RUNNING")["pid"] == web
    size = (rig.dir / "web.log").stat().st_size
    rig.wait(lambda: (rig.dir / "web.log").stat().st_size > size or None)
    assert rig.lines(rf"adopted: 'web' with pid {web}")
    rig.stop()


@pytest.mark.skipif(not brands.possible(), reason="somebody has limited RLIMIT_RTTIME here")
def test_an_empty_environment_does_not_hide_such_a_start(rig: Rig) -> None:
    rig.write_native('  web: {command: "env -i /bin/sleep 100000", startsecs: 0}\n')
    rig.start()
    web = int(rig.until("web", "RUNNING")["pid"])
    rig.wait(lambda: not Path(f"/proc/{web}/environ").read_bytes() or None)
    kill(rig)
    forget_outcome(rig)
    rig.start()
    assert rig.until("web", "RUNNING")["pid"] == web
    rig.stop()


@AS_ROOT
def test_such_a_start_is_of_the_user_it_was_made_for_whoever_comes_next(rig: Rig) -> None:
    rig.write_native(f'  web: {{command: "{SLEEP}", startsecs: 0}}\n')
    rig.start()
    web = int(rig.until("web", "RUNNING")["pid"])
    kill(rig)
    forget_outcome(rig)
    rig.write_native(f'  web: {{command: "{SLEEP}", startsecs: 0, user: nobody}}\n')
    rig.start()
    rig.until_line(rf"adopted: 'web' with pid {web}")
    rig.until_new_pid("web", web)
    assert not world.alive(web), "its settings have changed"
    rig.stop()


def test_what_carries_its_mark_and_is_not_it_is_a_leftover(rig: Rig) -> None:
    rig.write_native(f'  web: {{command: "{SLEEP}", startsecs: 0}}\n')
    rig.start()
    web = int(rig.until("web", "RUNNING")["pid"])
    kill(rig)
    forget_outcome(rig, (b'"uid":%d' % os.geteuid(), b'"uid":12345'))
    rig.start()
    rig.until_new_pid("web", web)
    rig.wait(lambda: not world.alive(web) or None)
    rig.stop()


@AS_ROOT
def test_a_process_that_proc_does_not_show_is_not_started_a_second_time(rig: Rig, python_for_all: list[str]) -> None:
    os.chown(rig.dir, NOBODY.pw_uid, NOBODY.pw_gid)
    rig.write_native(
        f"""
  mine: {{command: "{SLEEP}", startsecs: 0}}
  other: {{command: "{SLEEP}", startsecs: 0, user: daemon}}
""",
        daemon="  user: nobody\n  keep_root_to_spawn: true\n",
    )
    hidden = 'mount -t proc -o hidepid=2 proc /proc || exit 9; exec "$@"'
    probe = ["unshare", "-m", "sh", "-c", hidden, "sh", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no /proc with hidepid can be mounted here")
    through(rig, *probe[:-1], "env", python=python_for_all)
    rig.start()
    rig.until_all("RUNNING")
    mine, other = rig.pid("mine"), rig.pid("other")
    again(rig)
    assert rig.until("mine", "RUNNING")["pid"] == mine
    assert f"may still run as pid {other}" in rig.until("other", "FATAL")["spawnerr"]
    assert [line.level for line in rig.lines(rf"cannot tell whether 'other' \(pid {other}\) outlived")] == ["CRIT"]
    rig.until_line(f"{SUMMARY}1 taken back, 1 not to be seen")
    assert world.alive(other)
    again(rig)
    assert rig.until("other", "FATAL")["pid"] == 0
    world.kill(other)
    rig.wait(lambda: not world.alive(other) or None)
    rig.rpc.supervisor.startProcess("other")
    assert rig.pid("other") != other
    rig.stop()

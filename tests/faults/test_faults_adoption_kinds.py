"""What becomes of programs that are not plain ones when the daemon is killed: listeners, FastCGI, terminals, hooks."""

import os
import signal
import socket
from functools import partial

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.e2e.identities import AS_ROOT, NOBODY, as_nobody, through, words_for_all
from tests.e2e.listening import events, listener, say, until_events, until_state
from tests.faults.crashing import again, kill

SLEEP = "sleep 100000"


def ask(rig: Rig, word: str) -> str:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(str(rig.dir / "fcgi"))
        link.sendall(f"{word}\n".encode())
        with link.makefile(encoding="utf-8") as lines:
            return lines.readline().strip()


def test_a_listener_is_restarted_and_given_first_what_it_had_not_answered(rig: Rig) -> None:
    rig.write(listener("wait", "REMOTE_COMMUNICATION"))
    rig.start()
    until_state(rig, "READY")
    say(rig, "one")
    until_events(rig, 1)
    say(rig, "waits in the buffer, and is lost")
    (first,) = events(rig)
    ear = rig.pid("ear:ear")
    again(rig)
    (rig.dir / "ear.events.go").touch()
    rig.until_new_pid("ear:ear", ear)
    assert not world.alive(ear)
    say(rig, "two")
    _, redelivered, second = until_events(rig, 3)
    for fact in ("serial", "poolserial", "eventname", "payload"):
        assert redelivered[fact] == first[fact], fact
    assert "two" in second["payload"]
    assert int(second["serial"]) > int(first["serial"])
    assert int(second["poolserial"]) > int(first["poolserial"])
    until_state(rig, "READY")
    again(rig)
    until_state(rig, "READY")
    say(rig, "three")
    assert len(until_events(rig, 4)) == 4, "what was answered is not given again"
    rig.stop()


@pytest.mark.parametrize("place", ["unix://{dir}/fcgi", "tcp://127.0.0.1:0"])
def test_fastcgi_programs_keep_their_very_socket(rig: Rig, place: str) -> None:
    if place.startswith("tcp"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            place = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    rig.write(
        f"[fcgi-program:web]\ncommand={program('acceptor.py')}\nsocket={place}\nnumprocs=2\n"
        "process_name=w%(process_num)d\nstartsecs=0\n"
    )
    rig.start()
    rig.until_all("RUNNING")
    before = {name: rig.pid(f"web:{name}") for name in ("w0", "w1")}
    sockets = {os.readlink(f"/proc/{pid}/fd/0") for pid in before.values()}
    again(rig)
    assert {name: rig.pid(f"web:{name}") for name in before} == before
    rig.until_line("Took back socket")
    os.kill(before["w1"], signal.SIGKILL)
    renewed = rig.until_new_pid("web:w1", before["w1"])
    assert {os.readlink(f"/proc/{pid}/fd/0") for pid in (before["w0"], renewed)} == sockets
    if place.startswith("unix"):
        assert int(ask(rig, "who").split()[0]) in (before["w0"], renewed)
    rig.stop()
    assert not (rig.dir / "fcgi").exists()


def test_a_program_on_a_terminal_is_started_anew(rig: Rig) -> None:
    script = "import signal, time; signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep(1000)"
    rig.write_native(f"""
  meek: {{command: "{SLEEP}", tty: yes, startsecs: 0}}
  deaf: {{command: "python3 -c '{script}'", tty: yes, startsecs: 0}}
""")
    rig.start()
    rig.until_all("RUNNING")
    deaf = rig.pid("deaf")
    before = {name: rig.pid(name) for name in ("meek", "deaf")}
    rig.wait(lambda: _ignores(deaf, signal.SIGHUP) or None)
    again(rig)
    for name, pid in before.items():
        rig.until_new_pid(name, pid)
        assert not world.alive(pid)
    rig.until_line("'deaf' .* cannot go on: its terminal has gone with that daemon; restarting it")
    rig.stop()


def _ignores(pid: int, signum: int) -> bool:
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        mask = next(line.split()[1] for line in status if line.startswith("SigIgn"))
    return bool(int(mask, 16) & 1 << (signum - 1))


def test_hooks_that_were_under_way_are_ended_and_run_again(rig: Rig) -> None:
    hook = program("hook.py")
    rig.write_native(f"""
  begins: {{command: "{SLEEP}", startsecs: 0, prestart: "{hook} {{dir}}/begins wait:{{dir}}/go"}}
  began: {{command: "{SLEEP}", startsecs: 0, poststart: "{hook} {{dir}}/began wait:{{dir}}/go"}}
  ends: {{command: "{SLEEP}", startsecs: 0, prestop: "{hook} {{dir}}/ends wait:{{dir}}/go"}}
  ended: {{command: "{SLEEP}", startsecs: 0, poststop: "{hook} {{dir}}/ended wait:{{dir}}/go"}}
""")
    rig.start()
    rig.until("ends", "RUNNING")
    rig.rpc.supervisor.stopProcess("ends", False)
    ended = int(rig.until("ended", "RUNNING")["pid"])
    os.kill(ended, signal.SIGKILL)
    for name in ("begins", "began", "ends", "ended"):
        rig.until_text(name, "begin ")
    hooks = [pid for pid in rig.processes() if "hook.py" in world.command(pid)]
    assert len(hooks) == 4
    pids = {name: rig.pid(name) for name in ("began", "ends")}
    again(rig)
    assert not [pid for pid in hooks if world.alive(pid)]
    assert {name: rig.pid(name) for name in pids} == pids
    assert rig.pid("begins") == rig.pid("ended") == 0, "both wait for a hook"
    (rig.dir / "go").touch()
    rig.until("begins", "RUNNING")
    rig.until("ends", "STOPPED")
    rig.until_new_pid("ended", ended)
    for name, reason in (("begins", "start"), ("began", "running"), ("ends", "stop"), ("ended", "exited")):
        (line,) = rig.wait(partial(_noted, rig, name), what=f"{name} has a line of a hook that ended")
        assert f" {reason} " in line, (name, line)
    assert f" {ended} - SIGKILL " in rig.text("ended"), "and knows what it was told the first time"
    rig.stop()


def _noted(rig: Rig, name: str) -> list[str]:
    return [line for line in rig.text(name).splitlines() if not line.startswith("begin ")]


def test_a_program_that_has_turned_its_output_elsewhere_is_taken_back_with_it(rig: Rig) -> None:
    script = "exec 3>&1 >/dev/null; while :; do echo again >&3; sleep 0.05; done"
    rig.write_native(f"  web: {{command: \"sh -c '{script}'\", startsecs: 0}}\n")
    rig.start()
    rig.until_text("web-stdout.log", "again")
    web = rig.pid("web")
    again(rig)
    size = len(rig.text("web-stdout.log"))
    rig.wait(lambda: len(rig.text("web-stdout.log")) > size or None)
    assert rig.pid("web") == web
    rig.stop()


@AS_ROOT
def test_a_daemon_of_an_ordinary_user_adopts_as_well(rig: Rig) -> None:
    os.chown(rig.dir, NOBODY.pw_uid, NOBODY.pw_gid)
    rig.write_native(f"""
  echo: {{command: "/bin/cat", startsecs: 0}}
  web: {{command: "{SLEEP}", startsecs: 0}}
""")
    through(rig, *as_nobody(), python=words_for_all())
    rig.start()
    rig.until_all("RUNNING")
    before = {name: rig.pid(name) for name in ("echo", "web")}
    again(rig)
    assert {name: rig.pid(name) for name in before} == before
    rig.rpc.supervisor.sendProcessStdin("echo", "still there\n")
    rig.until_text("echo-stdout.log", "still there")
    os.kill(before["web"], signal.SIGKILL)
    rig.until_new_pid("web", before["web"])
    rig.until_line(r"exited: web \(terminated by SIGKILL")
    kill(rig)
    world.kill(before["echo"])
    rig.start()
    rig.until_new_pid("echo", before["echo"])
    rig.stop()


def test_hooks_of_a_daemon_that_nobody_goes_on_with_are_left_alone_for_good(rig: Rig) -> None:
    hook = program("hook.py")
    rig.write_native(f"""
  web: {{command: "{SLEEP}", startsecs: 0, poststart: "{hook} {{dir}}/web wait:{{dir}}/go"}}
""")
    rig.start()
    rig.until_text("web", "begin")
    first = rig.pid("web")
    (old,) = [pid for pid in rig.processes() if "hook.py" in world.command(pid)]
    again(rig, "--no-adopt")
    rig.until_line(rf"poststart hook of 'web' \(pid {old}\) outlived an earlier daemon and is left alone")
    assert world.alive(old)
    (rig.dir / "go").touch()
    rig.wait(lambda: rig.text("web").count("web poststart") == 4 or None, what="both have come to their end")
    second = rig.until_new_pid("web", first)
    rig.until_line("poststart hook of 'web' succeeded")
    again(rig)
    rig.until_line("of its programs: 1 taken back")
    assert rig.pid("web") == second
    assert not rig.lines("it runs again")
    assert rig.text("web").count("begin") == 2
    world.kill(first)
    rig.stop()

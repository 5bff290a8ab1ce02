"""Process 1 of a PID namespace: it reaps, ends in order, and tells nobody what was meant for it."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program
from tests.faults.containers import Box, last_line, make_box, said, until_said, write
from tests.support import eventually

__all__ = ["make_box"]

ONCE = "essential: true, autorestart: false, starttime: 0"
RECORDING = (
    "trap 'echo HUP' HUP; trap 'echo INT' INT; trap 'echo QUIT' QUIT; trap 'echo USR1' USR1; trap 'echo USR2' USR2"
)

MakeBox = Callable[[], Box]


@pytest.fixture
def box(make_box: MakeBox) -> Box:
    return make_box()


def test_the_exit_status_of_the_essential_program_is_the_containers(box: Box) -> None:
    write(box, f"  web: {{command: {program('exits.py')} 42, {ONCE}}}\n  other: {{command: sleep 1000}}")
    ended = box.run_daemon("--container")
    assert ended.code == 42
    assert "supervisord started with pid 1\n" in ended.text
    assert last_line(ended.text) == "ends with exit status 42: essential program 'web' ended: exit status 42"
    write(box, f"  web: {{command: {program('exits.py')} SIGKILL, {ONCE}}}")
    assert box.run_daemon("--container").code == 137


@pytest.mark.parametrize("orphans", ["kill", "keep"])
def test_no_zombie_after_a_thousand_orphans_and_no_flood_of_lines(box: Box, orphans: str) -> None:
    write(box, f"  web: {{command: {program('begetter.py')} 1000, orphans: {orphans}, starttime: 0}}")
    box.start()
    until_said(box, "web stdout: done", 60)
    eventually(lambda: not world.zombies(box.daemon_pid), 20, what="all are reaped")
    assert box.state("web") == "RUNNING"
    assert len(said(box).splitlines()) < 20
    box.stop()
    assert "terminated by SIGKILL" not in said(box)


def test_orphans_that_go_on_end_with_the_container(box: Box) -> None:
    write(box, """  web: {command: "sh -c 'setsid -f sleep 1000; exec sleep 1000'", starttime: 0, orphans: keep}""")
    box.start()
    eventually(lambda: len(box.processes()) >= 4, 20, what="the one in the background")
    box.stop()


def test_a_stop_is_in_order(box: Box) -> None:
    write(
        box,
        f"  db: {{command: {program('ending.py')} TERM 0, priority: 1}}\n"
        f"  app: {{command: {program('slow_stop.py')} 0.3, priority: 2}}",
    )
    box.start()
    until_said(box, "db stdout: ready")
    until_said(box, "app stdout: ready")
    box.stop()
    text = said(box)
    places = [text.index(words) for words in ("received SIGTERM", "app stdout: bye", "stopped: app", "db stdout: got")]
    assert places == sorted(places)


def test_what_is_meant_for_process_1_goes_to_nobody_else(box: Box) -> None:
    write(
        box,
        f"""  web: {{command: "sh -c \\"{RECORDING}; echo ready; while :; do sleep 0.05; done\\"", starttime: 0}}""",
    )
    box.start()
    until_said(box, "web stdout: ready")
    pid = box.pid("web")
    for signum, line in (
        (signal.SIGHUP, "received SIGHUP indicating reload request"),
        (signal.SIGUSR2, "supervisord logreopen"),
        (signal.SIGWINCH, ""),
        (signal.SIGTSTP, ""),
        (signal.SIGTTIN, ""),
        (signal.SIGPIPE, ""),
        (signal.SIGALRM, ""),
        (signal.SIGUSR1, "SIGUSR1"),
    ):
        os.kill(box.daemon_pid, signum)
        if line:
            until_said(box, line)
    box.wait_ready()
    os.kill(box.daemon_pid, signal.SIGINT)
    until_said(box, "received SIGINT")
    box.wait_end()
    assert pid
    got = [line for line in said(box).splitlines() if " web stdout: " in line]
    assert [line.rpartition(" ")[2] for line in got] == ["ready"]


def test_nothing_of_the_runtimes_is_inherited(box: Box) -> None:
    write(box, f"  web: {{command: {program('facts.py')} {{dir}}/facts, starttime: 0}}")
    leave_open, other = os.pipe()
    try:
        os.set_inheritable(leave_open, True)
        ours = {
            "NOTIFY_SOCKET": f"{box.dir}/notify",
            "WATCHDOG_USEC": "100000000",
            "WATCHDOG_PID": "1",
            "LISTEN_FDS": "1",
            "LISTEN_PID": "1",
        }
        box.extra = ours
        box.start()
        facts = json.loads(eventually(lambda: box.text("facts"), 20))
    finally:
        os.close(leave_open)
        os.close(other)
    assert not ours.keys() & facts["environment"].keys()
    assert set(facts["descriptors"]) <= {"0", "1", "2"}
    assert facts["process_group"] == facts["pid"]
    assert facts["parent"] == 1
    box.stop()


def test_a_container_that_was_killed_begins_anew(box: Box) -> None:
    """Its files are still there; nothing that they tell of is."""
    write(
        box, f"  web: {{command: sleep 1000, {ONCE}}}\n  job: {{command: sleep 1000, starttime: 0, autostart: false}}"
    )
    box.start()
    box.until("web", "RUNNING")
    box.ctl("start", "job")
    world.kill(box.daemon_pid)
    assert box.daemon is not None
    box.daemon.wait(20)
    box.start()
    box.until("web", "RUNNING")
    assert box.states() == {"web:web": "RUNNING", "job:job": "STOPPED"}
    assert "ends with" not in said(box)
    box.stop()


@pytest.mark.parametrize("spawns", ["kill", "keep"])
def test_without_proc(box: Box, spawns: str) -> None:
    box.before = "umount -l /proc"
    write(
        box,
        f"  web: {{command: \"sh -c 'echo hello; echo oh >&2; sleep 0.5; exit 7'\", {ONCE}, orphans: {spawns}}}\n"
        "  other: {command: sleep 1000}",
    )
    ended = box.run_daemon("--container")
    assert ended.code == 7
    assert "web stdout: hello" in ended.text
    assert "web stderr: oh" in ended.err
    assert "Traceback" not in ended.text + ended.err


READ_ONLY = (
    "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -o remount,ro,bind / / && ! touch /x 2>/dev/null"
)


def test_a_root_that_is_read_only_with_nothing_but_run(box: Box) -> None:
    """`docker run --read-only --tmpfs /run`: everything is where it is by default."""
    box.before = READ_ONLY
    box.conf = box.dir / "tm.yaml"
    box.conf.write_text(
        f"taskmaster: {{http: false}}\nprograms:\n  web:\n    command: \"sh -c 'tmctl() {{ {box.client_command()[0]} "
        '-m tmctl \\"$@\\"; }; until tmctl status other; do sleep 0.1; done; exit 6\'"\n    essential: true\n'
        "    autorestart: false\n    starttime: 0\n  other: {command: sleep 1000, starttime: 0}\n"
    )
    ended = box.run_daemon("--container", deadline_s=60)
    assert ended.code == 6
    assert "web stdout: other" in ended.text
    assert "RUNNING" in ended.text
    assert "WARN" not in ended.text.partition("WARN exited: web")[0]
    assert "Traceback" not in ended.text + ended.err


def test_a_root_that_is_read_only_without_it_is_told_what_it_lacks(box: Box) -> None:
    box.before = READ_ONLY.replace(" && mount -t tmpfs tmpfs /run", " && mkdir -p /run/taskmaster")
    box.conf.write_text("[taskmaster]\nhttp = false\n[a]\ncommand = sleep 1000\n")
    ended = box.run_daemon("--container")
    assert ended.code == 2
    hint = "Read-only file system (in a container: mount a tmpfs there, or name another pidfile)"
    assert ended.err.splitlines()[0] == f"Error: cannot write pid file '/run/taskmaster/tmd.pid': {hint}"


NOBODY = 54321


def test_a_user_without_a_name_and_without_a_home(box: Box) -> None:
    """`docker run --user 54321`; tmctl finds the socket where tmd has put it."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is needed")
    box.dir.chmod(0o777)
    box.before = "unset HOME XDG_RUNTIME_DIR; mount -t tmpfs -o mode=1777 tmpfs /run"
    # the interpreter and its library may be where only root may look
    reading = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")]
    box.dropping = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *reading]
    place = Path(f"/tmp/taskmaster-{NOBODY}")
    assert not place.exists()
    box.conf.write_text(
        "[taskmaster]\nhttp = false\n[web]\ncommand = sh -c 'id -u; until "
        f"{box.client_command()[0]} -m tmctl status other; do sleep 0.1; done; exit 5'\nessential = yes\n"
        "autorestart = no\nstarttime = 0\n[other]\ncommand = sleep 1000\nstarttime = 0\n"
    )
    box.conf.chmod(0o644)
    try:
        ended = box.run_daemon("--container", deadline_s=60)
        assert ended.code == 5, ended
        assert f"web stdout: {NOBODY}\n" in ended.text
        assert "web stdout: other" in ended.text
        assert place.stat().st_uid == NOBODY
        assert place.stat().st_mode & 0o777 == 0o700
        # somebody else was there first
        os.chown(place, 1, 1)
        ended = box.run_daemon("--container")
        assert (ended.code, ended.err.splitlines()[0]) == (
            2,
            f"Error: cannot use '{place}': somebody else may write there",
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_a_term_that_comes_before_there_is_a_daemon(box: Box) -> None:
    """The kernel would throw it away: nothing catches it yet."""
    box.before = "mkfifo f 2>/dev/null"
    box.conf.write_text("[taskmaster]\nhttp = false\n[a]\ncommand = sleep 1000\n")
    lingering = box.dir / "lingering.py"
    lingering.write_text(
        "import os, signal, sys\nfrom tmd import __main__\nimport tmd.cli\n"
        "def main():\n    os.kill(1, signal.SIGTERM)\n    signal.pause()\n"
        "tmd.cli.main = main\n__main__.run()\n"
    )
    command = box.command()
    box.command = lambda *_: [*command[: command.index("-m", 8)], str(lingering)]  # type: ignore[method-assign]
    assert box.run_daemon().code == 143


def test_signals_while_it_starts_are_not_lost(make_box: MakeBox) -> None:
    box = make_box()
    write(box, f"  web: {{command: {program('ending.py')} TERM 0, starttime: 0}}")
    Rig.start(box, "--container", ready=False)
    outer = box.daemon_pid
    (box.daemon_pid,) = eventually(lambda: world.children(outer), 20)
    eventually(lambda: b"tmd" in Path(f"/proc/{box.daemon_pid}/cmdline").read_bytes(), 20)
    eventually(lambda: _catches(box.daemon_pid, signal.SIGTERM), 20)
    os.kill(box.daemon_pid, signal.SIGTERM)
    assert box.daemon is not None
    assert box.daemon.wait(20) in (0, 143)


def _catches(pid: int, signum: int) -> bool:
    """Tell whether a process catches a signal, or holds it back."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    masks = [int(line.split()[1], 16) for line in text.splitlines() if line.startswith(("SigCgt", "SigBlk"))]
    return any(mask >> (signum - 1) & 1 for mask in masks)

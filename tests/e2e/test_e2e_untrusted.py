"""A daemon that is the superuser, where others could decide what it runs or where it writes."""

import os
import pwd

import pytest

from tests.e2e.harness import Rig

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser has a power that others could borrow")
pytestmark = pytest.mark.ours
NOBODY = pwd.getpwnam("nobody")
DAEMON = pwd.getpwnam("daemon")
PATIENCE_S = 30.0
SLEEP = "/bin/sleep 100000"


@AS_ROOT
@pytest.mark.parametrize("name", ["tm.yaml", "more.yaml"])
@pytest.mark.parametrize(("mode", "who"), [(0o666, "everybody"), (0o664, "its group")])
def test_a_configuration_that_others_can_write_to_is_refused(rig: Rig, name: str, mode: int, who: str) -> None:
    rig.write_native("  {}", daemon="  include: more.yaml\n")
    (rig.dir / "more.yaml").write_text(f"programs:\n  web:\n    cmd: {SLEEP}\n")
    os.chown(rig.dir / name, 0, DAEMON.pw_gid)
    (rig.dir / name).chmod(mode)
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert (
        f"{rig.dir / name}: {who} may write this file (mode {mode:04o}), and could so run anything as root"
        in answer.err
    )
    rig.assert_nothing_left()
    (rig.dir / name).chmod(0o644)
    rig.start()
    rig.stop()


@AS_ROOT
@pytest.mark.parametrize("option", ["stdout", "stderr"])
def test_a_log_where_anybody_can_write_is_refused_with_its_place(rig: Rig, option: str) -> None:
    (rig.dir / "logs").mkdir()
    (rig.dir / "logs").chmod(0o777)
    rig.write_native(f'  web:\n    cmd: {SLEEP}\n    {option}: "{{dir}}/logs/web"\n')
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert f"{rig.conf}:" in answer.err
    assert f"anybody can write to '{rig.dir}/logs'" in answer.err
    rig.assert_nothing_left()
    (rig.dir / "logs").chmod(0o755)
    rig.start()
    rig.stop()


@AS_ROOT
def test_a_log_directory_of_the_programs_own_user_is_fine_and_of_a_stranger_is_not(rig: Rig) -> None:
    (rig.dir / "logs").mkdir()
    os.chown(rig.dir / "logs", NOBODY.pw_uid, NOBODY.pw_gid)
    lines = f'  web:\n    cmd: {SLEEP}\n    starttime: 0\n    stdout: "{{dir}}/logs/web"\n    user: '
    rig.write_native(f"{lines}daemon\n")
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert f"'{rig.dir}/logs' belongs to 'nobody' (uid {NOBODY.pw_uid})" in answer.err
    rig.write_native(f"{lines}nobody\n")
    rig.start()
    rig.until("web", "RUNNING", deadline_s=PATIENCE_S)
    rig.stop()


@AS_ROOT
def test_in_supervisors_dialect_it_is_a_warning(rig: Rig) -> None:
    (rig.dir / "logs").mkdir()
    (rig.dir / "logs").chmod(0o777)
    rig.write(f"[program:web]\ncommand={SLEEP}\nstartsecs=0\nstdout_logfile={{dir}}/logs/web\n")
    rig.start()
    rig.until("web", "RUNNING", deadline_s=PATIENCE_S)
    assert rig.lines(f"anybody can write to '{rig.dir}/logs'")
    rig.stop()


@AS_ROOT
@pytest.mark.parametrize("planted", ["symbolic", "hard", "directory"])
def test_what_a_user_plants_in_the_place_of_its_log_is_not_written_to(rig: Rig, planted: str) -> None:
    """The directory was safe when the file was read; its owner is the program's own user, and still not root."""
    precious = rig.dir / "precious"
    precious.mkdir()
    (precious / "web").write_text("do not touch")
    (rig.dir / "home").mkdir()
    logs = rig.dir / "home" / "logs"
    logs.mkdir()
    for path in (logs.parent, logs):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    rig.write_native(
        "  web:\n    cmd: /bin/sh -c 'echo evil; exec sleep 100000'\n    user: nobody\n    autostart: false\n"
        '    stdout: "{dir}/home/logs/web"\n'
    )
    rig.start()
    if planted == "directory":
        logs.rmdir()
        logs.symlink_to(precious)
        os.lchown(logs, NOBODY.pw_uid, NOBODY.pw_gid)
    elif planted == "symbolic":
        (logs / "web").symlink_to(precious / "web")
        os.lchown(logs / "web", NOBODY.pw_uid, NOBODY.pw_gid)
    else:
        os.link(precious / "web", logs / "web")
    rig.ctl("start", "web")
    rig.until_line("refusing ", deadline_s=PATIENCE_S)
    assert rig.ctl("tail", "web").text.find("do not touch") == -1, "nor is it shown to those who ask for the log"
    assert (precious / "web").read_text() == "do not touch"
    assert [path.name for path in precious.iterdir()] == ["web"]
    rig.stop()

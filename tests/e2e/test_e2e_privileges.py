"""Privileges: who programs and the daemon run as, and with what rights. Checked in /proc."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig
from tests.e2e.identities import AS_ROOT, NOBODY, as_nobody, through
from tests.support import GLIBC_OWN, eventually

pytestmark = pytest.mark.ours
DAEMON = pwd.getpwnam("daemon")
PATIENCE_S = 30.0
SLEEP = "/bin/sleep 100000"
SPAWNING = 1 << 5 | 1 << 6 | 1 << 7
"""CAP_KILL, CAP_SETGID and CAP_SETUID"""


# --- looking -------------------------------------------------------------------------------------------------------


class Facts:
    """What the kernel says about a process."""

    def __init__(self, pid: int) -> None:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        self._fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
        blob = Path(f"/proc/{pid}/environ").read_bytes().decode()
        self.environment = dict(item.split("=", 1) for item in blob.split("\0") if item)
        self.descriptors = sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))

    @property
    def umask(self) -> int:
        return int(self._fields["Umask"][0], 8)

    @property
    def groups(self) -> list[int]:
        return [int(number) for number in self._fields["Groups"]]

    def ids(self, which: str) -> set[int]:
        """Return the real, effective, saved and file system `Uid` or `Gid`, which should be one."""
        return {int(number) for number in self._fields[which]}

    def mask(self, which: str) -> int:
        return int(self._fields[which][0], 16)

    def text(self, which: str) -> str:
        return " ".join(self._fields[which])

    def account(self) -> dict[str, str]:
        return {name: self.environment.get(name, "") for name in ("HOME", "USER", "LOGNAME", "SHELL")}


def account_of(entry: pwd.struct_passwd) -> dict[str, str]:
    return {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name, "SHELL": entry.pw_shell}


def facts(rig: Rig, name: str) -> Facts:
    """Return the facts of a program that has been executed: until then it shows the daemon's environment."""
    pid = int(rig.until(name, "RUNNING", deadline_s=PATIENCE_S)["pid"])
    eventually(lambda: Facts(pid).descriptors == [0, 1, 2], PATIENCE_S, what=f"{name} was executed")
    return Facts(pid)


def assert_runs_as(found: Facts, entry: pwd.struct_passwd, groups: Sequence[int] | None = None) -> None:
    gid = entry.pw_gid if groups is None else groups[0]
    assert found.ids("Uid") == {entry.pw_uid}
    assert found.ids("Gid") == {gid}
    assert found.groups == sorted(set(os.getgrouplist(entry.pw_name, gid) if groups is None else groups))


def assert_has_no_more_than_it_should(found: Facts, daemon: Facts) -> None:
    """No capabilities, no signals ignored or held, three descriptors, and nothing forbidden that was not before."""
    for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert found.mask(which) == 0, which
    assert found.mask("CapBnd") == daemon.mask("CapBnd")
    assert found.text("NoNewPrivs") == daemon.text("NoNewPrivs")
    assert found.mask("SigBlk") == found.mask("SigCgt") == 0
    assert found.mask("SigIgn") & ~GLIBC_OWN == 0
    assert found.descriptors == [0, 1, 2]


# --- starting as somebody ------------------------------------------------------------------------------------------


def give_to(rig: Rig, user: pwd.struct_passwd) -> None:
    """Have the directory, with what a daemon keeps there, belong to a user, who may also read our programs."""
    os.chown(rig.dir, user.pw_uid, user.pw_gid)


# --- programs of a daemon that is root -----------------------------------------------------------------------------

USERS = f"""\
  web:
    cmd: {SLEEP}
    user: nobody
    umask: 027
    starttime: 0
  other:
    cmd: {SLEEP}
    user: nobody
    gid: {DAEMON.pw_gid}
    env: {{HOME: /srv/other, USER: somebody}}
    starttime: 0
  bare:
    cmd: {SLEEP}
    user: nobody
    user_environment: false
    starttime: 0
  ours:
    cmd: {SLEEP}
    starttime: 0
"""


@AS_ROOT
def test_ids_groups_umask_environment_and_rights_are_as_promised(rig: Rig) -> None:
    rig.write_native(USERS)
    before = os.umask(0o037)
    try:
        rig.start()
    finally:
        os.umask(before)
    daemon = Facts(rig.daemon_pid)
    web, other, bare, ours = (facts(rig, name) for name in ("web", "other", "bare", "ours"))

    for found in (web, bare):
        assert_runs_as(found, NOBODY)
    assert_runs_as(other, NOBODY, sorted(os.getgrouplist("nobody", DAEMON.pw_gid)))
    assert ours.ids("Uid") == ours.ids("Gid") == {0}
    assert ours.groups == daemon.groups

    for found in (web, other, bare):
        assert_has_no_more_than_it_should(found, daemon)
    assert ours.mask("CapEff") == daemon.mask("CapEff")
    assert ours.mask("CapInh") == ours.mask("CapAmb") == 0

    assert web.umask == 0o027
    assert other.umask == bare.umask == ours.umask == daemon.umask == 0o037

    assert web.account() == account_of(NOBODY)
    assert other.account() == account_of(NOBODY) | {"HOME": "/srv/other", "USER": "somebody"}
    assert bare.account() == ours.account() == daemon.account()
    assert daemon.environment["HOME"] == str(rig.dir)
    rest = {name: value for name, value in daemon.environment.items() if name not in account_of(NOBODY)}
    assert rest.items() <= web.environment.items(), "everything else is the daemon's"
    rig.stop()


@AS_ROOT
def test_no_program_of_another_group_has_groups_of_whoever_started_the_daemon(rig: Rig) -> None:
    rig.write_native(
        f"  other: {{cmd: {SLEEP}, gid: {DAEMON.pw_gid}, starttime: 0}}\n"
        f"  ours: {{cmd: {SLEEP}, gid: 0, starttime: 0}}\n"
    )
    through(rig, "setpriv", "--groups", "0,54321")
    rig.start()
    other, ours = facts(rig, "other"), facts(rig, "ours")
    assert other.ids("Uid") == {0}
    assert other.ids("Gid") == {DAEMON.pw_gid}
    assert other.groups == sorted(set(os.getgrouplist("root", DAEMON.pw_gid)))
    assert ours.groups == Facts(rig.daemon_pid).groups == [0, 54321], "nothing was asked to change"
    rig.stop()


@AS_ROOT
def test_in_supervisors_dialect_the_environment_is_the_daemons_unless_asked_otherwise(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={SLEEP}\nuser=nobody\nstartsecs=0\n"
        f"[program:asked]\ncommand={SLEEP}\nuser=nobody\nstartsecs=0\nuser_environment=true\n"
    )
    rig.start()
    web, asked = facts(rig, "web"), facts(rig, "asked")
    for found in (web, asked):
        assert_runs_as(found, NOBODY)
    assert web.account() == Facts(rig.daemon_pid).account()
    assert asked.account() == account_of(NOBODY)
    rig.stop()


# --- a daemon that is somebody else ---------------------------------------------------------------------------------


@AS_ROOT
def test_a_daemon_that_becomes_a_user_has_programs_of_that_user(rig: Rig) -> None:
    rig.write_native(f"  web:\n    cmd: {SLEEP}\n    starttime: 0\n", daemon="  user: nobody\n")
    give_to(rig, NOBODY)
    rig.start()
    daemon, web = Facts(rig.daemon_pid), facts(rig, "web")
    for found in (daemon, web):
        assert_runs_as(found, NOBODY)
    for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert daemon.mask(which) == 0
    assert_has_no_more_than_it_should(web, daemon)
    assert web.account() == account_of(NOBODY), "root's home is no home of theirs"
    for name in ("d.log", "d.pid", "s"):
        assert (rig.dir / name).stat().st_uid == NOBODY.pw_uid
    rig.stop()


@AS_ROOT
def test_a_user_who_cannot_read_the_library_is_told_of_in_the_log(rig: Rig) -> None:
    rig.write_native("  {}", daemon="  user: nobody\n")
    give_to(rig, NOBODY)
    rig.start()
    readable = subprocess.run([*as_nobody(), "test", "-r", os.__file__], check=False).returncode == 0
    told = rig.lines(f"^user 'nobody' cannot read '{os.path.dirname(os.__file__)}'")
    assert bool(told) is not readable
    rig.stop()


@AS_ROOT
def test_a_daemon_of_a_user_from_the_start_cannot_start_programs_of_others(rig: Rig, python_for_all: list[str]) -> None:
    rig.write_native(
        f"  web:\n    cmd: {SLEEP}\n    starttime: 0\n"
        f"  same:\n    cmd: {SLEEP}\n    user: nobody\n    starttime: 0\n"
        f"  other:\n    cmd: {SLEEP}\n    user: daemon\n    startretries: 0\n"
    )
    give_to(rig, NOBODY)
    through(rig, *as_nobody(), python=python_for_all)
    rig.start()
    daemon = Facts(rig.daemon_pid)
    for name in ("web", "same"):
        found = facts(rig, name)
        assert_runs_as(found, NOBODY)
        assert_has_no_more_than_it_should(found, daemon)
        assert found.environment["HOME"] == str(rig.dir), "it is the daemon's own user: the environment is right"
    told = (
        f"couldn't setuid to {DAEMON.pw_uid}: Can't drop privilege as nonroot user "
        "(only a daemon started as root can run programs as 'daemon')"
    )
    assert rig.until("other", "FATAL", deadline_s=PATIENCE_S)["spawnerr"] == told
    assert rig.lines("spawnerr: couldn't setuid")[0].text == f"spawnerr: {told}"
    assert len(rig.processes()) == 3
    rig.stop()


# --- root kept to spawn ---------------------------------------------------------------------------------------------

KEEPING = f"""\
  web:
    cmd: {SLEEP}
    starttime: 0
  other:
    cmd: {SLEEP}
    user: daemon
    starttime: 0
  stubborn:
    cmd: /bin/sh -c 'trap "" TERM; while :; do sleep 1; done'
    user: daemon
    starttime: 0
    stoptime: 0.2
"""


def assert_starts_and_stops_others(rig: Rig) -> None:
    daemon = Facts(rig.daemon_pid)
    assert_runs_as(daemon, NOBODY)
    assert daemon.mask("CapPrm") & daemon.mask("CapEff") & SPAWNING == SPAWNING
    assert (daemon.mask("CapInh") | daemon.mask("CapAmb")) & SPAWNING == 0
    web, other = facts(rig, "web"), facts(rig, "other")
    assert_runs_as(web, NOBODY)
    assert_runs_as(other, DAEMON)
    for found in (web, other):
        assert_has_no_more_than_it_should(found, daemon)
    assert other.account() == account_of(DAEMON)
    rig.until("stubborn", "RUNNING", deadline_s=PATIENCE_S)
    old = rig.pid("stubborn")
    assert rig.ctl("restart", "other").code == 0
    assert rig.ctl("stop", "stubborn").code == 0
    rig.until_line("killing 'stubborn'")
    assert not world.alive(old)
    assert rig.ctl("signal", "USR1", "other").code == 0
    rig.until_line("other .*SIGUSR1", deadline_s=PATIENCE_S)
    rig.stop()


@AS_ROOT
def test_root_is_kept_to_start_and_stop_programs_of_others_and_for_nothing_else(rig: Rig) -> None:
    rig.write_native(KEEPING, daemon="  user: nobody\n  keep_root_to_spawn: true\n")
    give_to(rig, NOBODY)
    rig.start()
    daemon = Facts(rig.daemon_pid)
    assert daemon.mask("CapPrm") == daemon.mask("CapEff") == SPAWNING
    assert rig.lines("^kept CAP_KILL CAP_SETGID CAP_SETUID, to start and stop programs of other users")
    for name in ("d.log", "d.pid", "s"):
        assert (rig.dir / name).stat().st_uid == NOBODY.pw_uid
    assert_starts_and_stops_others(rig)


@AS_ROOT
def test_it_outlasts_a_restart_of_the_daemon(rig: Rig) -> None:
    rig.write_native(KEEPING, daemon="  user: nobody\n  keep_root_to_spawn: true\n")
    give_to(rig, NOBODY)
    rig.start()
    rig.until_all("RUNNING", deadline_s=PATIENCE_S)
    assert rig.rpc.supervisor.restart() is True
    rig.until_line("supervisord started with pid", 2, deadline_s=PATIENCE_S)
    rig.wait_ready()
    assert_starts_and_stops_others(rig)


@AS_ROOT
def test_what_systemd_gives_instead_does_the_same_and_is_not_handed_on(rig: Rig, python_for_all: list[str]) -> None:
    """`User=nobody` and `AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL`."""
    rig.write_native(KEEPING, daemon="  user: nobody\n  keep_root_to_spawn: true\n")
    give_to(rig, NOBODY)
    through(rig, *as_nobody("setuid", "setgid", "kill"), python=python_for_all)
    rig.start()
    assert rig.lines("^programs do not get CAP_KILL CAP_SETGID CAP_SETUID, which the daemon was given")
    assert_starts_and_stops_others(rig)


@AS_ROOT
def test_keeping_what_was_not_given_is_refused(rig: Rig, python_for_all: list[str]) -> None:
    rig.write_native(KEEPING, daemon="  user: nobody\n  keep_root_to_spawn: true\n")
    give_to(rig, NOBODY)
    through(rig, *as_nobody("setgid"), python=python_for_all)
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert answer.err.splitlines()[0] == (
        "Error: cannot keep root to spawn: CAP_KILL CAP_SETUID missing "
        "(start tmd as root, or give it AmbientCapabilities=CAP_KILL CAP_SETGID CAP_SETUID)"
    )
    rig.assert_nothing_left()


# --- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["no-such-user", "-1", "4294967295", "4294967296", "99999999999999999999"])
@pytest.mark.parametrize("dialect", ["native", "supervisor"])
def test_an_impossible_user_is_refused_before_anything_starts(rig: Rig, dialect: str, user: str) -> None:
    if dialect == "native":
        rig.write_native(f'  web:\n    cmd: {SLEEP}\n    user: "{user}"\n')
    else:
        rig.write(f"[program:web]\ncommand={SLEEP}\nuser={user}\n")
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert "Traceback" not in answer.err
    (line,) = (line for line in answer.err.splitlines() if user in line)
    assert "web" in line
    rig.assert_nothing_left()


@AS_ROOT
@pytest.mark.parametrize(
    ("capability", "told"),
    [
        (
            "setgid",
            "Could not set groups of effective user (to become 'nobody': setgroups({groups}), EPERM: CAP_SETGID",
        ),
        ("setuid", f"Could not set user id (to become 'nobody': setuid({NOBODY.pw_uid}), EPERM: CAP_SETUID"),
    ],
)
@pytest.mark.parametrize("dialect", ["native", "supervisor"])
def test_a_step_that_fails_means_no_spawn_and_is_named(rig: Rig, dialect: str, capability: str, told: str) -> None:
    if dialect == "native":
        rig.write_native("  web:\n    cmd: /bin/touch {dir}/started\n    user: nobody\n    startretries: 0\n")
    else:
        rig.write("[program:web]\ncommand=/bin/touch {dir}/started\nuser=nobody\nstartretries=0\n")
    rig.dir.chmod(0o1777)
    through(rig, "setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}")
    rig.start()
    groups = ", ".join(map(str, dict.fromkeys(os.getgrouplist("nobody", NOBODY.pw_gid))))
    wanted = f"couldn't setuid to {NOBODY.pw_uid}: {told.format(groups=groups)} is missing)"
    assert rig.until("web", "FATAL", deadline_s=PATIENCE_S)["spawnerr"] == wanted
    assert rig.lines(f"spawnerr: couldn't setuid to {NOBODY.pw_uid}: ")[0].text.endswith(wanted)
    assert not (rig.dir / "started").exists()
    assert not world.children(rig.daemon_pid)
    rig.stop()

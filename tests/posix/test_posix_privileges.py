"""Becoming another user, and the daemon's own limits."""

import grp
import os
import pwd
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.posix.conftest import NOBODY
from tmd.posix import limits
from tmd.posix.privileges import PrivilegesRefused, User, drop_to, find_user, group_ids

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
CAP_SYS_RESOURCE = 24


def in_another_process(script: str, *wrapper: str) -> str:
    done = subprocess.run(
        [*wrapper, sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


# --- users ---------------------------------------------------------------------------------------------------------


def test_a_user_is_found_by_name_and_by_number() -> None:
    entry = pwd.getpwuid(0)
    root = User(0, entry.pw_gid, entry.pw_name, entry.pw_dir, entry.pw_shell)
    assert find_user(entry.pw_name) == find_user("0") == find_user(0) == root


@pytest.mark.parametrize("name", ["no-such-user", "", "a\0b", 4_000_000_000, "-7", str(10**30)])
def test_who_does_not_exist_is_not_found(name: str | int) -> None:
    assert find_user(name) is None


def test_groups_are_those_of_the_system_the_primary_first() -> None:
    for entry in pwd.getpwall():
        user = find_user(entry.pw_name)
        assert user is not None
        first, *others = group_ids(user)
        assert first == entry.pw_gid
        assert set(others) >= {group.gr_gid for group in grp.getgrall() if user.name in group.gr_mem} - {first}
        assert len({first, *others}) == 1 + len(others)


# --- becoming one --------------------------------------------------------------------------------------------------

BECOME = f"""
import os
from tmd.posix.privileges import PrivilegesRefused, drop_to
try:
    drop_to({NOBODY}, {NOBODY - 1}, ({NOBODY - 1}, 12))
    print(os.getresuid(), os.getresgid(), sorted(os.getgroups()))
    os.setuid(0)
except (PrivilegesRefused, PermissionError) as why:
    print(why)
"""


def test_root_becomes_the_user_for_good_and_others_are_refused() -> None:
    output = in_another_process(BECOME)
    if AS_ROOT:
        uid, gid = NOBODY, NOBODY - 1
        facts, refusal = output.splitlines()
        assert facts == f"({uid}, {uid}, {uid}) ({gid}, {gid}, {gid}) [12, {gid}]"
        assert "Operation not permitted" in refusal
    else:
        assert output == "Can't drop privilege as nonroot user\n"


def test_each_step_that_fails_is_named() -> None:
    if not AS_ROOT:
        with pytest.raises(PrivilegesRefused, match="nonroot user"):
            drop_to(0, 0, (0,))
        return
    for capability, told in (
        ("setgid", "Could not set groups of effective user\n"),
        ("setuid", "Could not set user id of effective user: Operation not permitted\n"),
    ):
        assert in_another_process(BECOME, "setpriv", "--bounding-set", f"-{capability}") == told


def test_becoming_who_we_are_is_nothing() -> None:
    before = os.getgroups()
    drop_to(os.getuid(), 54321, (54321,))
    assert os.getgroups() == before


# --- limits --------------------------------------------------------------------------------------------------------

RAISE = """
import resource
from tmd.posix import limits
try:
    print(limits.raise_{what}({minimum}), resource.getrlimit(resource.RLIMIT_{name}))
except limits.LimitRefused as why:
    print(why)
"""


def raised(what: str, soft: int, hard: int, minimum: int, *wrapper: str) -> str:
    name = {"files": "NOFILE", "processes": "NPROC"}[what]
    script = RAISE.format(what=what, name=name, minimum=minimum)
    return in_another_process(script, "prlimit", f"--{name.lower()}={soft}:{hard}", *wrapper).strip()


def test_files_are_raised_to_the_hard_limit() -> None:
    assert raised("files", 64, 900, 100) == "(64, 900) (900, 900)"
    assert raised("files", 900, 900, 100) == "(900, 900) (900, 900)"


def test_processes_are_raised_as_far_as_needed() -> None:
    assert raised("processes", 5000, 9000, 6000) == "(5000, 6000) (6000, 9000)"
    assert raised("processes", 5000, 9000, 200) == "(5000, 5000) (5000, 9000)"


def test_the_hard_limit_is_exceeded_by_who_may() -> None:
    """Root may, unless it is the root of a container."""
    told = "the hard limit of open files is 900 (raise it where the daemon is started, or lower minfds)"
    status = Path("/proc/self/status").read_text().split()
    may = int(status[status.index("CapEff:") + 1], 16) >> CAP_SYS_RESOURCE & 1
    assert raised("files", 64, 900, 1000) == ("(64, 1000) (1000, 1000)" if may else told)
    if AS_ROOT:
        assert raised("files", 64, 900, 1000, "setpriv", "--bounding-set", "-sys_resource") == told


def test_more_than_is_sane_is_not_taken_unasked() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before, now = limits.raise_files(64)
    try:
        assert before == soft
        assert now == max(soft, min(hard, limits.FILES_CEILING))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

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
from tmd.posix import capabilities, limits
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


def test_a_group_of_its_own_takes_the_place_of_the_primary_one() -> None:
    user = find_user(0)
    assert user is not None
    first, *others = group_ids(user, 54321)
    assert first == 54321
    assert set(others) == {group.gr_gid for group in grp.getgrall() if user.name in group.gr_mem}


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


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
def test_a_number_that_means_no_change_is_nobody_to_become() -> None:
    script = """
from tmd.posix.privileges import PrivilegesRefused, drop_to
for uid, gid in ((2**32 - 1, 1), (1, 2**32 - 1), (-1, 1)):
    try:
        drop_to(uid, gid, (1,))
        print("became it")
    except PrivilegesRefused as why:
        print(why)
"""
    assert in_another_process(script).splitlines() == ["no user or group can have the number 4294967295"] * 3


# --- keeping what starting programs as others takes ----------------------------------------------------------------

SHOW = """
def show():
    print(*(sorted(capabilities.held(which)) for which in "Eff Prm Inh Amb".split()), sep=" ")
def child():
    print(subprocess.run(["grep", "-E", "^Cap(Eff|Prm|Inh|Amb)", "/proc/self/status"], capture_output=True,
          text=True, check=True, **as_whom).stdout.split()[1::2])
"""
KEEP = f"""
import os, subprocess
from tmd.posix import capabilities
from tmd.posix.privileges import drop_to
{SHOW}
drop_to({NOBODY}, {NOBODY}, ({NOBODY},), keep=capabilities.SPAWNING)
show()
as_whom = dict(user=12, group=12, extra_groups=[12])
child()
as_whom = {{}}
child()
try:
    open("/etc/shadow")
except PermissionError:
    print("no power over files")
"""
NOTHING = ["0" * 16] * 4


@pytest.mark.skipif(not AS_ROOT, reason="only root has capabilities to keep")
@pytest.mark.parametrize("wrapper", [[], ["setpriv", "--inh-caps=+setuid,+kill", "--ambient-caps=+setuid,+kill"]])
def test_three_capabilities_are_kept_and_handed_on_to_nobody(wrapper: list[str]) -> None:
    ours, as_another, as_we_are, files = in_another_process(KEEP, *wrapper).splitlines()
    assert ours == "[5, 6, 7] [5, 6, 7] [] []"
    assert as_another == as_we_are == str(NOTHING)
    assert files == "no power over files"


@pytest.mark.skipif(not AS_ROOT, reason="only root has capabilities to keep")
def test_what_is_not_there_cannot_be_kept() -> None:
    script = f"""
import os
from tmd.posix import capabilities
from tmd.posix.privileges import PrivilegesRefused, drop_to
try:
    drop_to({NOBODY}, {NOBODY}, ({NOBODY},), keep=capabilities.SPAWNING)
except PrivilegesRefused as why:
    print(why, os.getuid())
"""
    assert in_another_process(script, "setpriv", "--bounding-set", "-kill,-setgid") == "CAP_KILL CAP_SETGID missing 0\n"


AMBIENT = ["inh", "ambient"]
GIVEN = f"""
import subprocess
from tmd.posix import capabilities
{SHOW}
print(capabilities.names(capabilities.keep_to_ourselves(capabilities.SPAWNING)) or "none")
show()
as_whom = dict(user=12, group=12, extra_groups=[12])
child()
print(capabilities.names(capabilities.keep_to_ourselves(capabilities.SPAWNING)) or "none")
"""


def given(*names: str) -> list[str]:
    """Return the words that start a command as somebody with these capabilities, as systemd does."""
    caps = [f"--{kind}-caps=-all,{','.join(f'+{name}' for name in names)}" for kind in AMBIENT]
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *caps]


@pytest.mark.skipif(not AS_ROOT, reason="only root can give capabilities")
def test_what_a_service_manager_gives_for_spawning_is_not_handed_on_and_the_rest_is() -> None:
    more = ["net_bind_service", "dac_read_search"]  # the second, to find an interpreter in root's home
    first, ours, theirs, again = in_another_process(GIVEN, *given("setuid", "setgid", "kill", *more)).splitlines()
    assert first == "CAP_KILL CAP_SETGID CAP_SETUID"
    assert ours == "[2, 5, 6, 7, 10] [2, 5, 6, 7, 10] [2, 10] [2, 10]"
    assert theirs == str([f"{1 << 2 | 1 << 10:016x}"] * 4)
    assert again == "none"


def test_who_was_given_nothing_has_nothing_to_keep() -> None:
    script = GIVEN.partition("as_whom = dict")[0]
    wrapper = given("dac_read_search") if AS_ROOT else []
    assert in_another_process(script, *wrapper).splitlines()[0] == "none"


def test_capabilities_are_named_as_people_write_them() -> None:
    assert capabilities.names(capabilities.SPAWNING | {21}) == "CAP_KILL CAP_SETGID CAP_SETUID capability 21"


@pytest.mark.skipif(not AS_ROOT, reason="nobody else has a capability to lose")
def test_a_capability_that_is_not_ours_cannot_be_taken() -> None:
    script = """
from tmd.posix import capabilities
some = frozenset({5, max(capabilities.held())})
capabilities.set_all(permitted=some)
assert capabilities.held() == capabilities.held("Prm") == some
try:
    capabilities.set_all(permitted=capabilities.SPAWNING)
except PermissionError as why:
    print(why)
"""
    assert "Operation not permitted" in in_another_process(script)


def test_becoming_who_we_are_is_nothing() -> None:
    before = os.getgroups()
    drop_to(os.getuid(), 54321, (54321,))
    assert os.getgroups() == before


# --- limits --------------------------------------------------------------------------------------------------------

RAISE = """
import resource
from tmd.posix import capabilities, limits
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

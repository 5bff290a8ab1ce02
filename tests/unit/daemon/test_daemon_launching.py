"""Launching: whom a program becomes, and what tells it so."""

import os
import pwd

import pytest

from tmd.config.settings import ProcessSpec
from tmd.daemon.launching import Launching, account, identity
from tmd.posix.commands import SpawnRefused
from tmd.wire.faults import Fault

ROOT = pwd.getpwuid(0)
UNKNOWN = 3_999_999_999
"""a number without an account"""
OWN = {"HOME": "/ours", "USER": "us", "LOGNAME": "us", "SHELL": "/bin/ours", "PATH": "/bin"}


def spec(
    *, uid: int | None = None, gid: int | None = None, user_environment: bool = False, **environment: str
) -> ProcessSpec:
    return ProcessSpec(
        name="web",
        group="web",
        program="web",
        command="/bin/true",
        uid=uid,
        gid=gid,
        user_environment=user_environment,
        environment=environment,
    )


def seen(asked: ProcessSpec, *, uid: int) -> dict[str, str]:
    """Return what a program gets of a daemon whose environment is that of `uid`, without what names the program."""
    found = Launching(OWN, uid).environment(asked, None)
    return {name: value for name, value in found.items() if not name.startswith("SUPERVISOR_")}


def test_without_an_account_the_number_is_the_name_and_there_is_no_home() -> None:
    assert account(UNKNOWN) == {"HOME": "/", "USER": str(UNKNOWN), "LOGNAME": str(UNKNOWN), "SHELL": "/bin/sh"}
    assert account(0)["HOME"] == ROOT.pw_dir


@pytest.mark.parametrize("uid", [0, UNKNOWN])
def test_the_environment_of_a_user_is_that_users_when_it_is_asked_for(uid: int) -> None:
    assert seen(spec(uid=uid, user_environment=True), uid=12345) == OWN | account(uid)
    assert seen(spec(uid=uid), uid=12345) == OWN


def test_what_the_program_sets_itself_is_stronger() -> None:
    found = seen(spec(uid=UNKNOWN, user_environment=True, HOME="/srv", PATH="/opt"), uid=12345)
    assert found == OWN | account(UNKNOWN) | {"HOME": "/srv", "PATH": "/opt"}


def test_an_environment_that_is_that_users_already_stays_as_it_is() -> None:
    assert seen(spec(uid=UNKNOWN, user_environment=True), uid=UNKNOWN) == OWN
    assert seen(spec(user_environment=True), uid=os.geteuid()) == OWN


def test_a_daemon_that_became_somebody_else_does_not_hand_on_the_home_it_came_from() -> None:
    assert seen(spec(user_environment=True), uid=os.geteuid() + 1) == OWN | account(os.geteuid())
    assert seen(spec(), uid=os.geteuid() + 1) == OWN


def test_nothing_is_changed_for_who_we_are_already() -> None:
    assert identity(spec()) == (None, None, None)
    assert identity(spec(uid=os.geteuid())) == (None, None, None)
    assert identity(spec(uid=os.geteuid(), gid=os.getegid())) == (None, None, None)
    assert identity(spec(gid=os.getegid())) == (None, None, None)


def test_a_user_comes_with_all_its_groups_and_a_group_takes_the_place_of_the_primary_one() -> None:
    user = next(entry for entry in pwd.getpwall() if entry.pw_uid != os.geteuid())
    name, primary = user.pw_name, user.pw_gid
    uid, gid, groups = identity(spec(uid=user.pw_uid))
    assert (uid, gid) == (user.pw_uid, primary)
    assert groups is not None
    assert groups[0] == primary
    assert set(groups) == set(os.getgrouplist(name, primary))
    _, gid, groups = identity(spec(uid=user.pw_uid, gid=54321))
    assert gid == 54321
    assert groups is not None
    assert set(groups) == set(os.getgrouplist(name, 54321))


def test_another_group_alone_comes_with_the_groups_of_the_account_and_none_of_the_daemons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "getgroups", lambda: [4, 54321, 54322])
    uid, gid, groups = identity(spec(gid=54321))
    assert (uid, gid) == (None, 54321)
    assert groups is not None
    assert groups[0] == 54321
    assert set(groups) == set(os.getgrouplist(ours, 54321))
    monkeypatch.setattr(os, "geteuid", lambda: UNKNOWN)
    assert identity(spec(gid=54321)) == (None, 54321, (54321,))


def test_who_has_no_account_needs_a_group_and_gets_no_other() -> None:
    assert identity(spec(uid=UNKNOWN, gid=54321)) == (UNKNOWN, 54321, (54321,))
    with pytest.raises(SpawnRefused, match=f"couldn't setuid to {UNKNOWN}: Can't find uid {UNKNOWN}") as refusal:
        identity(spec(uid=UNKNOWN))
    assert refusal.value.fault is Fault.SPAWN_ERROR
    assert not refusal.value.transient

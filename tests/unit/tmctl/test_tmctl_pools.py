"""What is shown about pools of event listeners."""

from typing import Any

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon, Process


def pool(name: str, *listeners: tuple[str, str, int], **counts: Any) -> dict[str, Any]:
    return {
        "name": name,
        "events": ["PROCESS_STATE", "TICK_5"],
        "buffer_size": 1024,
        "waiting": 3,
        "delivered": 12,
        "rejected": 1,
        "redelivered": 2,
        "dropped": 0,
        "listeners": [{"name": spec, "state": state, "for_s": for_s} for spec, state, for_s in listeners],
        **counts,
    }


@pytest.fixture
def listening(own_fake: FakeDaemon) -> FakeDaemon:
    own_fake.pools = [
        pool("mail", ("mail:mail_00", "READY", 83), ("mail:mail_01", "-", 5)),
        pool("web", ("web", "UNKNOWN", 4000), dropped=7, events=["EVENT"]),
    ]
    own_fake.processes.append(Process("mail", "mail_00", "RUNNING", pid=1010))
    return own_fake


def test_pools_in_lines(listening: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", listening.url, "pools").outcome == (
        "mail  events PROCESS_STATE,TICK_5  waiting 3/1024  delivered 12  rejected 1  redelivered 2  dropped 0\n"
        "  mail:mail_00  READY for 0:01:23\n"
        "  mail:mail_01  not running\n"
        "web  events EVENT  waiting 3/1024  delivered 12  rejected 1  redelivered 2  dropped 7\n"
        "  web  UNKNOWN for 1:06:40\n",
        0,
    )


def test_what_hinders_a_pool_is_told(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    trouble = "event 7 (TICK_5): rejected 3 times, next try in 2.0 s"
    told = pool("web", ("web", "READY", 60), note=trouble)
    told["listeners"][0]["note"] = "has closed its stdin"
    own_fake.pools = [told]
    lines = tmctl("-s", own_fake.url, "pools").out.splitlines()
    assert lines[1:] == [f"  oldest {trouble}", "  web  READY for 0:01:00, has closed its stdin"]
    verbose = tmctl("-s", own_fake.url, "status", "--verbose", "web").out
    assert "  listener READY for 0:01:00, has closed its stdin; pool: 3 of 1024 waiting, dropped 0\n" in verbose
    coloured = tmctl("--color=always", "-s", own_fake.url, "pools").out.splitlines()
    assert coloured[2] == "  web  \x1b[31mREADY\x1b[0m for 0:01:00, has closed its stdin"


def test_what_was_lost_is_red(listening: FakeDaemon, tmctl: Tmctl) -> None:
    lines = tmctl("--color=always", "-s", listening.url, "pools").out.splitlines()
    assert lines[0].endswith("dropped 0")
    assert lines[3].endswith("\x1b[31mdropped 7\x1b[0m")
    assert lines[4] == "  web  \x1b[31mUNKNOWN\x1b[0m for 1:06:40"


def test_some_pools(listening: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", listening.url, "pools", "web", "nope", "web")
    assert (ran.code, [line.split()[0] for line in ran.out.splitlines()]) == (1, ["nope:", "web", "web"])
    assert ran.out.startswith("nope: ERROR (no such pool)\n")
    assert tmctl("-s", listening.url, "pools", "all").out.startswith("mail ")


def test_pools_as_json(listening: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", listening.url, "pools", "--json").document == {"pools": listening.pools}
    assert tmctl("-s", listening.url, "pools", "--json", "web").document == {"pools": [listening.pools[1]]}


def test_without_any(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", own_fake.url, "pools").outcome == ("no event listeners\n", 0)
    assert tmctl("-s", own_fake.url, "pools", "--json").document == {"pools": []}


def test_another_server_is_said_to_be_one(fake: FakeDaemon, tmctl: Tmctl) -> None:
    line = "ERROR: this server does not tell about its event listeners (it is not tmd)\n"
    assert tmctl("-s", fake.url, "pools").outcome == (line, 1)
    assert tmctl("-s", "unix:///nowhere", "pools").outcome == ("unix:///nowhere no such file\n", 7)


def test_status_keeps_supervisors_text(listening: FakeDaemon, fake: FakeDaemon, tmctl: Tmctl) -> None:
    plain = tmctl("-s", listening.url, "status", "web", "mail:*")
    assert "taskmaster.getEventPools" not in listening.methods_called()
    assert plain.out.count("\n") == 2
    verbose = tmctl("-s", listening.url, "status", "--verbose", "web", "mail:*", "api:api_00")
    lines = verbose.out.splitlines()
    assert [lines[0], lines[2]] == plain.out.splitlines()
    assert lines[1] == "  listener UNKNOWN for 1:06:40; pool: 3 of 1024 waiting, dropped 7"
    assert lines[3] == "  listener READY for 0:01:23; pool: 3 of 1024 waiting, dropped 0"
    assert len(lines) == 5
    assert tmctl("-s", fake.url, "status", "--verbose").out == tmctl("-s", fake.url, "status").out


def test_status_verbose_as_json(listening: FakeDaemon, tmctl: Tmctl) -> None:
    processes = tmctl("-s", listening.url, "status", "-v", "--json", "web", "batch").document["processes"]
    assert processes[0]["listener"] == {
        "state": "UNKNOWN", "for_s": 4000, "note": "", "waiting": 3, "buffer_size": 1024, "dropped": 7,
    }  # fmt: skip
    assert processes[1]["listener"] is None
    assert "listener" not in tmctl("-s", listening.url, "status", "--json", "web").document["processes"][0]

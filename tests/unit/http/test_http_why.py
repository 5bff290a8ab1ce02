"""`taskmaster.why`: what a client learns about the ends of processes."""

import time
from pathlib import Path

import pytest

from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import NOW, FakeDaemon, group_of, spec_of
from tmd.core.ends import End
from tmd.http.why import local_time
from tmd.wire.methods import METHODS
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState
from tmd.wire.structs import PROCESS_END, WHY


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon(tmp_path)
    daemon.add(group_of("web", spec_of("web")), ProcessState.EXITED)
    daemon.add(group_of("g", spec_of("b", "g", priority=2), spec_of("a", "g", priority=1)), ProcessState.RUNNING)
    return daemon


def end(ago_s: float, code: int = 3, **facts: bytes) -> End:
    return End(at=NOW - ago_s, how="exited", pid=7, started_at=NOW - ago_s - 60, uptime_s=60.0, code=code, **facts)  # type: ignore[arg-type]


def test_ends_are_told_as_facts_and_in_sentences(daemon: FakeDaemon) -> None:
    at = local_time(NOW - 120, NOW)
    daemon.history.past[ProcessId("web", "web")] = [end(120, stderr=b"one\n\x1b[31mtwo\x00\n", stdout=b"<&>\n")]
    (told,) = Asker(daemon)("taskmaster.why", "web", 1)
    (one,) = told.pop("ends")
    first = f"web ended 2 minutes ago ({at}) after 1 min: exit code 3."
    account = [
        first,
        "Exit code 3 is not in exitcodes (0), so this end was unexpected.",
        "It was not restarted, because it was to be stopped or tmd was going down.",
    ]
    assert told == {
        "name": "web", "group": "web", "statename": "EXITED", "pid": 0, "now": int(NOW),
        "said": [*account, "Nothing happens until somebody starts it: tmctl start web"],
    }  # fmt: skip
    assert one == {
        "at": int(NOW) - 120, "how": "exited", "short": f"{at} exit code 3 after 1 min", "said": account, "pid": 7,
        "started": int(NOW) - 180, "uptime_s": 60.0, "code": 3, "signal": "", "core": False, "expected": False,
        "killed": False, "cause": "", "oom": "", "reason": "", "tries": 0, "then": "rest", "more": 0, "since": 0,
        "left_behind": 0, "stdout": ["<&>"], "stderr": ["^[[31mtwo^@"], "starts": [],
    }  # fmt: skip
    assert [*told, "ends"] == [field.name for field in WHY]
    assert list(one) == [field.name for field in PROCESS_END]


def test_ends_that_are_alike_are_one_but_not_over_a_start_of_the_daemon(daemon: FakeDaemon) -> None:
    daemon.history.past[ProcessId("web", "web")] = [end(10), end(20), end(1010), end(1020), end(1030, 4)]
    (told,) = Asker(daemon)("taskmaster.why", "web")
    started = local_time(NOW - 1000, NOW)
    assert [(one["code"], one["more"], one["starts"]) for one in told["ends"]] == [
        (3, 1, []), (3, 1, [started]), (4, 0, []),
    ]  # fmt: skip


def test_a_killed_one(daemon: FakeDaemon) -> None:
    killed = End(at=NOW - 5, how="stopped", signal=9, ignored_s=10.0, cause="asked")
    daemon.history.past[ProcessId("g", "a")] = [killed]
    (told,) = Asker(daemon)("taskmaster.why", "g:a")
    assert told["said"][0].startswith(f"g:a runs since {local_time(NOW - 500, NOW)} (pid 10")
    (one,) = told["ends"]
    assert (one["code"], one["signal"], one["killed"], one["cause"]) == (-1, "SIGKILL", True, "asked")


def test_names_are_as_everywhere(daemon: FakeDaemon) -> None:
    ask = Asker(daemon)
    assert [told["name"] for told in ask("taskmaster.why", "g:*")] == ["a", "b"]
    assert [told["name"] for told in ask("taskmaster.why", "all")] == ["a", "b", "web"]
    assert ask.fault("taskmaster.why", "nope") == "10 BAD_NAME: nope"
    assert ask.fault("taskmaster.why", "web", 201) == "3 BAD_ARGUMENTS: lines must be 0 to 200, got 201"
    assert ask.fault("taskmaster.why", "web", -1).startswith("3 ")
    assert METHODS["taskmaster.why"].access == "read"


def test_another_day_has_its_date() -> None:
    assert local_time(NOW - 1, NOW) == time.strftime("%H:%M:%S", time.localtime(NOW - 1))
    assert local_time(1e300, NOW) == "at a time that cannot be"
    assert local_time(NOW - 90_000, NOW) == time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOW - 90_000))

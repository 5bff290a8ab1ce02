"""`taskmaster.*`: what Supervisor's API cannot say."""

from pathlib import Path

import msgspec
import pytest

import tmd
from tests.unit.http.asking import Asker
from tests.unit.http.fake_daemon import FakeDaemon, changed, group_of, spec_of
from tmd.config.plan import Plan
from tmd.config.settings import Dialect
from tmd.daemon.surface import Result
from tmd.wire.faults import Fault
from tmd.wire.names import ProcessId
from tmd.wire.structs import GROUP_CHANGE, RELOAD, UPDATE, VERSION


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    daemon = FakeDaemon(tmp_path)
    daemon.add(group_of("web", spec_of("web")))
    daemon.add(group_of("g", spec_of("b", "g"), spec_of("a", "g", priority=1), priority=1))
    old = group_of("c", spec_of("c1", "c"), spec_of("c2", "c"), spec_of("c4", "c"))
    new = group_of("c", spec_of("c2", "c"), spec_of("c3", "c"), spec_of("c4", "c"))
    daemon.plan = Plan(
        added=(group_of("n"),),
        changed=(
            changed(old, new, added=(new.processes[1],), removed=(old.processes[0].id,), restart=(new.processes[0],)),
        ),
        removed=("r",),
        held=((ProcessId("c", "c2"), "a hook said no"),),
    )
    return daemon


@pytest.fixture
def ask(daemon: FakeDaemon) -> Asker:
    return Asker(daemon)


PLAN = {
    "added": ["n"],
    "changed": [
        {"name": "c", "added": ["c:c3"], "removed": ["c:c1"], "restarted": ["c:c2"], "live": [], "kept": ["c:c4"]}
    ],
    "removed": ["r"],
    "held": [{"name": "c:c2", "reason": "a hook said no"}],
}


def test_version_and_figures(ask: Asker) -> None:
    version = ask("taskmaster.getVersion")
    assert version == {
        "name": "tmd", "version": tmd.__version__, "dialect": "supervisor", "config": "/etc/taskmaster.yaml",
    }  # fmt: skip
    assert list(version) == [field.name for field in VERSION]
    assert ask("taskmaster.getFigures") == {"wakeups": 12, "lag_max_s": 0.25}


def test_reread_may_name_another_file(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("taskmaster.reread") == [[["n"], ["c"], ["r"]]]
    assert ask("taskmaster.reread", "/other.yaml") == [[["n"], ["c"], ["r"]]]
    assert daemon.asked == [("reread", None), ("reread", "/other.yaml")]


def test_update_tells_what_was_done(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("taskmaster.update") == PLAN
    assert ask("taskmaster.update", ["c", "n"]) == PLAN
    assert daemon.asked == [("update", ()), ("update", ("c", "n"))]
    assert list(PLAN) == [field.name for field in UPDATE]
    assert list(ask("taskmaster.update")["changed"][0]) == [field.name for field in GROUP_CHANGE]


def test_reload_in_both_dialects(daemon: FakeDaemon, ask: Asker) -> None:
    assert ask("taskmaster.reload") == {"restarted": True, "added": [], "changed": [], "removed": [], "held": []}
    daemon.settings = msgspec.structs.replace(daemon.settings, dialect=Dialect.NATIVE)
    assert ask("taskmaster.reload") == {"restarted": False, **PLAN}
    assert list(ask("taskmaster.reload")) == [field.name for field in RELOAD]


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["web"], ["web"]),
        (["g:b", "web", "g:b"], ["g:b", "web"]),
        (["g:*"], ["g:a", "g:b"]),
        (["g:b", "all"], ["g:b", "g:a", "web"]),
        ([], []),
    ],
)
def test_restart_takes_names_once_each(daemon: FakeDaemon, ask: Asker, names: list[str], ids: list[str]) -> None:
    results = ask("taskmaster.restartProcesses", names, False)
    asked, asked_ids, wait = daemon.asked[0]
    assert (asked, [id_.namespec for id_ in asked_ids], wait) == ("restart_processes", ids, False)
    assert [ProcessId(item["group"], item["name"]).namespec for item in results] == ids
    assert all(item["status"] == 80 for item in results)


def test_restart_tells_unknown_names_and_goes_on(daemon: FakeDaemon, ask: Asker) -> None:
    results = ask("taskmaster.restartProcesses", ["nope", "web", "nope:*", "g:x"])
    assert [(item["group"], item["name"], item["status"], item["description"]) for item in results] == [
        ("nope", "nope", 10, "BAD_NAME: nope"),
        ("nope", "*", 10, "BAD_NAME: nope:*"),
        ("g", "x", 10, "BAD_NAME: g:x"),
        ("web", "web", 80, "OK"),
    ]


def test_restart_waits_and_tells_faults(daemon: FakeDaemon, ask: Asker) -> None:
    daemon.hold = True
    pending = ask("taskmaster.restartProcesses", ["web"])
    daemon.held[0].resolve([Result(ProcessId("web", "web"), Fault.SPAWN_ERROR)])
    assert pending.outcome() == [
        {"name": "web", "group": "web", "status": 50, "description": "SPAWN_ERROR: web"},
    ]

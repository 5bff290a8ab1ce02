"""`upgrade`, and servers that want to be asked again."""

from typing import Any
from xmlrpc.client import Fault

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl import client


class Upgradable:
    """What a daemon says that is upgraded once it was asked, after some looks at its figures."""

    def __init__(self, fake: FakeDaemon, *, looks: int = 2, works: bool = True, why: str = "") -> None:
        self.looks, self.works, self.why = looks, works, why
        self.asked = False
        fake.taskmaster_getFigures = self.figures  # type: ignore[attr-defined]
        fake.taskmaster_upgrade = self.upgrade  # type: ignore[attr-defined]

    def figures(self) -> dict[str, int]:
        self.looks -= self.asked
        after = self.asked and self.looks <= 0
        return {"upgrades": 4 + (after and self.works), "upgrades_refused": 1 + (after and not self.works)}

    def upgrade(self) -> dict[str, Any]:
        if self.why:
            raise Fault(30, f"FAILED: {self.why}")
        self.asked = True
        return {"from": "1.0", "to": "1.1 (Python 3.12.1)", "upgrades": 4, "children": 2}


def test_it_waits_for_the_new_one_and_says_what_happened(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.own = True
    Upgradable(fake)
    ran = tmctl("-s", fake.url, "upgrade")
    assert ran.code == 0
    assert ran.out.startswith("upgraded: tmd 1.0 -> 1.1 (Python 3.12.1) in ")
    assert ran.out.endswith(" s; 2 processes go on\n")


def test_a_refusal_is_told_with_its_reason(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.own = True
    Upgradable(fake, why="cannot upgrade: /etc/x.yaml:1:1: no such thing")
    assert tmctl("-s", fake.url, "upgrade").outcome == ("ERROR: cannot upgrade: /etc/x.yaml:1:1: no such thing\n", 1)


def test_one_that_failed_at_the_last_moment_is_told(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.own = True
    Upgradable(fake, works=False)
    ran = tmctl("-s", fake.url, "upgrade")
    assert (ran.code, "the same daemon goes on" in ran.out) == (1, True)


def test_a_server_that_is_no_tmd_cannot_be_upgraded(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "upgrade")
    assert (ran.code, "knows no upgrade in place" in ran.out) == (1, True)


def test_a_server_that_asks_for_it_is_asked_again(
    fake: FakeDaemon, tmctl: Tmctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    fake.ask_again = 2
    assert tmctl("-s", fake.url, "pid").code == 0
    assert waited == [1.0, 1.0]


def test_but_not_for_ever(fake: FakeDaemon, tmctl: Tmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    fake.ask_again = 100
    assert tmctl("-s", fake.url, "pid").code != 0
    assert len(waited) == client.ASK_AGAIN

"""What is remembered of a life, and for how long."""

import os
from typing import Any

from tmd.config.plan import fingerprint
from tmd.config.settings import ProcessSpec
from tmd.core.records import Life
from tmd.daemon.life_records import LifeRecords
from tmd.posix.identity import ticks_of


def spec(**fields: Any) -> ProcessSpec:
    return ProcessSpec(name="web", group="web", program="web", command="/bin/web", **fields)


def test_an_intent_is_all_that_is_known_before_there_is_a_process() -> None:
    web = spec(stopsignal=2, stopwaitsecs=3, stopasgroup=True, killasgroup=True, tty=True)
    intent = LifeRecords().intent(web, "k.1")
    assert intent == Life(
        token="k.1",
        uid=os.geteuid(),
        fingerprint=fingerprint(web),
        tty=True,
        stopsignal=2,
        stopwaitsecs=3,
        stopasgroup=True,
        killasgroup=True,
    )
    assert LifeRecords().intent(spec(kind="eventlistener"), "k.1").listens


def test_a_life_is_remembered_until_the_process_is_removed() -> None:
    records = LifeRecords()
    web = spec()
    assert records.get(web.id) is None
    ours, theirs = os.pipe()
    try:
        records.began(web, "k.1", os.getpid(), 0, stdin=theirs, outputs={"stdout": ours})
        pipe = os.fstat(ours).st_ino
    finally:
        os.close(ours)
        os.close(theirs)
    life = records.get(web.id)
    assert life is not None
    assert (life.token, life.pid, life.ticks) == ("k.1", os.getpid(), ticks_of(os.getpid()))
    assert life.pipes == {"stdin": pipe, "stdout": pipe}
    records.put(web.id, Life(token="k.0", pid=5))
    assert records.get(web.id) == Life(token="k.0", pid=5)
    records.forget(web.id)
    assert records.get(web.id) is None


def test_changed_settings_have_another_fingerprint() -> None:
    records = LifeRecords()
    first = records.intent(spec(), "k.1").fingerprint
    assert records.intent(spec(), "k.2").fingerprint == first
    assert records.intent(spec(user_environment=True), "k.3").fingerprint != first

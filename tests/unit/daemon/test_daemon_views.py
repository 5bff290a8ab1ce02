"""Processes as clients may see them."""

from pathlib import Path

from msgspec.structs import replace

from tests.unit.http.fake_daemon import group_of, spec_of
from tmd.config.settings import Dialect
from tmd.core import inputs as i
from tmd.core.overseer import Overseer
from tmd.daemon.ledger import Ledger
from tmd.daemon.logbook import Logbook
from tmd.daemon.views import Views
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState


class Clock:
    """Goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def test_all_are_seen_in_order_and_at_one_moment(tmp_path: Path) -> None:
    overseer, clock = Overseer(), Clock()
    logbook = Logbook(Dialect.NATIVE, str(tmp_path), "tmd", print)
    for group, processes in (("b", ("z", "a")), ("a", ("m",)), ("a-b", ("x",))):
        specs = [spec_of(process, group) for process in processes]
        overseer.step(i.AddGroupAsked(group_of(group, *specs)), 0.0)
        for spec in specs:
            logbook.assign(spec)
    ledger = Ledger()
    ledger.restore(ProcessId("a", "m"), 500.0, 400.0)
    views = Views(overseer, ledger, logbook, clock)
    seen = views.all()
    assert [view.id for view in seen] == [("a", "m"), ("a-b", "x"), ("b", "a"), ("b", "z")]
    assert {view.now for view in seen} == {1001.0}
    assert (seen[0].start, seen[0].stop, seen[0].state, seen[0].pid) == (500.0, 400.0, ProcessState.STOPPED, 0)
    assert views.of(ProcessId("b", "z")) == replace(views.all()[3], now=1002.0)
    assert views.of(ProcessId("b", "none")) is None
    assert views.of(ProcessId("none", "z")) is None

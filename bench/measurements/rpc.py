"""How many questions a second are answered, and how long the client takes that prints all states."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from bench.measurements import asking
from bench.measurements.base import Figure, Promise, Samples
from bench.measurements.running import Broken, idlers, running, settle
from bench.stamping import Stamps
from bench.subjects.base import Ability, Plan, Rpc, Subject

_UP_WITHIN_S = 120.0
_REST_S = 1.5
"""until all count as started everywhere"""
_ASK_S = 0.3
_LOOKS = 3
"""samples that this time is divided into where one connection asks at a time"""
_SIZES = (10, 100, 1000)
_FEW = 100
_STATUS_RUNS = {10: 7, 1000: 3}
_MANNERS = (
    ("kept", "one kept connection"),
    ("each", "a connection per call"),
    ("many", f"{asking.CONNECTIONS} connections"),
)


def _state(rpc: Rpc) -> object:
    return rpc.state()


def _all(rpc: Rpc) -> object:
    return rpc.all()


_CALLS: tuple[tuple[str, str, asking.Call], ...] = (
    ("state", "getState", _state),
    ("all", "getAllProcessInfo", _all),
)


def _figures() -> Iterator[Figure]:
    for call, call_title, _ in _CALLS:
        for size in _SIZES:
            for manner, manner_title in _MANNERS:
                title = f"{call_title}, {size:,} programs, {manner_title}"
                yield Figure(f"{call}_{manner}_{size}", title, "1/s", better="more")
    for size in _STATUS_RUNS:
        yield Figure(f"status_{size}", f"status by its client, {size:,} programs", "ms")


class Questions:
    """Answers a second with 10, 100 and 1,000 running programs; the client's status with 10 and 1,000."""

    key: ClassVar[str] = "rpc"
    title: ClassVar[str] = "Questions and answers"
    needs: ClassVar[frozenset[Ability]] = frozenset()
    """either of RPC and STATUS: it yields the figures of what there is"""
    figures: ClassVar[tuple[Figure, ...]] = tuple(_figures())
    promises: ClassVar[tuple[Promise, ...]] = (
        *(Promise(f"all_{manner}_1000", 50.0) for manner in ("kept", "each")),
        Promise("state_kept_10", 2.0),
        Promise("state_kept_1000", 30.0),
        Promise("status_10", 1.0),
        Promise("status_1000", 0.25),
    )
    rounds: ClassVar[int] = 1
    spared: ClassVar[Mapping[str, str]] = {"pm2": "1,000 programs: it would take half a minute"}

    def turn(self, kind: type[Subject], home: Path, quick: bool) -> Samples:
        """Ask shorter when it is to be quick; no thousand programs then, or for one that is to be spared."""
        found: dict[str, list[float]] = {}
        for size in _SIZES:
            if size <= _FEW or not (quick or kind.name in self.spared):
                found |= _look(kind, home / str(size), size, _ASK_S / 3 if quick else _ASK_S)
        return found


def _look(kind: type[Subject], home: Path, size: int, ask_s: float) -> dict[str, list[float]]:
    """Bring so many programs up and ask; what takes longest comes last, as it may leave the subject busy."""
    found: dict[str, list[float]] = {}
    status_runs = _STATUS_RUNS.get(size, 0) if Ability.STATUS in kind.abilities else 0
    if status_runs == 0 and Ability.RPC not in kind.abilities:
        return found
    home.mkdir()
    stamps = Stamps(home / "stamps")
    with running(kind, home / "s", Plan(idlers(stamps, size))) as subject:
        stamps.wait(size, _UP_WITHIN_S)
        settle(_REST_S)
        if status_runs:
            found[f"status_{size}"] = [_status_ms(subject, size) for _ in range(status_runs)]
        if Ability.RPC in kind.abilities:
            for key, _, call in _CALLS:
                found[f"{key}_kept_{size}"] = [asking.kept(subject, call, ask_s / _LOOKS) for _ in range(_LOOKS)]
                found[f"{key}_each_{size}"] = [asking.each(subject, call, ask_s / _LOOKS) for _ in range(_LOOKS)]
                crowd = asking.many(subject, call, ask_s)
                found[f"{key}_many_{size}"] = [crowd.rate]
                if crowd.stuck:
                    break
    return found


def _status_ms(subject: Subject, size: int) -> float:
    """Time the client; it must have printed the last of so many programs."""
    began = time.monotonic()
    done = subprocess.run(
        subject.status(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
    )
    took_ms = 1e3 * (time.monotonic() - began)
    if f"p{size - 1}" not in done.stdout:
        raise Broken(f"cannot read the status of {subject.name}: {done.stdout[-200:]}{done.stderr[-200:]}")
    return took_ms

"""What the service manager (systemd, or what speaks its language) is told of this daemon, and when.

Promises: READY once the listeners answer, a status line that follows the programs without flooding anybody, a sign of
life from the loop itself, and more time for an end that takes long. With nobody listening it does nothing at all; a
manager that has gone costs one line in the log and changes nothing for the programs.
"""

import os
from collections.abc import Callable, Iterable

from tmd.core import notices as n
from tmd.daemon.bus import Told
from tmd.posix.loop import Loop, Timer
from tmd.posix.notify import Contract, Notifier, Sent
from tmd.wire.states import ProcessState

STATUS_AFTER_S = 0.05
"""a change is told so late, for it seldom comes alone"""
STATUS_EVERY_S = 1.0
"""and no sooner than this after the one before"""
AGAIN_S = 0.2
"""when what a busy manager did not take is sent again"""
EXTEND_S = 20.0
"""the time that is asked for while stopping or restarting takes; after a third of it, it is asked for again"""
NAMED_AT_MOST = 5
"""processes in trouble that the status line names"""
IN_TROUBLE = {ProcessState.FATAL: 0, ProcessState.BACKOFF: 1, ProcessState.UNKNOWN: 2}
OUTPUT = (n.ProcessSaid, n.ProcessCommunicated, n.RemoteCommunicated, n.EventEmitted, n.LogDropped, n.EventsDropped)
"""notices that change nothing in a status line"""

States = Callable[[], Iterable[tuple[str, ProcessState]]]


class ServiceReports:
    """Tells the manager that `contract` names. `states`: (name, state) of every process.

    `foreground`: this is the process that the manager started.
    """

    def __init__(
        self, contract: Contract, loop: Loop, *, states: States, debug: Callable[[str], None], foreground: bool
    ) -> None:
        self._loop, self._states, self._debug = loop, states, debug
        self._foreground = foreground
        self._watchdog_s = contract.watchdog_s
        self._address = contract.address
        self._notifier = None if contract.address is None else Notifier(contract.address)
        self._phase = "starting"
        """starting, running, reloading, restarting, stopping"""
        self._refused = False
        """whether the configuration last read was refused"""
        self._pending: dict[str, str] = {}
        self._lost = False
        self._told = ""
        self._told_at = -STATUS_EVERY_S
        self._timers: dict[str, Timer] = {}

    # --- phases -----------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Say that the daemon serves: after its start, after a reload."""
        if self._notifier is None or self._phase == "stopping":
            return
        first = self._phase == "starting"
        self._phase = "running"
        self._forget("RELOADING", "MONOTONIC_USEC")
        mine = {} if self._foreground or not first else {"MAINPID": str(os.getpid())}
        self._tell({"READY": "1", **mine, **self._status()})
        if first and self._watchdog_s is not None:
            self._watch(self._watchdog_s / 2)

    def reloading(self) -> None:
        """Say that a new configuration is being applied; `ready` ends that."""
        self._leave_for("reloading")

    def restarting(self) -> None:
        """Say that everything is stopped and started again; `ready` of the next start ends that."""
        self._leave_for("restarting")
        self._extend()

    def stopping(self) -> None:
        """Say that this is the end, and ask for time as long as it takes."""
        if self._notifier is None or self._phase == "stopping":
            return
        self._phase = "stopping"
        self._forget("READY", "RELOADING", "MONOTONIC_USEC")
        self._tell({"STOPPING": "1", **self._status()})
        self._extend()

    def close(self) -> None:
        """Be silent from now on; idempotent."""
        for timer in self._timers.values():
            timer.cancel()
        if self._notifier is not None:
            self._notifier.close()
        self._notifier = None

    def _leave_for(self, phase: str) -> None:
        if self._notifier is None or self._phase == "stopping":
            return
        self._phase = phase
        self._forget("READY")
        self._tell({"RELOADING": "1", "MONOTONIC_USEC": str(int(self._loop.now() * 1e6)), **self._status()})

    # --- what goes on meanwhile -------------------------------------------------------------------------------

    def hear(self, told: Told) -> None:
        """Take note of what happens to processes and to the configuration."""
        if self._notifier is None or isinstance(told.notice, OUTPUT):
            return
        if isinstance(told.notice, n.ConfigReloaded | n.ConfigRejected):
            self._refused = isinstance(told.notice, n.ConfigRejected)
        if "status" not in self._timers:
            at = max(self._loop.now() + STATUS_AFTER_S, self._told_at + STATUS_EVERY_S)
            self._timers["status"] = self._loop.call_at(at, self._tell_status)

    def _tell_status(self) -> None:
        self._timers.pop("status", None)
        status = self._status()
        if status["STATUS"] != self._told and self._phase != "starting":
            self._tell(status)

    def _status(self) -> dict[str, str]:
        text = status_text(self._states())
        if self._phase in ("reloading", "restarting", "stopping"):
            text = f"{self._phase}; {text}"
        if self._refused:
            text += "; the configuration was refused, the one before goes on"
        return {"STATUS": text}

    def _watch(self, every_s: float) -> None:
        self._tell({"WATCHDOG": "1"})
        self._timers["watchdog"] = self._loop.call_later(every_s, lambda: self._watch(every_s))

    def _extend(self) -> None:
        if self._notifier is None:
            return
        if timer := self._timers.pop("extend", None):
            timer.cancel()
        self._tell({"EXTEND_TIMEOUT_USEC": str(int(EXTEND_S * 1e6))})
        self._timers["extend"] = self._loop.call_later(EXTEND_S / 3, self._extend)

    # --- getting it there -------------------------------------------------------------------------------------

    def _forget(self, *names: str) -> None:
        """Drop what waits and is no longer true."""
        for name in names:
            self._pending.pop(name, None)

    def _tell(self, assignments: dict[str, str]) -> None:
        if "STATUS" in assignments:
            self._told, self._told_at = assignments["STATUS"], self._loop.now()
        self._pending |= assignments
        if "again" not in self._timers:
            self._flush()

    def _flush(self) -> None:
        self._timers.pop("again", None)
        if self._notifier is None or not self._pending:
            return
        sent = self._notifier.send(self._pending)
        if sent is Sent.LATER:
            self._timers["again"] = self._loop.call_later(AGAIN_S, self._flush)
            return
        self._pending.clear()
        if sent is Sent.LOST and not self._lost:
            self._debug(f"cannot tell the service manager at '{self._address}': {self._notifier.reason}")
        self._lost = sent is Sent.LOST


def status_text(states: Iterable[tuple[str, ProcessState]]) -> str:
    """Return the line for the operator: `12 of 14 running; worker FATAL`."""
    total = running = 0
    troubled: list[tuple[int, str, ProcessState]] = []
    for name, state in states:
        total += 1
        running += state is ProcessState.RUNNING
        if state in IN_TROUBLE:
            troubled.append((IN_TROUBLE[state], name, state))
    troubled.sort()
    named = [f"{name} {state.name}" for _, name, state in troubled[:NAMED_AT_MOST]]
    if len(troubled) > NAMED_AT_MOST:
        named.append(f"{len(troubled) - NAMED_AT_MOST} more")
    return "; ".join([f"{running} of {total} running", *([", ".join(named)] if named else [])])

"""Upgrading: the daemon makes way for a new version of itself, in the same process, with all that it holds.

    asked -> checked (the new code reads the state, nothing is touched) -> a moment of rest is waited for
    -> held (nothing happens to anybody any more) -> the drain has given up its pipes -> the state is taken

Promises that nothing has changed when it is refused, and that whoever asks while it goes on is answered by the one
that comes next. Does not know how that one begins.
"""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

import tmd
from tmd.config.settings import Settings
from tmd.core.overseer import Overseer
from tmd.core.records import Entry
from tmd.daemon.configuration import Configuration
from tmd.daemon.counters import Counters
from tmd.daemon.essential import Essential
from tmd.daemon.handover import (
    BootState,
    CannotHandOver,
    Carried,
    ChannelState,
    GroupState,
    State,
    command_line,
    pack,
    try_to_hand_on,
)
from tmd.daemon.history import History
from tmd.daemon.hook_runs import HookKey
from tmd.daemon.life import ChannelKey
from tmd.daemon.requests import Requests
from tmd.daemon.runtime import Runtime
from tmd.daemon.service import ServiceReports
from tmd.daemon.surface import Awaited, Operation
from tmd.daemon.workers import Workers
from tmd.posix import signals
from tmd.posix.errands import Ended
from tmd.posix.pidfile import PidFile
from tmd.posix.sinks import Surrendered
from tmd.wire.faults import Fault, RpcFault

CHECK = "--check-handover"
FITS = "fits: tmd "
"""what the new code says of a state it can read, before its version"""
CHECK_S = 30.0
REST_S = 2.0
"""how long a moment is waited for in which no answer is under way that only this process can give"""
HOOKS_S = 5.0
"""how long hooks that run are waited for; then the upgrade is refused"""
LOOK_S = 0.02
SURRENDER_S = 1.0
"""how long the drain may take to write what it was given"""
UNSENT_S = 0.3
"""how long clients may take for what was sent to them; the rest goes on to the next daemon"""


class Servers(Protocol):
    """The HTTP listeners, as far as an upgrade is concerned."""

    def waiting(self, besides: Operation[Any] | None) -> int:
        """Return how many answers are under way that no other daemon could give, `besides` one."""

    def hold(self) -> None:
        """Take nothing in any more."""

    def unsent_bytes(self) -> int:
        """Return how much waits to be sent."""

    def state(self) -> Carried:
        """Return all there is."""

    def let_go(self) -> None:
        """Leave all sockets open."""


class Handed(NamedTuple):
    """All that goes on to the next daemon."""

    state: State
    data: bytes


class Parts(NamedTuple):
    """What the state is taken from."""

    boot: Callable[[], BootState]
    pidfile: PidFile
    runtime: Runtime
    requests: Requests
    configuration: Configuration
    counters: Counters
    history: History
    essential: Essential
    service: ServiceReports
    workers: Workers


class Upgrading:
    """Of one daemon. `running`: whether it is not on its way down. `before`: what it goes on with itself."""

    def __init__(self, parts: Parts, *, running: Callable[[], bool], before: State | None) -> None:
        self._parts, self._running = parts, running
        self.upgrades = 0 if before is None else before.upgrades + (not before.failed)
        self.refused = 0 if before is None else before.refused
        self.servers: Servers
        """set before anybody can ask"""
        self.held = False
        """nothing happens here any more: what comes is for the next daemon"""
        self.handed: Handed | None = None
        """once the loop has stopped for it"""
        self._operation: Operation[Mapping[str, Any]] | None = None
        self._version = ""
        self._frozen_at = 0.0

    def figures(self) -> dict[str, int]:
        """Return counters."""
        return {"upgrades": self.upgrades, "upgrades_refused": self.refused}

    # --- asked and checked ----------------------------------------------------------------------------------------

    def ask(self) -> Operation[Mapping[str, Any]]:
        """Begin; resolves right before this daemon makes way, or with FAILED and the reason why it does not."""
        parts = self._parts
        if self._operation is not None:
            raise RpcFault(Fault.FAILED, "cannot upgrade: an upgrade is under way")
        if not self._running() or not parts.runtime.overseer.started:
            raise RpcFault(Fault.SHUTDOWN_STATE)
        operation = self._operation = Operation[Mapping[str, Any]]()
        parts.service.reloading()
        try:
            argv = [*command_line(), CHECK]
            data = pack(self._state())
            try_to_hand_on()
        except CannotHandOver as why:
            self._refuse(str(why))
            return operation
        parts.runtime.mainlog.info(f"asked to upgrade: checking whether '{argv[0]}' has a tmd that can go on from here")
        directory = parts.boot().host.cwd
        directory = directory if os.access(directory, os.X_OK) else "/"
        errands = parts.runtime.alerts.errands
        checked = parts.workers.run(partial(errands.run, argv, data, CHECK_S, directory))
        checked.then(self._checked)
        return operation

    def _checked(self, outcome: Operation[Ended]) -> None:
        if outcome.value is None:
            fault = outcome.fault
            self._refuse(f"the check cannot be made: {'no outcome' if fault is None else fault.detail or fault.text}")
            return
        said = outcome.value.output.decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else ""
        if outcome.value.returncode is None:
            self._refuse(f"the check has not ended within {CHECK_S:g} seconds")
        elif outcome.value.returncode != 0 or not last.startswith(FITS):
            told = said.removeprefix("Error: ").replace("\n", "; ")
            self._refuse(told or f"the check ended with status {outcome.value.returncode} and said nothing")
        else:
            self._version = last.removeprefix(FITS)
            self._rest(self._parts.runtime.loop.now())

    def _refuse(self, reason: str) -> None:
        self.refused += 1
        operation, self._operation = self._operation, None
        self._parts.service.ready()
        text = f"cannot upgrade: {reason}"
        self._parts.runtime.mainlog.error(f"{text} (nothing has changed)")
        if operation is not None:
            operation.refuse(RpcFault(Fault.FAILED, text))

    # --- a moment of rest -----------------------------------------------------------------------------------------

    def _rest(self, since: float) -> None:
        """Wait until nothing is under way that would be lost; what takes longer is asked for again."""
        runtime = self._parts.runtime
        waited_s = runtime.loop.now() - since
        again = partial(self._rest, since)
        if not self._running():
            self._refuse("the daemon goes down")
        elif hooks := runtime.hooks.under_way:
            if waited_s < HOOKS_S:
                runtime.loop.call_later(LOOK_S, again)
            else:
                self._refuse(f"hooks do not come to their end: {', '.join(hooks)}")
        elif waited_s < REST_S and (
            self.servers.waiting(self._operation) or runtime.alerts.busy or self._parts.workers.busy
        ):
            runtime.loop.call_later(LOOK_S, again)
        else:
            self._hold()

    # --- making way -----------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """Answer who asked, and from here on nobody; then have the drain give up its pipes."""
        parts, runtime = self._parts, self._parts.runtime
        self._frozen_at = runtime.loop.now()
        runtime.mainlog.info(f"making way for tmd {self._version}")
        assert self._operation is not None
        self._operation.resolve(
            {"from": tmd.__version__, "to": self._version, "upgrades": self.upgrades, "children": len(runtime.lives)}
        )
        self.held = True
        signals.hold(signals.HANDLED)
        runtime.hold()
        self.servers.hold()
        parts.history.save()
        runtime.troubles.close()
        runtime.mainlog.close()
        runtime.drain.surrender(self._surrendered, SURRENDER_S)

    def _surrendered(self, given: Surrendered) -> None:
        loop = self._parts.runtime.loop
        if self.servers.unsent_bytes() and loop.now() < self._frozen_at + SURRENDER_S + UNSENT_S:
            loop.call_later(0.005, partial(self._surrendered, given))
            return
        state = self._state()
        for each in given.channels:
            life = each.key if isinstance(each.key, ChannelKey) else None
            hook = each.key if isinstance(each.key, HookKey) else None
            state.channels.append(ChannelState(life=life, hook=hook, fd=each.fd, held=each.held))
        state.unwritten = given.unwritten
        self.handed = Handed(state, b"")
        try:
            self.handed = Handed(state, pack(state))
        except CannotHandOver as why:
            self._parts.runtime.mainlog.error(f"cannot upgrade: {why}")
        self._let_go()
        loop.stop()

    def _let_go(self) -> None:
        """Give back what is not handed over, and leave open what is."""
        parts, runtime = self._parts, self._parts.runtime
        self.servers.let_go()
        runtime.sockets.let_go()
        runtime.lives.trees.let_go()
        runtime.alerts.let_go()
        runtime.remembering.close()
        runtime.journal.close()
        parts.workers.close(0)
        parts.service.close()

    # --- the state ------------------------------------------------------------------------------------------------

    def _state(self) -> State:
        """Return all there is, but for what the drain has; changes nothing."""
        parts, runtime = self._parts, self._parts.runtime
        carried = self.servers.state()
        restarts = list(parts.requests.restarts)
        operations = [*carried.operations, *(each for each in restarts if each not in carried.operations)]
        return State(
            python=sys.version.split()[0],
            upgrades=self.upgrades,
            refused=self.refused,
            frozen_at=self._frozen_at,
            boot=parts.boot(),
            pidfile=(parts.pidfile.path, parts.pidfile.fileno()),
            settings=_bare(parts.configuration.applied),
            groups=groups_of(runtime.overseer),
            entries=entries_of(runtime),
            stops=runtime.overseer.unfinished(),
            lives=runtime.lives.state(),
            listeners=runtime.listeners.state(),
            sockets=runtime.sockets.state(),
            hooks=runtime.hooks.state(),
            history=parts.history.state(),
            counters=parts.counters.state(),
            troubles={str(kind): count for kind, count in runtime.troubles.counts.items()},
            alerts=runtime.alerts.state(),
            trees=runtime.lives.trees.state(),
            additions=parts.configuration.additions.state(),
            config_path=parts.configuration.path,
            essential=parts.essential.state(),
            journal=(runtime.journal.path, runtime.journal.key, runtime.journal.number),
            journal_serials=dict(runtime.journal.serials),
            spared=sorted(runtime.journal.spared),
            notices=runtime.bus.serial,
            operations=[_awaited(each) for each in operations],
            http=carried.data,
            http_fds=list(carried.fds),
        )


def _awaited(operation: Operation[Any]) -> Awaited:
    return operation.awaited() if operation.awaited is not None else Awaited()


def _bare(settings: Settings) -> Settings:
    return replace(settings, groups=(), shadowed=())


def groups_of(overseer: Overseer) -> list[GroupState]:
    """Return all groups in view, in their order, with those of their processes that are on their way out."""
    found = []
    for group in overseer.groups.values():
        known = {spec.name for spec in group.spec.processes}
        leavers = [member.spec for member in group.members.values() if member.spec.name not in known]
        found.append(GroupState(spec=group.spec, leavers=leavers, leaving=group.leaving))
    return found


def entries_of(runtime: Runtime) -> list[Entry]:
    """Return all processes as they are."""
    entries = []
    for group in runtime.overseer.groups.values():
        for member in group.members.values():
            entry = runtime.remembering.entry(member.id)
            if entry is not None:
                entries.append(replace(entry, spec=member.spec, next_spec=member.next_spec))
    return entries

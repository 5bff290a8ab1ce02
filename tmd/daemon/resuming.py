"""Resuming: the new process goes on where the one before has made way, with all that it held.

    read (before anything is touched) -> populate (groups, processes, pipes, as they were) -> begin (what was under way
    goes on, the configuration is put in force as an update would, whoever waits is answered)

Promises that no program notices anything. What a state is, and how it came here, is no matter of this module.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from msgspec.structs import replace

import tmd
from tmd.config.plan import GroupChange
from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.core import inputs as i
from tmd.core import notices as n
from tmd.daemon.configuration import Configuration
from tmd.daemon.counters import Counters
from tmd.daemon.essential import Essential
from tmd.daemon.handover import State
from tmd.daemon.history import History
from tmd.daemon.requests import Requests
from tmd.daemon.runtime import Runtime
from tmd.daemon.surface import Operation
from tmd.posix.drain import Drain
from tmd.wire.faults import RpcFault
from tmd.wire.names import ProcessId


class Servers(Protocol):
    """The HTTP listeners, as far as going on is concerned."""

    def resume(self, operations: Sequence[Operation[Any]]) -> None:
        """Go on with the connections of an earlier daemon."""


class Resuming:
    """`update` puts in force what the configuration says; `running`: whether the daemon is not on its way down."""

    def __init__(
        self,
        state: State,
        *,
        runtime: Runtime,
        configuration: Configuration,
        counters: Counters,
        history: History,
        essential: Essential,
        requests: Requests,
        update: Callable[[], object],
        running: Callable[[], bool],
    ) -> None:
        self._requests = requests
        self._state, self._runtime, self._configuration = state, runtime, configuration
        self._counters, self._history, self._essential = counters, history, essential
        self._update, self._running = update, running

    def read(self) -> None:
        """Have files of logs kept, and tokens and numbers go on."""
        journal, state = self._runtime.journal, self._state
        for entry in state.entries:
            self._runtime.logbook.keep(entry.id, entry.logs)
        for pool, below in state.journal_serials.items():
            journal.set_serials_apart(pool, below)
        journal.spared |= set(state.spared)
        if state.journal[0] and state.journal[0] != journal.path:
            with suppress(OSError):
                os.unlink(state.journal[0])

    def populate(self, _: Sequence[GroupSpec]) -> None:
        """Have everything be as it was."""
        runtime, state = self._runtime, self._state
        runtime.listeners.deaf = True
        runtime.drain.take_up(state.unwritten)
        self._counters.take_over(state.counters)
        specs: dict[ProcessId, ProcessSpec] = {}
        for group in state.groups:
            processes = (*group.spec.processes, *group.leavers)
            specs |= {spec.id: spec for spec in processes}
            runtime.feed(i.AddGroupAsked(replace(group.spec, processes=processes)))
        self._history.take_over(state.history)
        runtime.sockets.take_over(state.sockets)
        for entry in state.entries:
            runtime.restore(entry, same_daemon=True)
        runtime.lives.take_over(state.lives, specs.get)
        runtime.lives.trees.resume(state.trees)
        self._drain(runtime.drain, specs)
        for entry in state.entries:
            if entry.process.pid and entry.process.started_at is not None:
                restored = n.ProcessRestored(entry.id, entry.process.pid, entry.started, entry.process.started_at)
                runtime.bus.publish(restored)
        runtime.hooks.take_over(state.hooks)
        self._essential.take_over(state.essential)
        for kind, count in state.troubles.items():
            for known in runtime.troubles.counts:
                if known == kind:
                    runtime.troubles.counts[known] = count
        runtime.bus.serial = state.notices
        runtime.listeners.take_over(state.listeners)

    def _drain(self, drain: Drain, specs: dict[ProcessId, ProcessSpec]) -> None:
        """Go on draining all pipes, those that linger too."""
        lives = self._runtime.lives
        lingering = []
        for channel in self._state.channels:
            life, hook = channel.life, channel.hook
            if life is not None and (spec := specs.get(life.id)):
                drain.open(life, channel.fd, lives.resumed_sinks(life, spec), channel.held)
            elif hook is not None and (spec := specs.get(hook.id)):
                drain.open(hook, channel.fd, lives.sinks(spec, hook.channel, 0, hook.hook), channel.held)
                lingering.append(hook)
            elif channel.fd >= 0:
                os.close(channel.fd)
        self._runtime.hooks.linger(lingering)

    def begin(self, servers: Servers) -> None:
        """Have everything go on."""
        runtime, state = self._runtime, self._state
        operations = [self._requests.resume(awaited, self._running) for awaited in state.operations]
        for stop in state.stops:
            runtime.overseer.resume(stop)
        runtime.feed(i.DaemonStarted(resumed=True))
        runtime.alerts.take_over(state.alerts)
        for life in state.lives.lives:
            if life.end is not None:
                runtime.lives.child_event(life.end)
        for group in state.groups:
            if group.leaving:
                runtime.feed(i.RemoveGroupAsked(group.spec.name))
            elif group.leavers:
                whole = replace(group.spec, processes=(*group.spec.processes, *group.leavers))
                gone = tuple(spec.id for spec in group.leavers)
                runtime.feed(i.ChangeGroupAsked(GroupChange(old=whole, new=group.spec, removed=gone)))
        for id_ in self._configuration.take_over(state.additions):
            runtime.mainlog.info(f"{id_.namespec} was added at run time; from now on what the file says of it counts")
        with suppress(RpcFault):
            self._update()
        servers.resume(operations)
        state.forget()
        took_ms = (runtime.loop.now() - state.frozen_at) * 1000
        if state.failed:
            runtime.mainlog.info(f"went on as before after {took_ms:.0f} ms; {len(runtime.lives)} programs go on")
            return
        runtime.mainlog.info(
            f"upgraded from tmd {state.version} (Python {state.python}) to {tmd.__version__} "
            f"(Python {sys.version.split()[0]}) in {took_ms:.0f} ms; {len(runtime.lives)} programs go on"
        )

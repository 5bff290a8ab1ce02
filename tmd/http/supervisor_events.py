"""Supervisor's `supervisor.events` module in our daemon, for extensions that subscribe there or notify through it.

Loaded by an extension, never by us. What happens here is told there, in objects of its classes; what an extension
notifies there goes to our event listeners. Subscriptions end with the daemon, or with its restart.
"""

import sys
from typing import Any

from tmd.http.daemon_object import DaemonObject
from tmd.wire.states import ProcessState

MODULE = "supervisor.events"


def forget_subscriptions() -> None:
    """Drop what an earlier run of the daemon in this process left in the module."""
    module = sys.modules.get(MODULE)
    if module is not None:
        module.clear()


def connect(supervisord: DaemonObject) -> None:
    """Tie the module, if it is there, to the daemon."""
    module = sys.modules.get(MODULE)
    if module is not None:
        _Bridge(module, supervisord)


class _Bridge:
    def __init__(self, module: Any, supervisord: DaemonObject) -> None:
        self._module, self._supervisord = module, supervisord
        self._passing: list[Any] = []
        """events of ours that are being told in the module now"""
        self._passed: list[tuple[str, str]] = []
        """events of an extension's that will come back from the daemon"""
        module.subscribe(module.Event, self._from_extension)
        supervisord.subscribe(self._from_daemon)

    def _from_daemon(self, name: str, payload: str) -> None:
        if (name, payload) in self._passed:
            self._passed.remove((name, payload))
            return
        kind = getattr(self._module.EventTypes, name, None)
        if kind is None or len(self._module.callbacks) < 2:
            return  # nobody but ourselves would hear it
        event = _event(kind, payload, self._supervisord)
        self._passing.append(event)
        try:
            self._module.notify(event)
        finally:
            self._passing.remove(event)

    def _from_extension(self, event: Any) -> None:
        if any(event is ours for ours in self._passing):
            return
        name = self._module.getEventNameByType(type(event))
        if name is None:
            return
        told = (str(name).upper(), str(event.payload()))
        self._passed.append(told)
        taken = False
        try:
            taken = self._supervisord.emit(*told)
        finally:
            if not taken:
                self._passed.remove(told)  # it will not come back


def _event(kind: Any, payload: str, supervisord: DaemonObject) -> Any:
    """Return an object of one of Supervisor's classes that has the attributes its constructor would give it."""
    event = kind.__new__(kind)
    event.payload = lambda: payload
    head, _, event.data = payload.partition("\n")
    words = dict(word.partition(":")[::2] for word in head.split(" ") if ":" in word)
    if "processname" in words:
        group = supervisord.process_groups.get(words["groupname"])
        event.process = group.processes.get(words["processname"]) if group is not None else None
        event.pid = int(words.get("pid", 0))
        event.expected = words.get("expected", "1") == "1"
        event.extra_values = [(name, int(words[name])) for name in ("expected", "tries", "pid") if name in words]
        if "from_state" in words:
            event.from_state = ProcessState[words["from_state"]]
    elif "groupname" in words:
        event.group = words["groupname"]
    elif "type" in words:
        event.type = words["type"]
    return event

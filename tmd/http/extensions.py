"""Extensions: other people's objects whose methods are called by XML-RPC, in the daemon itself.

A factory is called once, with the daemon object and the options of its section, and its object's public methods become
`namespace.method`. This is Supervisor's way, and what was written for Supervisor is told from its shape. What an
extension does with its time is its own business: while it works, nobody else is served.

`Fault`, `NOT_DONE_YET`, `Operation` and `RpcFault` are what an extension may import from here.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MethodType
from typing import Any

from tmd.config.settings import ExtensionSpec
from tmd.daemon.plugins import CannotResolve, resolve, told
from tmd.daemon.surface import DaemonSurface, Operation, StartRefused
from tmd.http.daemon_object import DaemonObject
from tmd.http.deferred import NOT_DONE_YET, Deferreds, Promise
from tmd.http.foreign_values import accept, fault_in, present
from tmd.http.rpc import Foreign, Pending, Rpc
from tmd.http.supervisor_events import connect, forget_subscriptions
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level

__all__ = ["NOT_DONE_YET", "Extensions", "Fault", "Operation", "RpcFault", "load_extensions"]

OURS = frozenset({"system", "taskmaster"})
"""namespaces that no extension can have"""
SUPERVISORS_OWN = "supervisor.rpcinterface"
"""the module of Supervisor's class of methods, which many extensions inherit from"""


class Extensions:
    """What was loaded."""

    def __init__(self, deferreds: Deferreds, facade: DaemonObject) -> None:
        self._deferreds = deferreds
        self._facade = facade

    def abandon(self) -> None:
        """The daemon ends: whoever waits for an extension gets SHUTDOWN_STATE."""
        self._deferreds.abandon(RpcFault(Fault.SHUTDOWN_STATE))

    def close(self) -> None:
        """Call nothing of them any more."""
        self.abandon()
        self._facade.close()
        forget_subscriptions()


def load_extensions(daemon: DaemonSurface, rpc: Rpc) -> Extensions:
    """Make the extensions of the settings and add their methods; raises `StartRefused`."""
    deferreds = Deferreds(daemon)
    facade = DaemonObject(daemon, rpc)
    forget_subscriptions()
    try:
        for spec in daemon.settings.rpcinterfaces:
            instance = _make(daemon, spec, facade)
            rpc.add(_methods(spec, instance, daemon, deferreds, rpc))
            daemon.log(Level.INFO, f"RPC interface '{spec.name}' initialized")
    except BaseException:
        facade.close()
        raise
    facade.loaded()
    connect(facade)
    return Extensions(deferreds, facade)


def _make(daemon: DaemonSurface, spec: ExtensionSpec, facade: DaemonObject) -> Any:
    if spec.name in OURS:
        raise _refused(spec, f"'{spec.name}.' begins the names of our own methods (give it another name)")
    try:
        factory = resolve(spec.factory)
    except CannotResolve as why:
        daemon.log_error(f"cannot load [rpcinterface:{spec.name}]: {traceback.format_exc()}")
        raise _refused(spec, str(why)) from why
    if not callable(factory):
        raise _refused(spec, f"'{spec.factory}' cannot be called (its type is {type(factory).__name__})")
    try:
        instance = factory(facade, **spec.options)
    except BaseException as why:  # a border: whatever a foreign factory raises
        daemon.log_error(f"cannot load [rpcinterface:{spec.name}]: {traceback.format_exc()}")
        raise _refused(spec, f"'{spec.factory}' raised {told(why)}") from why
    if instance is None:
        daemon.log(Level.WARN, f"[rpcinterface:{spec.name}] has no methods: '{spec.factory}' returned None")
    return instance


def _refused(spec: ExtensionSpec, reason: str) -> StartRefused:
    return StartRefused(f"cannot load [rpcinterface:{spec.name}]: {' '.join(reason.split())}")


# --- methods --------------------------------------------------------------------------------------------------


def _methods(
    spec: ExtensionSpec, instance: Any, daemon: DaemonSurface, deferreds: Deferreds, rpc: Rpc
) -> dict[str, Foreign]:
    try:
        return _public_methods(spec.name, instance, daemon, deferreds, rpc)
    except BaseException as why:  # a border: looking at a foreign object may run foreign code
        daemon.log_error(f"cannot load [rpcinterface:{spec.name}]: {traceback.format_exc()}")
        raise _refused(spec, f"its methods cannot be listed: {told(why)}") from why


def _public_methods(
    namespace: str, instance: Any, daemon: DaemonSurface, deferreds: Deferreds, rpc: Rpc
) -> dict[str, Foreign]:
    """Return the public methods by full name. What stands on the object but is no method of its class is not one."""
    methods = {}
    for name in dir(type(instance)):
        if name.startswith("_") or not callable(getattr(type(instance), name, None)):
            continue
        method = getattr(instance, name)
        if not isinstance(method, MethodType):
            continue
        call = partial(_call, method, daemon, deferreds)
        if getattr(method.__func__, "__module__", "") == SUPERVISORS_OWN:
            # Inherited from Supervisor: that code would look for Supervisor's insides. We have the method ourselves.
            if namespace == "supervisor":
                continue
            call = partial(rpc.call, f"supervisor.{name}")
        text = str(method.__doc__ or "")
        methods[f"{namespace}.{name}"] = Foreign(call, text, signature_in(text))
    return methods


def signature_in(text: str) -> list[str] | None:
    """Return result type and parameter types from the `@return` and `@param` lines of a docstring."""
    result: str | None = None
    params = []
    for line in text.splitlines():
        words = line.split(None, 2)
        if not words or words[0] not in ("@param", "@return"):
            continue
        type_ = words[1] if len(words) > 1 else ""
        if words[0] == "@param":
            params.append(type_)
        else:
            result = type_
    return None if result is None else [result, *params]


def _call(method: Callable[..., Any], daemon: DaemonSurface, deferreds: Deferreds, params: Sequence[Any]) -> Any:
    arguments = [accept(param) for param in params]
    try:
        result = method(*arguments)
    except TypeError as why:
        # As Supervisor has it, whether the caller is to blame or the method: the latter is found in the log.
        daemon.log_trace(f"a call of an extension raised:\n{traceback.format_exc()}")
        raise RpcFault(Fault.INCORRECT_PARAMETERS) from why
    except Exception as why:
        fault = fault_in(why)
        if fault is None:
            raise
        raise fault from why
    return _result(result, deferreds)


def _result(result: Any, deferreds: Deferreds) -> Any:
    if isinstance(result, Promise):
        result = result.pending
    if isinstance(result, Operation):
        return Pending(result, present)
    if isinstance(result, Pending):
        return Pending(result.operation, lambda value: present(result.convert(value)))
    if callable(result) and not isinstance(result, type | Mapping):
        pending = deferreds.wait(result)
        return Pending(pending.operation, lambda produce: _outcome(partial(pending.convert, produce)))
    return present(result)


def _outcome(produce: Callable[[], Any]) -> Any:
    """Return what a deferred result came to; raises the fault that it raised."""
    try:
        return present(produce())
    except Exception as why:
        fault = fault_in(why)
        if fault is None:
            raise
        raise fault from why

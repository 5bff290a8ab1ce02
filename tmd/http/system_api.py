"""`system.*`: what can be called, and many calls in one."""

import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import tmd
from tmd.daemon.surface import DaemonSurface, Operation
from tmd.http.encode import Rendered, encode_array, encode_value
from tmd.http.rpc import Handler, NilForText, Pending, Rpc
from tmd.wire.faults import Fault, RpcFault

MAX_CALLS = 1000
MAX_RESULT_BYTES = 32 * 1024 * 1024
"""encoded results of one multicall; calls after that are refused"""
SLICE_S = 0.005
"""how long a multicall may keep everybody else waiting"""

Caller = Callable[[str, list[Any]], Any]


def system_handlers(daemon: DaemonSurface, rpc: Rpc) -> Mapping[str, Handler]:
    """Return the handlers; `rpc` is what they tell of, and what makes the calls of a multicall."""
    return {
        "system.listMethods": rpc.names,
        "system.methodHelp": lambda name: rpc.described(name).help,
        "system.methodSignature": lambda name: _signature(rpc, name),
        "system.multicall": lambda calls: Multicall(daemon, rpc.call, calls).begin(),
        "system.getProduct": lambda: {"name": "taskmaster", "version": tmd.__version__},
    }


def _signature(rpc: Rpc, name: str) -> list[str]:
    signature = rpc.described(name).signature
    if signature is None:
        raise RpcFault(Fault.SIGNATURE_UNSUPPORTED)
    return signature


def _said(why: BaseException) -> str:
    try:
        return str(why)
    except BaseException:  # noqa: BLE001 - the same border: the text of a foreign exception is foreign code, too
        return ""


class Multicall:
    """Calls made one after another; one that waits keeps back the next.

    Results are bare values, not arrays of one as the convention says: clients depend on it.
    """

    def __init__(self, daemon: DaemonSurface, call: Caller, calls: list[Any]) -> None:
        if len(calls) > MAX_CALLS:
            raise RpcFault(Fault.INCORRECT_PARAMETERS, f"a multicall may have {MAX_CALLS} calls")
        self._daemon = daemon
        self._call = call
        self._calls = iter(calls)
        self._results: list[bytes] = []
        self._size = 0
        self._outcome: Operation[Rendered] = Operation()

    def begin(self) -> Pending:
        """Make the first calls, and promise the results."""
        self._go_on()
        return Pending(self._outcome, lambda rendered: rendered)

    def _go_on(self) -> None:
        until = time.monotonic() + SLICE_S
        for call in self._calls:
            value = self._guarded(partial(self._make, call))
            if isinstance(value, Pending):
                if not value.operation.done:
                    value.operation.then(partial(self._arrived, value))
                    return
                value = self._guarded(value.outcome)
            self._add(value)
            if time.monotonic() > until:
                self._daemon.call_later(0, self._go_on)
                return
        self._outcome.resolve(encode_array(self._results))

    def _arrived(self, pending: Pending, _operation: Operation[Any]) -> None:
        self._add(self._guarded(pending.outcome))
        # By way of the loop: whoever settles operations one after another must not end up deep in our calls.
        self._daemon.call_later(0, self._go_on)

    def _make(self, call: Any) -> Any:
        if not isinstance(call, dict):
            raise RpcFault(Fault.INCORRECT_PARAMETERS, "a call is a struct")
        name, params = call.get("methodName"), call.get("params", [])
        if name is None:
            raise RpcFault(Fault.INCORRECT_PARAMETERS, "No methodName")
        if name == "system.multicall":
            raise RpcFault(Fault.INCORRECT_PARAMETERS, "Recursive system.multicall forbidden")
        if not isinstance(name, str) or not isinstance(params, list):
            raise RpcFault(Fault.INCORRECT_PARAMETERS)
        if self._size > MAX_RESULT_BYTES:
            raise RpcFault(Fault.FAILED, "the results before this one fill the answer")
        return self._call(name, params)

    def _add(self, value: Any) -> None:
        encoded = self._guarded(lambda: encode_value(value))
        if not isinstance(encoded, bytes):
            encoded = encode_value(encoded)
        self._results.append(encoded)
        self._size += len(encoded)

    def _guarded(self, produce: Callable[[], Any]) -> Any:
        """Return what `produce` does, a fault as the struct that stands for it."""
        try:
            return produce()
        except RpcFault as fault:
            code, text = int(fault.code), fault.text
        except NilForText:
            code, text = Fault.INCORRECT_PARAMETERS, Fault.INCORRECT_PARAMETERS.name
        except BaseException as why:  # noqa: BLE001 - the border of a request: the other calls go on
            self._daemon.log_error(f"a call within system.multicall failed: {traceback.format_exc()}")
            code, text = Fault.FAILED, f"FAILED: {type(why)}:{_said(why)}"
        return {"faultCode": int(code), "faultString": text}

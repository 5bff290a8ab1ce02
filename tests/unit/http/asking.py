"""Calls without a socket: straight into the dispatcher."""

import xmlrpc.client
from typing import Any

from tmd.daemon.surface import DaemonSurface
from tmd.http.encode import encode_response
from tmd.http.rpc import Pending, Rpc
from tmd.http.site import make_rpc
from tmd.wire.faults import RpcFault


class Asker:
    """`ask("supervisor.getPID")` returns what a client would see; faults are raised, pending answers returned."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self.rpc: Rpc = make_rpc(daemon)

    def __call__(self, method: str, *params: Any) -> Any:
        value = self.rpc.call(method if "." in method else f"supervisor.{method}", params)
        if isinstance(value, Pending):
            if not value.operation.done:
                return value
            value = value.outcome()
        return xmlrpc.client.loads(encode_response(value))[0][0]

    def fault(self, method: str, *params: Any) -> str:
        """Return the fault's code and text."""
        try:
            value = self(method, *params)
        except RpcFault as fault:
            return f"{fault.code:d} {fault.text}"
        raise AssertionError(f"{method} returned {value!r}")

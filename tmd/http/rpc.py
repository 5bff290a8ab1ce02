"""XML-RPC calls: from a method's name and values to an answer, now or later.

A method is looked up in the table and among those that extensions brought, and nowhere else; any other name reaches
nothing. Arguments of the table's methods are counted and typed before a handler sees them; those of an extension are
its own business. What the handlers do is not known here.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, NoReturn

from tmd.core.traffic import OTHER
from tmd.daemon.surface import DaemonSurface, Operation
from tmd.http.decode import BadRequest, Decoder
from tmd.http.encode import encode_fault, encode_response
from tmd.http.replies import Exchange, Reply, error
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.methods import METHODS, Method, Param
from tmd.wire.states import DaemonState

MAX_ECHO = 200
"""characters of a caller's own text that a fault repeats"""

Handler = Callable[..., Any]
"""Takes the bound arguments; returns a value or a `Pending`; raises `RpcFault`."""


class Pending(NamedTuple):
    """An answer that comes later: `convert` makes the value, or raises the fault, out of the outcome."""

    operation: Operation[Any]
    convert: Callable[[Any], Any]

    def outcome(self) -> Any:
        """Return the value or raise the fault; the operation is done."""
        if self.operation.fault is not None:
            raise self.operation.fault
        return self.convert(self.operation.value)


class Foreign(NamedTuple):
    """A method that an extension brought: how it is called, and what it says of itself."""

    call: Callable[[Sequence[Any]], Any]
    """takes the arguments as they came; returns a value or a `Pending`; raises what it likes"""
    help: str
    signature: list[str] | None
    """result type, then parameter types; None when it does not say"""


class NilForText(Exception):
    """A nil where a name belongs: Supervisor answers that with HTTP 500, not with a fault."""


def shorten(text: str) -> str:
    """Return a caller's text as a fault may repeat it."""
    return text if len(text) <= MAX_ECHO else f"{text[:MAX_ECHO]}..."


def bind(method: Method, params: Sequence[Any]) -> list[Any]:
    """Return the arguments a handler gets, defaults filled in, or raise INCORRECT_PARAMETERS."""
    bound = [_typed(param, value) for param, value in zip(method.params, params, strict=False)]
    bound.extend(param.default for param in method.params[len(params) :])
    return bound


def _typed(param: Param, value: Any) -> Any:
    if param.loose:
        return value
    match param.type:
        case "string":
            return _text(value)
        case "int":
            return _integer(value)
        case "boolean":
            if value is None or isinstance(value, int | str):
                return bool(value)
        case "array":
            if isinstance(value, list):
                return value
        case "struct":
            if isinstance(value, dict):
                return value
    raise RpcFault(Fault.INCORRECT_PARAMETERS)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise NilForText
    if not isinstance(value, bytes):
        _refuse()
    try:
        return value.decode()
    except UnicodeDecodeError:
        _refuse()


def _integer(value: Any) -> int:
    if not isinstance(value, int | float | str):
        _refuse()
    try:
        return int(value)
    except (ValueError, OverflowError):
        _refuse()


def _refuse() -> NoReturn:
    raise RpcFault(Fault.INCORRECT_PARAMETERS)


class Rpc:
    """Answers calls. `handlers` has exactly the methods of the table; extensions add theirs, or replace some."""

    def __init__(self, daemon: DaemonSurface, handlers: Mapping[str, Handler]) -> None:
        self._daemon = daemon
        self._handlers = handlers
        self._foreign: dict[str, Foreign] = {}
        self._shows_only = False
        self._decoder = Decoder()

    def showing(self, handlers: Mapping[str, Handler]) -> "Rpc":
        """Return the same methods for listeners that only show: what may change something is refused there, FAILED."""
        twin = Rpc(self._daemon, handlers)
        twin._foreign, twin._shows_only = self._foreign, True
        return twin

    def add(self, methods: Mapping[str, Foreign]) -> None:
        """Add methods by their full names; they go before those of the table."""
        self._foreign.update(methods)

    def names(self) -> list[str]:
        """Return the names of all methods, sorted."""
        return sorted({*METHODS, *self._foreign})

    def described(self, name: str) -> Foreign | Method:
        """Return what has the help and the signature of a method. SIGNATURE_UNSUPPORTED."""
        method = self._foreign.get(name) or METHODS.get(name)
        if method is None:
            raise RpcFault(Fault.SIGNATURE_UNSUPPORTED)
        return method

    def call(self, name: str, params: Sequence[Any]) -> Any:
        """Return the value of a call or a `Pending`; raises `RpcFault`, and an extension's method anything."""
        foreign = self._foreign.get(name)
        if foreign is not None:
            self._refuse_control(name)
            return foreign.call(params)
        method = METHODS.get(name)
        handler = self._handlers.get(name)
        if method is None or handler is None:
            raise RpcFault(Fault.UNKNOWN_METHOD)
        if not method.required <= len(params) <= len(method.params):
            raise RpcFault(Fault.INCORRECT_PARAMETERS)
        if method.access == "control" and name != "system.multicall":  # whose calls come here one by one
            self._refuse_control(name)
        if self._daemon.state < DaemonState.RUNNING and not _allowed_while_stopping(method):
            raise RpcFault(Fault.SHUTDOWN_STATE)
        return handler(*bind(method, params))

    def _refuse_control(self, name: str) -> None:
        if self._shows_only:
            reason = "this listener has no password, so it only shows (set username and password for it)"
            raise RpcFault(Fault.FAILED, f"cannot call {shorten(name)}: {reason}")

    def answer(self, exchange: Exchange) -> None:
        """Answer a POST to the RPC path."""
        try:
            call = self._decoder.decode(exchange.body)
        except BadRequest as why:
            self._daemon.log_trace(f"cannot read XML-RPC request: {why}")
            exchange.reply(error(400, f"not an XML-RPC request: {why}"))
            return
        self._daemon.log_trace(f"XML-RPC method called: {shorten(call.method)}()")
        began = monotonic()
        reply = partial(self._reply, exchange, call.method, began)
        exchange.operation = self._settle(reply, call.method, lambda: self.call(call.method, call.params))

    def _reply(self, exchange: Exchange, method: str, began: float, reply: Reply) -> None:
        self._daemon.counters.traffic.called(method if method in METHODS else OTHER, monotonic() - began)
        exchange.reply(reply)

    def _settle(self, reply: Callable[[Reply], None], method: str, produce: Callable[[], Any]) -> Operation[Any] | None:
        """Reply with what `produce` returns or raises, once it is there; return what is waited for."""
        try:
            answer = self._answer_to(method, produce)
        except NilForText:
            reply(error(500, "nil where a text belongs"))
        except BaseException:  # noqa: BLE001 - the border of a request: whatever a handler raises ends here, an exit too
            self._daemon.log_error(f"XML-RPC method {shorten(method)}() failed: {traceback.format_exc()}")
            reply(error(500))
        else:
            if isinstance(answer, Pending):
                answer.operation.then(lambda _: self._answer_now(reply, method, answer))
                return answer.operation
            reply(Reply(200, answer, "text/xml"))
        return None

    def _answer_now(self, reply: Callable[[Reply], None], method: str, answer: Pending) -> None:
        self._settle(reply, method, answer.outcome)

    def _answer_to(self, method: str, produce: Callable[[], Any]) -> bytes | Pending:
        """Return the body of the reply, or what has to be waited for; raises what is not a fault."""
        try:
            value = produce()
            if isinstance(value, Pending):
                if not value.operation.done:
                    return value
                value = value.outcome()
            return encode_response(value)
        except RpcFault as fault:
            self._daemon.log_trace(f"XML-RPC method {shorten(method)}() returned fault: [{fault.code:d}] {fault.text}")
            return encode_fault(fault.code, fault.text)


def _allowed_while_stopping(method: Method) -> bool:
    """Everything of `supervisor.*` is refused then, but one; of ours, what changes something."""
    if method.name.startswith("supervisor."):
        return method.name == "supervisor.sendRemoteCommEvent"
    return method.access == "read" or method.name.startswith("system.")

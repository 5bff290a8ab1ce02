"""Values, faults and words of extensions, as XML-RPC has them and as Supervisor would have passed them on.

An extension may be written for Supervisor and know nothing of ours: what it raises and returns is told by its shape.
Strict where our own encoder is lenient: what `xmlrpc.client` refuses to send for Supervisor is refused here, too.
"""

from collections.abc import Mapping
from typing import Any

from tmd.http.decode import Moment
from tmd.http.encode import Rendered, encode_value, escape
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.structs import MAX_INT, MIN_INT


class ForeignFault(RpcFault):
    """A fault with a code and a text of the extension's own."""

    def __init__(self, code: int, text: str) -> None:
        self._text = text
        super().__init__(code, text)

    @property
    def text(self) -> str:
        """The `faultString`, as it was given."""
        return self._text


def fault_in(thing: Any) -> RpcFault | None:
    """Return the fault that something is: ours, Supervisor's `RPCError`, or the standard library's `Fault`."""
    if isinstance(thing, RpcFault):
        kind = type(thing).__name__
        return thing if _is_whole(thing) else RpcFault(Fault.FAILED, f"{kind} was raised without code and text")
    names = {kind.__name__ for kind in type(thing).__mro__}
    if "RPCError" in names:
        code, text = getattr(thing, "code", None), getattr(thing, "text", None)
    elif "Fault" in names:
        code, text = getattr(thing, "faultCode", None), getattr(thing, "faultString", None)
    else:
        return None
    return ForeignFault(code, str(text)) if isinstance(code, int) else None


def _is_whole(fault: RpcFault) -> bool:
    """Tell whether a fault can be sent: one of a class derived from ours may never have called our constructor."""
    try:
        return isinstance(fault.code, int) and isinstance(fault.text, str)
    except AttributeError:
        return False


def accept(value: Any) -> Any:
    """Return an argument as an extension gets it: a dateTime becomes a `datetime`. INCORRECT_PARAMETERS."""
    if isinstance(value, Moment):
        return _datetime(value.text)
    if isinstance(value, list):
        return [accept(item) for item in value]
    if isinstance(value, dict):
        return {name: accept(member) for name, member in value.items()}
    return value


def _datetime(text: str) -> Any:
    import datetime  # noqa: PLC0415 - few have use for it

    try:
        numbers = [int(text[at:end]) for at, end in ((0, 4), (4, 6), (6, 8), (9, 11), (12, 14), (15, 17))]
        year, month, day, hour, minute, second = numbers
        return datetime.datetime(year, month, day, hour, minute, second)
    except ValueError as why:
        raise RpcFault(Fault.INCORRECT_PARAMETERS, str(why)) from why


def present(value: Any) -> Any:
    """Return a result as our encoder takes it; raises a fault that was returned, or TypeError or OverflowError."""
    if isinstance(value, str | float | Rendered):
        return value
    if isinstance(value, int):
        if not MIN_INT <= value <= MAX_INT:
            raise OverflowError(f"cannot send {value}: XML-RPC has 32 bits for a number (send it as text)")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("cannot send a struct: a key is no text")
        return {name: present(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [present(item) for item in value]
    return _special(value)


def _special(value: Any) -> Any:
    kinds = {kind.__name__ for kind in type(value).__mro__}
    data = getattr(value, "data", None) if "Binary" in kinds else value
    if isinstance(data, bytes | bytearray):
        return Rendered(b"<base64>%b</base64>" % _base64(bytes(data)))
    moment = getattr(value, "value", "") if "DateTime" in kinds else None
    if "datetime" in kinds:
        moment = value.strftime("%Y%m%dT%H:%M:%S")
    if isinstance(moment, str):
        return Rendered(f"<dateTime.iso8601>{escape(moment)}</dateTime.iso8601>".encode())
    fault = fault_in(value)
    if fault is not None:
        raise fault
    raise TypeError(f"cannot send {'None' if value is None else type(value).__name__} by XML-RPC")


def _base64(data: bytes) -> bytes:
    import binascii  # noqa: PLC0415 - few have use for it

    return binascii.b2a_base64(data)


def plain(value: Any) -> Any:
    """Return the value of one of our methods as an extension may use it: no XML in it."""
    if _has_xml(value):
        from xmlrpc.client import loads  # noqa: PLC0415 - heavy, and few have use for it

        xml = b"<params><param><value>%b</value></param></params>" % encode_value(value)
        return loads(xml)[0][0]
    return value


def _has_xml(value: Any) -> bool:
    if isinstance(value, Rendered):
        return True
    if isinstance(value, Mapping):
        return any(_has_xml(member) for member in value.values())
    return isinstance(value, list | tuple) and any(_has_xml(item) for item in value)

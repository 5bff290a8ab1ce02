"""The server as `xmlrpc.client` shows it, for plug-ins, on the connections of this client.

Promises what plug-ins written for Supervisor's client expect: faults are `xmlrpc.client.Fault`, a wrong status is a
`ProtocolError`, and a server that cannot be reached is an OSError with its errno. Imported only for plug-ins.
"""

import errno
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from tmctl.client import Client, HttpStatus
from tmctl.connection import Unreachable
from tmctl.marshal import BadReply, ServerFault


class _Transport(xmlrpc.client.Transport):
    """Carries the calls of one proxy; says which connections it used, so that they can be closed."""

    def __init__(self, client: Client, used: Callable[[Client], None]) -> None:
        super().__init__()
        self._client = client
        self._used = used

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Send one call and return its values."""
        self._used(self._client)
        try:
            reply = self._client.post(bytes(request_body), None)
        except (HttpStatus, Unreachable, BadReply) as error:
            raise translated(error) from error
        parser, unmarshaller = self.getparser()
        parser.feed(reply)
        parser.close()
        return unmarshaller.close()

    def close(self) -> None:
        """Drop the connection; the next call opens one."""
        self._client.close()


def server_proxy(client: Client, used: Callable[[Client], None]) -> xmlrpc.client.ServerProxy:
    """Return a proxy of the server of `client`, which it takes over."""
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=_Transport(client, used))


def translated(error: Exception) -> Exception:
    """Return an error of this client as the standard library's client would raise it."""
    match error:
        case ServerFault():
            return xmlrpc.client.Fault(error.code, error.text)
        case HttpStatus():
            return xmlrpc.client.ProtocolError(error.url, error.status, error.reason, {})
        case Unreachable():
            # A broken pipe to the server must not be taken for one of our own output.
            number = errno.ECONNRESET if error.number == errno.EPIPE else error.number
            return OSError(number, error.reason) if number else OSError(error.reason)
        case _:
            return xmlrpc.client.ResponseError(str(error))

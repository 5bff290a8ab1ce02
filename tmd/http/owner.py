"""The server that a connection belongs to, as far as connections are concerned."""

from typing import TYPE_CHECKING, Protocol

from tmd.http.exchange import HttpExchange
from tmd.http.protocol import Head
from tmd.http.replies import HeadWriter, Reply
from tmd.http.turns import Turns

if TYPE_CHECKING:
    from tmd.http.connection import Connection


class Owner(Protocol):
    """What a connection needs of the server it belongs to."""

    head_writer: HeadWriter
    turns: Turns

    def refusal(self, head: Head) -> Reply | None:
        """Return the reply to a request that is not let in."""

    def answer(self, exchange: HttpExchange) -> None:
        """Answer a request."""

    def used(self, connection: "Connection") -> None:
        """A whole request has come."""

    def unsent(self, change: int) -> None:
        """So many bytes more wait to be sent, or fewer."""

    def held(self, change: int) -> None:
        """So many bytes more of requests are held until they are answered, or fewer."""

    def closed(self, connection: "Connection") -> None:
        """The connection is over."""

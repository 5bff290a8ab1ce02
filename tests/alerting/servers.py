"""Servers on the other side of alerts, on a port of their own: good ones, and all the bad ones."""

import base64
import contextlib
import email
import email.policy
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""of `localhost` and 127.0.0.1, signed by itself, with its key; valid from 2020 to 2120"""


def server_tls() -> ssl.SSLContext:
    """Return what a server needs to be `localhost`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class Posted(NamedTuple):
    """One request. `at`: epoch seconds of its arrival; header names in lower case."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def alert(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.body))


class WebhookServer:
    """Takes whatever is posted, and answers (status, headers, body) as `answers` says: the last of them for ever."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes], tls: bool = False) -> None:
        self.posted: list[Posted] = []
        self._answers = list(answers) or [(204, {}, b"")]
        taking = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 20

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                taking.posted.append(Posted(time.time(), self.path, headers, body))
                status, more, text = taking.answer()
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = False
            request_queue_size = 100

            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # a client that does not like our certificate

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = server_tls().wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self.url = f"http{'s' if tls else ''}://localhost:{self.port}/hook"

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [posted.alert for posted in list(self.posted)]

    def __enter__(self) -> "WebhookServer":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Serve one connection after the other with `talk(connection, over)`; gives the port. `over`: the test is done."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve_one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            talk(connection, over)

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            if over.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=serve_one, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=serve)
        acceptor.start()
        port = listener.getsockname()[1]
        try:
            yield port
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            for thread in (acceptor, *threads):
                thread.join()


def hangs(connection: socket.socket, over: threading.Event) -> None:
    """Accept, and never say anything."""
    over.wait(60)


def says(data: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Read something, say that, and hang up."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return talk


def drips(data: bytes, every_s: float) -> Callable[[socket.socket, threading.Event], None]:
    """Say that, one byte at a time."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        for number in range(len(data)):
            connection.sendall(data[number : number + 1])
            if over.wait(every_s):
                return

    return talk


def nobody() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Mail(NamedTuple):
    """One message that a server took. `at`: epoch seconds; `to`: whom the envelope named."""

    at: float
    sender: str
    to: list[str]
    message: EmailMessage

    @property
    def text(self) -> str:
        body = self.message.get_body()
        assert body is not None
        return str(cast("EmailMessage", body).get_content()).replace("\r\n", "\n")


class MailServer:
    """Takes mail for everybody but those in `refuses` (address -> reply); `login`: the one that may."""

    def __init__(
        self,
        *,
        refuses: dict[str, str] | None = None,
        starttls: bool = False,
        tls: bool = False,
        login: tuple[str, str] | None = None,
        data_reply: str = "250 2.0.0 taken",
    ) -> None:
        self.mails: list[Mail] = []
        self.tried: list[str] = []
        self.logins: list[tuple[str, str]] = []
        taking, refused = self, refuses or {}

        class Handler:
            async def handle_RCPT(
                self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
            ) -> str:
                taking.tried.append(address)
                if address in refused:
                    return refused[address]
                envelope.rcpt_tos.append(address)
                return "250 2.1.5 fine"

            async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
                assert isinstance(envelope.content, bytes)
                message = email.message_from_bytes(envelope.content, policy=email.policy.default)
                mail = Mail(time.time(), envelope.mail_from or "", list(envelope.rcpt_tos), message)
                if data_reply.startswith("2"):
                    taking.mails.append(mail)
                return data_reply

        def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            if not isinstance(data, LoginPassword):
                return AuthResult(success=False, handled=False)
            taking.logins.append((data.login.decode(), data.password.decode()))
            return AuthResult(success=login == taking.logins[-1], handled=False)

        class OwnPort(Controller):
            def _create_server(self) -> Any:
                listener = socket.create_server(("127.0.0.1", 0))
                self.port = listener.getsockname()[1]
                return self.loop.create_server(self._factory_invoker, sock=listener, ssl=self.ssl_context)

        more: dict[str, Any] = {}
        if login is not None:
            more |= {"authenticator": authenticate, "auth_require_tls": starttls, "auth_required": starttls}
        if starttls:
            more |= {"tls_context": server_tls(), "require_starttls": True}
        if tls:
            more |= {"ssl_context": server_tls()}
        self._controller = OwnPort(Handler(), hostname="127.0.0.1", ready_timeout=20, **more)

    @property
    def port(self) -> int:
        return self._controller.port

    def __enter__(self) -> "MailServer":
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def basic(user: str, password: str) -> str:
    """Return the header's value."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

"""Alerts by e-mail: many in one message, over SMTP or by the local `sendmail`.

Promises that one delivery takes no longer than the sink's `timeout`, that nothing is ever sent in the clear where
STARTTLS or TLS was asked for, that servers are verified, that nothing a program says can become a header, and that no
password is repeated.
"""

import errno
import hashlib
import re
import smtplib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert, as_json
from tmd.daemon.sinks import Deliver, NotDelivered, letter
from tmd.daemon.sinks.dialing import Deadline, dial, explained, place, secured, tls
from tmd.daemon.sinks.discretion import HIDDEN, Discretion, encoded
from tmd.posix.errands import Errands
from tmd.wire.visible import visible_line

LEAVE_S = 2.0
"""how long a server may take to say goodbye"""
LASTING_ENDS = frozenset({64, 65, 67})
"""exit statuses of `sendmail` (sysexits.h: usage, data, no such user) that the next attempt would bring again"""
SHORTAGES = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})
"""why a program may not be started now and may be soon"""

_CREDENTIALS = re.compile(r"(AUTH +[\w-]+ +)[0-9A-Za-z+/=]{8,}", re.IGNORECASE)
"""a command that was echoed, maybe only the beginning of it"""


def email(spec: AlertSpec, host: str, errands: Errands, clock: Callable[[], float] = time.time) -> Deliver:
    """Return what mails alerts to `spec.to`.

    `host`: what this machine is called; `errands` run the local mailer; `clock`: epoch seconds.
    """
    name = _domain(host)
    sender = spec.sender or f"taskmaster@{name}"

    def deliver(alerts: Sequence[Alert]) -> str:
        try:
            message = compose(alerts, host, sender, spec.to, clock())
            data = message.as_bytes()
        except (ValueError, UnicodeError) as why:
            raise NotDelivered(f"no letter can be made of it: {visible_line(str(why))}", lasting=True) from why
        if spec.smtp_host:
            return _Conversation(spec, name, Deadline(spec.timeout)).deliver(sender, data)
        return _by_sendmail(spec, errands, data.replace(b"\r\n", b"\n"))

    return deliver


def compose(alerts: Sequence[Alert], host: str, sender: str, to: Sequence[str], now: float) -> EmailMessage:
    """Return the message; ValueError for addresses that cannot be written in one."""
    message = EmailMessage(SMTP.clone(cte_type="7bit"))  # no server's extensions are needed
    identity = hashlib.sha256(b"\n".join(as_json(alert, host) for alert in alerts)).hexdigest()[:32]
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = letter.subject(alerts, host)
    message["Date"] = formatdate(now, localtime=True)
    message["Message-ID"] = f"<{identity}@{_domain(host)}>"  # the same at each attempt: whoever got it twice can tell
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text(alerts, host))
    return message


def _domain(host: str) -> str:
    """Return a name of this machine that can stand in an address or a greeting."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", host).strip(".-")[:200] or "localhost"


class _Connected(smtplib.SMTP):
    """The library's client on a connection made elsewhere."""

    def __init__(self, sock: socket.socket, host: str, name: str) -> None:
        super().__init__(local_hostname=name)  # or it would ask the name server what we are called, without a time-out
        self.sock = sock
        self._host = host  # whom the certificate after STARTTLS has to name


class _Conversation:
    """One visit to a server."""

    def __init__(self, spec: AlertSpec, name: str, deadline: Deadline) -> None:
        self._spec, self._name, self._deadline = spec, name, deadline
        self._discretion = Discretion(_secrets(spec))

    def deliver(self, sender: str, data: bytes) -> str:
        spec = self._spec
        with ExitStack() as held:
            sock: socket.socket = held.enter_context(dial(spec.smtp_host, spec.smtp_port, self._deadline))
            try:
                if spec.security == "tls":
                    sock = held.enter_context(secured(sock, spec.smtp_host, self._deadline))
                client = _Connected(sock, spec.smtp_host, self._name)
                held.callback(client.close)
                self._enter(client)
                said = self._send(client, sender, data)
                self._leave(client)
            except smtplib.SMTPResponseException as why:
                raise self._refused(why.smtp_code, why.smtp_error) from why
            except (OSError, smtplib.SMTPException) as why:
                raise NotDelivered(self._trouble(why)) from why
            except ValueError as why:
                raise NotDelivered(f"it cannot be asked: {self._discretion.quoted(str(why))}", lasting=True) from why
        return said

    def _enter(self, client: smtplib.SMTP) -> None:
        self._expect(client.getreply(), 220)
        client.ehlo_or_helo_if_needed()
        if self._spec.security == "starttls":
            if not client.has_extn("starttls"):
                raise NotDelivered(
                    "it does not offer STARTTLS, and nothing is sent in the clear (security: none would)", lasting=True
                )
            self._expect(client.starttls(context=tls(self._deadline)), 220)
            client.ehlo_or_helo_if_needed()
        if self._spec.username is not None:
            try:
                client.login(self._spec.username, self._spec.password or "")
            except smtplib.SMTPNotSupportedError as why:
                raise NotDelivered("it takes no username and password", lasting=True) from why
            except UnicodeError:
                raise NotDelivered("username and password must be ASCII", lasting=True) from None

    def _send(self, client: smtplib.SMTP, sender: str, data: bytes) -> str:
        self._expect(client.mail(sender), 250)
        refused = []
        for address in self._spec.to:
            code, text = client.rcpt(address)
            if code not in (250, 251):
                refused.append((address, code, text))
        if len(refused) == len(self._spec.to):
            # One that may be taken later is worth another attempt, whatever is said about the others.
            address, code, text = min(refused, key=lambda one: one[1] >= 500)
            raise NotDelivered(f"it refused '{address}': {self._quoted(code, text)}", lasting=code >= 500)
        said = self._expect(client.data(data), 250)
        others = [f"but refused '{address}': {self._quoted(code, text)}" for address, code, text in refused]
        return "; ".join([said, *others])

    def _leave(self, client: smtplib.SMTP) -> None:
        self._deadline.hurry(LEAVE_S)
        try:
            client.quit()
        except (OSError, smtplib.SMTPException):
            return  # it has the letter

    def _trouble(self, why: Exception) -> str:
        if isinstance(why, OSError) and not isinstance(why, smtplib.SMTPException):
            return explained(why, self._deadline)
        if self._deadline.passed:
            return explained(why, self._deadline)
        if isinstance(why, smtplib.SMTPServerDisconnected):
            cause = why.__context__  # the library's word for every trouble of its socket
            return explained(cause, self._deadline) if isinstance(cause, OSError) else "it closed the connection"
        return self._discretion.quoted(str(why))

    def _expect(self, answer: tuple[int, bytes], code: int) -> str:
        """Return what was said, if it was that; raises NotDelivered."""
        if answer[0] != code:
            raise self._refused(*answer)
        return self._quoted(*answer)

    def _refused(self, code: int, text: bytes | str) -> NotDelivered:
        """Return what a reply means that is none of the expected: 5xx is meant to last, a wrong password, too."""
        if code <= 0:
            return NotDelivered("what answers there does not speak SMTP")
        return NotDelivered(f"it answered {self._quoted(code, text)}", lasting=code >= 500)

    def _quoted(self, code: int, text: bytes | str) -> str:
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        said = self._discretion.quoted(_CREDENTIALS.sub(rf"\1{HIDDEN}", said))
        return f"{code} {said}".strip()


def _secrets(spec: AlertSpec) -> Iterator[str]:
    """Give what nobody shall see, as it is and as it is sent."""
    username, password = spec.username or "", spec.password or ""
    if password:
        yield password
        yield from map(encoded, (password, username, f"\0{username}\0{password}"))


def _by_sendmail(spec: AlertSpec, errands: Errands, data: bytes) -> str:
    argv = [spec.sendmail, "-i"]  # a line with a lone dot does not end the letter
    if spec.sender is not None:
        argv += ["-f", spec.sender]
    try:
        ended = errands.run([*argv, "--", *spec.to], data, spec.timeout)
    except (OSError, ValueError) as why:
        reason = (why.strerror if isinstance(why, OSError) and why.strerror else str(why)).lower()
        if isinstance(why, OSError) and why.errno in SHORTAGES:
            raise NotDelivered(f"cannot run '{spec.sendmail}': {reason}") from why
        hint = "is a mail server installed? else name one: smtp"
        raise NotDelivered(f"cannot run '{spec.sendmail}': {reason} ({hint})", lasting=True) from why
    said = Discretion(()).quoted(ended.output)
    said = f": '{said}'" if said else ""
    command = f"'{place_of(spec)}'"
    if ended.returncode is None:
        raise NotDelivered(f"{command} did not end within {spec.timeout:g} s and was killed{said}")
    if ended.returncode:
        how = f"exit status {ended.returncode}" if ended.returncode > 0 else f"signal {-ended.returncode}"
        raise NotDelivered(f"{command} ended with {how}{said}", lasting=ended.returncode in LASTING_ENDS)
    return f"handed to {command}{said}"


def place_of(spec: AlertSpec) -> str:
    """Return by what the mail leaves this machine."""
    return place(spec.smtp_host, spec.smtp_port) if spec.smtp_host else spec.sendmail

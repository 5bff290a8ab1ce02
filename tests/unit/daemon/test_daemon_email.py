"""Alerts by mail: over SMTP to servers that behave and servers that do not, and by a local `sendmail`."""

import errno
import os
import socket
import subprocess
import threading
import time
import tracemalloc
from base64 import b64encode
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.alerting.servers import CERTIFICATE, MailServer, drips, hangs, nobody, raw_server, says
from tmd.config.settings import AlertSpec
from tmd.core.alerts import Alert
from tmd.daemon.sinks import NotDelivered
from tmd.daemon.sinks.email import compose, email
from tmd.posix.errands import Errands

NOW = 1_800_000_000.0
NAMES = {"program": "web", "group": "web", "process": "web"}
ALERT = Alert("process_fatal", NOW, {**NAMES, "pid": None, "reason": "caf\xe9 closed", "tries": 4})
pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def mail(port: int, *alerts: Alert, **settings: Any) -> str:
    usual = {"to": ("ops@example.com",), "smtp_host": "localhost", "smtp_port": port, "timeout": 20}
    return email(AlertSpec(name="mail", kind="email", **{**usual, **settings}), "box", Errands(), lambda: NOW)(
        alerts or [ALERT]
    )


def refusal(port: int, **settings: Any) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        mail(port, **settings)
    return caught.value


def test_a_letter_arrives() -> None:
    with MailServer() as server:
        assert mail(server.port) == "250 2.0.0 taken"
    (received,) = server.mails
    assert (received.sender, received.to) == ("taskmaster@box", ["ops@example.com"])
    message = received.message
    assert message["From"] == "taskmaster@box"
    assert message["To"] == "ops@example.com"
    assert message["Subject"] == "[taskmaster@box] web: FATAL"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Date"].datetime.timestamp() == NOW
    assert message["Message-ID"].endswith("@box>")
    assert "web is FATAL after 4 tries and not tried again: caf\xe9 closed" in received.text


def test_the_message_id_is_the_same_at_each_attempt() -> None:
    ids = [compose([ALERT], "box", "a@b", ["c@d"], now)["Message-ID"] for now in (NOW, NOW + 60)]
    assert ids[0] == ids[1] != compose([ALERT, ALERT], "box", "a@b", ["c@d"], NOW)["Message-ID"]


def test_a_host_with_an_odd_name_makes_no_odd_addresses() -> None:
    message = compose([ALERT], "b\xf6x\r\nBcc: all@example.com", "a@b", ["c@d"], NOW)
    assert message["Bcc"] is None
    assert message["Subject"] == "[taskmaster@b\xf6x^M^JBcc: all@example.com] web: FATAL"
    assert message["Message-ID"].endswith("@b-x--Bcc--all-example.com>")


def test_nothing_a_program_says_becomes_a_header_or_moves_a_terminal() -> None:
    evil = {
        "program": "a",
        "group": "a",
        "process": "x\r\nBcc: all@example.com\x1b[2J",
        "stderr": ["\x1b]0;t\x07", "."],
    }
    alert = Alert("process_exited", NOW, {**evil, "exit_code": 1, "pid": 7})
    with MailServer() as server:
        mail(server.port, alert)
    (received,) = server.mails
    assert received.message["Bcc"] is None
    assert received.to == ["ops@example.com"]
    assert received.message["Subject"] == "[taskmaster@box] a:x^M^JBcc: all@example.com^[[2J: exited"
    assert "\x1b" not in received.text
    assert "    | ^[]0;t^G\n    | .\n" in received.text


def test_a_long_line_stays_whole() -> None:
    alert = Alert("process_exited", NOW, {**NAMES, "exit_code": 1, "stderr": ["y" * 5000]})
    with MailServer() as server:
        mail(server.port, alert)
    assert f"| {'y' * 5000}\n" in server.mails[0].text


def test_who_refuses_is_told_and_the_others_get_it() -> None:
    refuses = {"b@example.com": "550 5.1.1 who is that", "c@example.com": "450 4.2.0 greylisted"}
    everybody = ("a@example.com", "b@example.com", "c@example.com")
    with MailServer(refuses=refuses) as server:
        said = mail(server.port, to=everybody)
        assert said == (
            "250 2.0.0 taken; but refused 'b@example.com': 550 5.1.1 who is that;"
            " but refused 'c@example.com': 450 4.2.0 greylisted"
        )
        assert server.mails[0].to == ["a@example.com"]
        why = refusal(server.port, to=everybody[1:2])
        assert (why.reason, why.lasting) == ("it refused 'b@example.com': 550 5.1.1 who is that", True)
        why = refusal(server.port, to=everybody[1:])  # one of the two may yet be taken
        assert (why.reason, why.lasting) == ("it refused 'c@example.com': 450 4.2.0 greylisted", False)
        assert len(server.mails) == 1


@pytest.mark.parametrize(("reply", "lasting"), [("451 4.3.0 full", False), ("554 5.7.1 spam\x1b[2J", True)])
def test_a_refused_letter(reply: str, lasting: bool) -> None:
    with MailServer(data_reply=reply) as server:
        why = refusal(server.port)
    assert (why.reason, why.lasting) == (f"it answered {reply}".replace("\x1b", "^["), lasting)


def test_starttls_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    with MailServer(starttls=True) as server:
        why = refusal(server.port, security="starttls")
        assert why.reason.startswith("its certificate is not valid: self-signed certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert mail(server.port, security="starttls") == "250 2.0.0 taken"
        assert len(server.mails) == 1


def test_nothing_is_sent_in_the_clear_where_starttls_was_asked_for() -> None:
    with MailServer(login=None) as server:
        why = refusal(server.port, security="starttls", username="me", password="secret")
    assert why.reason.startswith("it does not offer STARTTLS, and nothing is sent in the clear")
    assert (why.lasting, server.tried, server.mails) == (True, [], [])


def test_tls_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with MailServer(tls=True, login=("me", "secret")) as server:
        assert mail(server.port, security="tls", username="me", password="secret") == "250 2.0.0 taken"
    assert server.logins == [("me", "secret")]


def test_a_wrong_password_is_not_tried_again_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with MailServer(starttls=True, login=("me", "secret")) as server:
        why = refusal(server.port, security="starttls", username="me", password="hunter2")
        assert server.mails == []
    assert why.lasting
    assert why.reason.startswith("it answered 535 ")
    assert "hunter2" not in why.reason


CREDENTIALS = {"username": "tmd-user", "password": "hunter2!", "security": "none"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("kept", [1000, 30])
def test_a_server_that_echoes_what_it_was_sent_gives_no_password_away(mechanism: str, kept: int) -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        lines = connection.makefile("rb")
        connection.sendall(b"220 hi\r\n")
        lines.readline()
        connection.sendall(b"250-hi\r\n250 AUTH %s\r\n" % mechanism.encode())
        sent = lines.readline().rstrip()[:kept]
        if mechanism == "CRAM-MD5":
            connection.sendall(b"334 %s\r\n" % b64encode(b"<1@x>"))
            sent = lines.readline().rstrip()
        connection.sendall(b"500 what is '%s' of tmd-user with hunter2! (hunter2%%21)?\r\n" % sent)
        if mechanism == "LOGIN":  # the other way
            connection.sendall(b"500 what is %s?\r\n" % b64encode(b"hunter2!"))
        lines.readline()

    with raw_server(talk) as port:
        why = refusal(port, **CREDENTIALS)
    assert why.reason.startswith("it answered 500 what is ")
    assert "hunter2" not in why.reason
    for secret in (b"\0tmd-user\0hunter2!", b"hunter2!"):
        for length in range(8, 40):
            assert b64encode(secret)[:length].rstrip(b"=").decode() not in why.reason


def test_a_password_that_cannot_be_sent_is_not_told() -> None:
    with MailServer(login=("me", "secret")) as server:
        why = refusal(server.port, username="me", password="gehei\xdf")
    assert (why.reason, why.lasting) == ("username and password must be ASCII", True)


FLOOD = 8 * 1024 * 1024


@pytest.mark.parametrize("line", [b"220-xxxx\r\n", b"220-\r\n", b"220-" + b"x" * 8000 + b"\r\n"])
def test_a_server_that_greets_for_ever_is_left(line: bytes) -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        for _ in range(FLOOD // (len(line) * 100)):
            connection.sendall(line * 100)
        connection.sendall(b"554 and now go away\r\n")

    with raw_server(talk) as port:
        why = refusal(port)
    assert (why.reason, why.lasting) == ("it does not stop talking (256 KB were read)", False)


def test_a_server_that_answers_for_ever_takes_no_memory() -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"220 hi\r\n")
        connection.recv(1000)
        while True:
            connection.sendall(b"250-SIZE 1\r\n" * 1000)

    with raw_server(talk) as port:
        tracemalloc.start()
        try:
            assert refusal(port).reason == "it does not stop talking (256 KB were read)"
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 16 * 1024 * 1024


def test_a_server_without_passwords() -> None:
    with MailServer() as server:
        why = refusal(server.port, username="me", password="secret")
    assert (why.reason, why.lasting) == ("it takes no username and password", True)


def test_an_address_beyond_ascii_is_no_use_to_try_again() -> None:
    with MailServer() as server:
        why = refusal(server.port, to=("j\xf6@example.com",))
        assert server.mails == []
    assert (why.reason[:20], why.lasting) == ("it cannot be asked: ", True)


def test_nobody_listens() -> None:
    port = nobody()
    why = refusal(port)
    assert (why.reason, why.lasting) == (f"cannot connect to localhost:{port}: connection refused", False)


def in_time(port: int, **settings: Any) -> NotDelivered:
    began = time.monotonic()
    why = refusal(port, timeout=0.5, **settings)
    assert time.monotonic() - began < 3
    return why


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_hangs(security: str) -> None:
    with raw_server(hangs) as port:
        why = in_time(port, security=security)
    assert (why.reason, why.lasting) == ("no answer within 0.5 s", False)


def test_a_server_that_drips() -> None:
    with raw_server(drips(b"220 " + b"x" * 400, 0.02)) as port:
        assert in_time(port).reason == "no answer within 0.5 s"


def test_a_server_that_is_none() -> None:
    with raw_server(lambda connection, over: connection.sendall(b"HTTP/1.1 400 What\r\n")) as port:
        assert refusal(port).reason == "what answers there does not speak SMTP"
    with raw_server(lambda connection, over: None) as port:
        assert refusal(port).reason == "it closed the connection"
    with raw_server(says(b"")) as port:
        assert in_time(port).reason == "no answer within 0.5 s"
    with raw_server(lambda connection, over: connection.sendall(b"554 go away\r\n")) as port:
        why = refusal(port)
        assert (why.reason, why.lasting) == ("it answered 554 go away", True)


def test_a_server_that_takes_its_leave_for_ever_has_the_letter() -> None:
    def talk(connection: Any, over: threading.Event) -> None:
        lines = connection.makefile("rb")
        connection.sendall(b"220 hi\r\n")
        for reply in (b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            lines.readline()
            connection.sendall(reply)
        while lines.readline() != b".\r\n":
            continue
        connection.sendall(b"250 taken\r\n")
        over.wait(60)

    with raw_server(talk) as port:
        began = time.monotonic()
        assert mail(port) == "250 taken"
        assert time.monotonic() - began < 10


# --- the local sendmail ------------------------------------------------------------------------------------------


def sendmail(tmp_path: Path, script: str) -> str:
    path = tmp_path / "sendmail"
    path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_local_sendmail_gets_the_letter_and_the_addresses(tmp_path: Path) -> None:
    program = sendmail(tmp_path, 'printf "%s\\n" "$@" > arguments; cat > letter')
    said = mail(0, smtp_host="", sendmail=program, to=("root", "-oQ/tmp@example.com"), sender="tm@example.com")
    assert said == f"handed to '{program}'"
    assert (tmp_path / "arguments").read_text().split() == [
        "-i", "-f", "tm@example.com", "--", "root", "-oQ/tmp@example.com",
    ]  # fmt: skip
    data = (tmp_path / "letter").read_bytes()
    assert b"\r" not in data
    message = message_from_bytes(data, policy=policy.default)
    assert message["To"] == "root, -oQ/tmp@example.com"
    assert message["Subject"] == "[taskmaster@box] web: FATAL"


def test_a_sendmail_without_a_sender_finds_its_own(tmp_path: Path) -> None:
    program = sendmail(tmp_path, 'printf "%s\\n" "$@" > arguments')
    mail(0, smtp_host="", sendmail=program)
    assert (tmp_path / "arguments").read_text().split() == ["-i", "--", "ops@example.com"]


@pytest.mark.parametrize(("code", "lasting"), [(75, False), (69, False), (67, True), (64, True), (1, False)])
def test_a_sendmail_that_fails(tmp_path: Path, code: int, lasting: bool) -> None:
    program = sendmail(tmp_path, f"printf 'no \\033[2J way\\n' >&2; exit {code}")
    why = refusal(0, smtp_host="", sendmail=program)
    assert (why.reason, why.lasting) == (f"'{program}' ended with exit status {code}: 'no ^[[2J way'", lasting)


def test_a_sendmail_that_hangs_is_killed(tmp_path: Path) -> None:
    program = sendmail(tmp_path, "echo $$ > pid; exec sleep 1000")
    why = in_time(0, smtp_host="", sendmail=program)
    assert (why.reason, why.lasting) == (f"'{program}' did not end within 0.5 s and was killed", False)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_sendmail_that_cannot_be_started_now_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def popen(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    program = sendmail(tmp_path, "exit 0")
    monkeypatch.setattr(subprocess, "Popen", popen)
    why = refusal(0, smtp_host="", sendmail=program)
    assert (why.reason, why.lasting) == (f"cannot run '{program}': resource temporarily unavailable", False)


def test_a_sendmail_that_is_missing(tmp_path: Path) -> None:
    why = refusal(0, smtp_host="", sendmail=f"{tmp_path}/none")
    assert why.lasting
    assert why.reason == (
        f"cannot run '{tmp_path}/none': no such file or directory (is a mail server installed? else name one: smtp)"
    )

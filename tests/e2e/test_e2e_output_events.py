"""What listeners hear of a program's output: captured text, log events; and what of it reaches log and syslog."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Rig, program

LATE_S = 20.0
BEGIN, END = b"<!--XSUPERVISOR:BEGIN-->", b"<!--XSUPERVISOR:END-->"
LOGS = "stdout_logfile={dir}/out\nstderr_logfile={dir}/err\n"


def speaker(*options: str, events: str = "PROCESS_COMMUNICATION,PROCESS_LOG") -> str:
    """Return a program that says what it is told, and a listener that records what is heard of it."""
    heard = (
        f"[eventlistener:ear]\ncommand={program('listener.py')} ok {{dir}}/heard\nevents={events}\nbuffer_size=10000\n"
        "priority=1\nstartsecs=0\nstderr_logfile=NONE\n"
    )
    lines = "".join(f"{option}\n" for option in options)
    return f"{heard}[program:web]\ncommand={program('speaker.py')} {{dir}}/ready\nstartsecs=0\n{LOGS}{lines}"


def begin(rig: Rig, text: str, **more: str) -> int:
    """Start the daemon; return the speaker's pid once it listens."""
    rig.write(text, **more)
    rig.start()
    rig.until_text("ready", "ready\n", LATE_S)
    return int(rig.until("web", "RUNNING")["pid"])


def say(rig: Rig, data: bytes, channel: str = "out") -> None:
    """Have the speaker say bytes in one write."""
    rig.rpc.supervisor.sendProcessStdin("web", f"{channel} {data.hex()}\n")


def leave(rig: Rig, status: int = 0) -> None:
    """Have the speaker end."""
    rig.rpc.supervisor.sendProcessStdin("web", f"exit {status}\n")


def heard(rig: Rig, kind: str) -> list[str]:
    """Return the payloads of the events of a type."""
    events = [json.loads(line) for line in rig.text("heard").splitlines()]
    return [event["payload"] for event in events if event["eventname"] == kind]


def until_heard(rig: Rig, kind: str, count: int = 1) -> list[str]:
    """Wait for events of a type; return their payloads."""
    rig.wait(lambda: len(heard(rig, kind)) >= count, LATE_S, f"{count} events {kind}")
    return heard(rig, kind)


CAPTURE = "stdout_capture_maxbytes=1000"
COMMUNICATED = "PROCESS_COMMUNICATION_STDOUT"


def test_captured_text_is_an_event_and_not_in_the_log(rig: Rig) -> None:
    pid = begin(rig, speaker(CAPTURE))
    say(rig, b"before" + BEGIN + b"secret\nmessage" + END + b"after" + b"." * 30 + b"\n")
    assert until_heard(rig, COMMUNICATED) == [f"processname:web groupname:web pid:{pid}\nsecret\nmessage"]
    assert rig.until_text("out", "beforeafter").startswith("beforeafter")
    assert "secret" not in rig.text("out")
    rig.stop()


def test_standard_error_has_its_own(rig: Rig) -> None:
    pid = begin(rig, speaker("stderr_capture_maxbytes=1000"))
    say(rig, BEGIN + b"out" + END + b"\n")
    say(rig, BEGIN + b"err" + END + b"\n", "err")
    assert until_heard(rig, "PROCESS_COMMUNICATION_STDERR") == [f"processname:web groupname:web pid:{pid}\nerr"]
    assert rig.until_text("out", "out") == (BEGIN + b"out" + END + b"\n").decode()
    assert heard(rig, COMMUNICATED) == []
    rig.stop()


@pytest.mark.ours
def test_tokens_may_come_in_pieces(rig: Rig) -> None:
    begin(rig, speaker(CAPTURE))
    for number, cut in enumerate((1, 12, len(BEGIN) - 1)):
        say(rig, f"text{number}".encode() + BEGIN[:cut])
        rig.until_text("out", f"text{number}", LATE_S)  # all before it was read: the next piece comes by itself
        say(rig, BEGIN[cut:] + b"cap" + END[:cut])
        say(rig, END[cut:] + b"\n")
        assert until_heard(rig, COMMUNICATED, number + 1)[-1].endswith("\ncap")
    assert rig.until_text("out", "text2\n") == "text0\ntext1\ntext2\n"
    rig.stop()


@pytest.mark.ours
def test_what_only_looks_like_a_token_stays_in_the_log(rig: Rig) -> None:
    begin(rig, speaker(CAPTURE))
    say(rig, b"a" + BEGIN[:10])
    rig.until_text("out", "a", LATE_S)
    say(rig, b"no\n")
    assert rig.until_text("out", "no\n") == "a<!--XSUPERno\n"
    rig.stop()


@pytest.mark.ours
def test_of_too_much_the_newest_bytes_are_told(rig: Rig) -> None:
    begin(rig, speaker("stdout_capture_maxbytes=10"))
    say(rig, BEGIN + b"0123456789")
    say(rig, b"abcd" + END)
    assert until_heard(rig, COMMUNICATED)[0].endswith("\n456789abcd")
    say(rig, BEGIN + b"x" * 100 + b"end" + END)
    assert until_heard(rig, COMMUNICATED, 2)[1].endswith("\n" + "x" * 7 + "end")
    rig.stop()


@pytest.mark.ours
def test_a_capture_cut_off_by_the_end_is_in_the_log_and_no_byte_is_held_back(rig: Rig) -> None:
    begin(rig, speaker(CAPTURE, "autorestart=false"))
    say(rig, b"one" + BEGIN + b"never ended <!--XSUP")
    leave(rig)
    rig.until("web", "EXITED")
    assert rig.text("out") == "onenever ended <!--XSUP"
    assert heard(rig, COMMUNICATED) == []
    rig.stop()


def test_several_in_one_write_are_told_in_order(rig: Rig) -> None:
    begin(rig, speaker(CAPTURE))
    say(rig, b"".join(BEGIN + b"%d" % number + END + b"line %d\n" % number for number in range(20)) + b"." * 30)
    texts = [payload.partition("\n")[2] for payload in until_heard(rig, COMMUNICATED, 20)]
    assert texts == [str(number) for number in range(20)]
    assert rig.until_text("out", "line 19\n", LATE_S).startswith("".join(f"line {number}\n" for number in range(20)))
    rig.stop()


def test_without_a_limit_tokens_mean_nothing(rig: Rig) -> None:
    begin(rig, speaker())
    say(rig, BEGIN + b"text" + END + b"\n")
    assert rig.until_text("out", "END-->\n") == (BEGIN + b"text" + END + b"\n").decode()
    assert heard(rig, COMMUNICATED) == []
    rig.stop()


LOGGED = "PROCESS_LOG_STDOUT"


def test_log_events_tell_what_is_said_on_either_channel(rig: Rig) -> None:
    pid = begin(rig, speaker("stdout_events_enabled=true", "stderr_events_enabled=true"))
    say(rig, b"hello\n")
    head = f"processname:web groupname:web pid:{pid}"
    assert until_heard(rig, LOGGED) == [f"{head} channel:stdout\nhello\n"]
    say(rig, b"oops\n", "err")
    assert until_heard(rig, "PROCESS_LOG_STDERR") == [f"{head} channel:stderr\noops\n"]
    assert (rig.until_text("out", "\n"), rig.until_text("err", "\n")) == ("hello\n", "oops\n")
    rig.stop()


def test_without_the_option_nobody_is_told(rig: Rig) -> None:
    begin(rig, speaker("stdout_events_enabled=true"))
    say(rig, b"quiet\n", "err")
    rig.until_text("err", "quiet")
    say(rig, b"loud\n")
    until_heard(rig, LOGGED)
    assert heard(rig, "PROCESS_LOG_STDERR") == []
    rig.stop()


def test_they_go_on_without_a_log_file(rig: Rig) -> None:
    begin(rig, speaker("stdout_events_enabled=true").replace("stdout_logfile={dir}/out", "stdout_logfile=NONE"))
    say(rig, b"hello\n")
    assert until_heard(rig, LOGGED)[0].endswith("\nhello\n")
    rig.stop()


def test_captured_text_is_a_log_event_too(rig: Rig) -> None:
    begin(rig, speaker("stdout_events_enabled=true", CAPTURE))
    say(rig, b"before\n" + BEGIN + b"captured\n" + END + b"after\n" + b"." * 30 + b"\n")
    assert until_heard(rig, COMMUNICATED)[0].endswith("\ncaptured\n")
    rig.wait(lambda: "after" in "".join(heard(rig, LOGGED)), LATE_S)
    said = "".join(payload.partition("\n")[2] for payload in heard(rig, LOGGED))
    assert said.startswith("before\ncaptured\nafter\n")
    assert "XSUPERVISOR" not in said
    rig.stop()


@pytest.mark.ours
def test_bytes_that_are_no_text_are_told_and_kept_as_they_are(rig: Rig) -> None:
    begin(rig, speaker("stdout_events_enabled=true"))
    say(rig, b"\xff\xfe\x00\n")
    assert until_heard(rig, LOGGED)[0].endswith("\nUndecodable: b'\\xff\\xfe\\x00\\n'")
    assert (rig.dir / "out").read_bytes() == b"\xff\xfe\x00\n"
    rig.stop()


STRIP = "strip_ansi=true"


def test_colours_are_taken_out_of_log_and_events(rig: Rig) -> None:
    begin(rig, speaker("stdout_events_enabled=true"), daemon=STRIP)
    say(rig, b"\x1b[1;31mred\x1b[0m and \x1b[2Jcleared\n")
    assert rig.until_text("out", "cleared") == "red and cleared\n"
    assert until_heard(rig, LOGGED)[0].endswith("\nred and cleared\n")
    rig.stop()


@pytest.mark.ours
def test_a_colour_cut_in_two_is_taken_out_too(rig: Rig) -> None:
    begin(rig, speaker(CAPTURE), daemon=STRIP)
    for number, cut in enumerate((1, 2, 4)):
        say(rig, f"a{number}".encode() + b"\x1b[1;31m"[:cut])
        rig.until_text("out", f"a{number}", LATE_S)
        say(rig, b"\x1b[1;31m"[cut:] + f"b{number}\n".encode())
    say(rig, BEGIN + b"\x1b[3")
    say(rig, b"2mgreen" + END)
    assert until_heard(rig, COMMUNICATED)[0].endswith("\ngreen")
    assert rig.until_text("out", "b2\n") == "a0b0\na1b1\na2b2\n"
    rig.stop()


@pytest.mark.ours
def test_an_escape_that_is_no_colour_is_not_lost_at_the_end(rig: Rig) -> None:
    begin(rig, speaker("autorestart=false"), daemon=STRIP)
    say(rig, b"end\x1b[12")
    leave(rig)
    rig.until("web", "EXITED")
    assert (rig.dir / "out").read_bytes() == b"end\x1b[12"
    rig.stop()


def test_colours_stay_where_nobody_asked_to_strip_them(rig: Rig) -> None:
    begin(rig, speaker())
    say(rig, b"\x1b[31mred\n")
    rig.until_text("out", "red")
    assert (rig.dir / "out").read_bytes() == b"\x1b[31mred\n"
    rig.stop()


@pytest.fixture
def system_log() -> Iterator[socket.socket]:
    """The system's log, where there is none and we may be it."""
    place = Path("/dev/log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        try:
            log.bind(str(place))
        except OSError:
            pytest.skip("this system has a log of its own, or does not let us be one")
        try:
            log.settimeout(LATE_S)
            yield log
        finally:
            os.unlink(place)


def test_syslog_gets_each_line_after_the_programs_name(rig: Rig, system_log: socket.socket) -> None:
    begin(rig, speaker("stdout_syslog=true", "stderr_syslog=true"))
    say(rig, b"one\ntwo\n")
    lines = [system_log.recv(65536).rstrip(b"\0\n") for _ in range(2)]
    assert [line.rpartition(b"web ")[2] for line in lines] == [b"one", b"two"]
    say(rig, b"err\n", "err")
    assert system_log.recv(65536).rstrip(b"\0\n").endswith(b"web err")
    assert rig.until_text("out", "two\n") == "one\ntwo\n"
    rig.stop()


def test_a_log_file_called_syslog_goes_there_alone(rig: Rig, system_log: socket.socket) -> None:
    begin(rig, speaker().replace("stdout_logfile={dir}/out", "stdout_logfile=syslog"))
    say(rig, b"hello\n")
    assert system_log.recv(65536).rstrip(b"\0\n").endswith(b"web hello")
    assert rig.info("web")["stdout_logfile"] == ""
    rig.stop()


def test_the_daemons_own_log_may_be_syslog(rig: Rig, system_log: socket.socket) -> None:
    text = f"[program:web]\ncommand={program('speaker.py')} {{dir}}/ready\nstartsecs=0\n{LOGS}"
    rig.write(text)
    rig.conf.write_text(rig.conf.read_text().replace(f"logfile={rig.log}\n", "logfile=syslog\n"))
    rig.start()
    seen = b""
    while b"spawned: 'web' with pid" not in seen:
        seen += system_log.recv(65536)
    assert not rig.log.exists()
    rig.stop()


@pytest.mark.ours
def test_a_syslog_nobody_reads_hangs_nobody(rig: Rig, system_log: socket.socket) -> None:
    begin(rig, speaker("stdout_syslog=true"))
    assert system_log.fileno() >= 0
    say(rig, b"line\n" * 20_000)
    say(rig, b"the last\n")
    rig.until_text("out", "the last", LATE_S)
    rig.stop()

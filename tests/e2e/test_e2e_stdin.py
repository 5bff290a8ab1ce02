"""sendProcessStdin: never waits for a program, and says truly whether it took what it was given."""

import time
import xmlrpc.client

import pytest

from tests.e2e.harness import Rig, program

LATE_S = 30.0
LATE_READER = (
    "[program:web]\nstartsecs=0\n"
    "command=/bin/sh -c 'until [ -e {dir}/go ]; do sleep 0.05; done; exec cat > {dir}/got'\n"
)
CHUNK = "x" * 59_999 + "\n"


def send(rig: Rig, text: str, name: str = "web") -> xmlrpc.client.Fault | None:
    """Send text; return the fault if it was refused."""
    try:
        assert rig.rpc.supervisor.sendProcessStdin(name, text) is True
    except xmlrpc.client.Fault as refused:
        return refused
    return None


@pytest.mark.ours
def test_a_program_that_does_not_read_delays_nobody_and_too_much_is_refused(rig: Rig) -> None:
    rig.write(LATE_READER)
    rig.start()
    rig.until("web", "RUNNING")
    began = time.monotonic()
    refused, taken = None, 0
    while refused is None:
        refused = send(rig, CHUNK)
        taken += refused is None
        assert taken < 100, "it takes everything"
    assert refused.faultCode == 30
    assert "does not read (nothing was sent)" in refused.faultString
    assert taken * len(CHUNK) > 1 << 20
    assert time.monotonic() - began < LATE_S / 2
    assert rig.state("web") == "RUNNING"
    assert rig.ctl("stop", "web").text == "web: stopped\n"
    rig.stop()


@pytest.mark.ours
def test_what_was_refused_was_not_sent_and_a_retry_doubles_nothing(rig: Rig) -> None:
    rig.write(LATE_READER)
    rig.start()
    rig.until("web", "RUNNING")
    sent = []
    for number in range(100):
        text = f"{number}:".ljust(len(CHUNK) - 1, "x") + "\n"
        if send(rig, text) is not None:
            break
        sent.append(text)
    for _ in range(3):
        assert send(rig, text) is not None
    (rig.dir / "go").touch()
    rig.wait(lambda: send(rig, text) is None, LATE_S, "there is room again")
    rig.wait(lambda: rig.text("got").endswith(text), LATE_S, "all has arrived")
    assert rig.text("got") == "".join([*sent, text])
    rig.stop()


@pytest.mark.ours
def test_megabytes_arrive_whole_and_in_order_at_one_who_reads_late(rig: Rig) -> None:
    rig.write(LATE_READER)
    rig.start()
    rig.until("web", "RUNNING")
    text = "".join(f"{number:07}\n" for number in range(130_000))
    assert send(rig, text[: len(text) // 2]) is None
    assert send(rig, text[len(text) // 2 :]) is None
    (rig.dir / "go").touch()
    rig.wait(lambda: (rig.dir / "got").exists() and rig.text("got") == text, LATE_S, "all has arrived")
    rig.stop()


@pytest.mark.ours
def test_what_was_not_read_is_not_for_the_next_life(rig: Rig) -> None:
    rig.write(LATE_READER)
    rig.start()
    pid = rig.until("web", "RUNNING")["pid"]
    assert send(rig, CHUNK) is None
    rig.ctl("restart", "web")
    rig.until_new_pid("web", pid)
    (rig.dir / "go").touch()
    assert send(rig, "for the second\n") is None
    rig.until_text("got", "second\n")
    assert rig.text("got") == "for the second\n"
    rig.stop()


def test_text_arrives_as_it_is(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('echo.py')}\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready\n")
    rig.until("web", "RUNNING")
    assert send(rig, "grüße €\n") is None
    assert rig.until_text("out", "€") == "ready\ngot: grüße €\n"
    rig.stop()


def test_refusals(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'exec <&-; exec sleep 100000'\nstartsecs=0\n"
        "[program:idle]\ncommand=sleep 100000\nautostart=false\n"
    )
    rig.start()
    rig.until("web", "RUNNING")
    rig.wait(lambda: send(rig, "x"), LATE_S, "it has closed its input")
    for name, text, said in (
        ("web", "x", (20, "NO_FILE: web")),
        ("web:web", "x", (20, "NO_FILE: web:web")),
        ("idle", "x", (70, "NOT_RUNNING: idle")),
        ("nope", "x", (10, "BAD_NAME: nope")),
        ("", "x", (10, "BAD_NAME: ")),
    ):
        refused = send(rig, text, name)
        assert refused is not None
        assert (refused.faultCode, refused.faultString) == said
    rig.stop()


def test_empty_names_and_signals_are_refused_in_supervisors_words(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n")
    rig.start()
    rig.until("web", "RUNNING")
    ask = rig.rpc.supervisor
    for method, arguments, said in (
        (ask.startProcess, ("",), "BAD_NAME: "),
        (ask.stopProcessGroup, ("",), "BAD_NAME: "),
        (ask.getProcessInfo, ("",), "BAD_NAME: "),
        (ask.addProcessGroup, ("",), "BAD_NAME: "),
        (ask.signalProcess, ("web", ""), "BAD_SIGNAL: "),
        (ask.startProcess, (), "INCORRECT_PARAMETERS"),
    ):
        with pytest.raises(xmlrpc.client.Fault) as refused:
            method(*arguments)
        assert refused.value.faultString == said
    assert [item["description"] for item in ask.signalAllProcesses("")] == ["BAD_SIGNAL: "]
    rig.stop()

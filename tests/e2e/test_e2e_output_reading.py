"""Whatever bytes a log has, what is answered is XML that any parser takes; the log itself stays as it is."""

import xmlrpc.client
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.e2e.harness import Rig
from tests.e2e.wire import post, raw

LATE_S = 20.0
NASTY = {
    "every byte": bytes(range(256)) * 4,
    "control characters": b"\x00\x01\x08\x0b\x0c\x0e\x1f\x7f\x1b[31mred\x1b[0m",
    "markup": b"]]><!--&amp;&#0;<value><string></string></value><![CDATA[<?xml",
    "cut characters": "€".encode()[:2] + b"a" + "😀".encode()[:3],
    "surrogates and non-characters": b"\xed\xa0\x80\xed\xbf\xbf\xef\xbf\xbe\xef\xbf\xbf\xf4\x90\x80\x80",
    "overlong": b"\xc0\x80\xe0\x80\x80\xf8\x88\x80\x80\x80",
    "lines": b"a\r\nb\rc\n\x85\xe2\x80\xa8",
}


@pytest.fixture
def nasty(rig: Rig) -> Rig:
    """A daemon whose program logs to files that the test writes."""
    rig.write("[program:web]\ncommand=sleep 100000\nstdout_logfile={dir}/out\nstderr_logfile={dir}/err\nstartsecs=0\n")
    rig.start()
    rig.until("web", "RUNNING")
    return rig


def answer(rig: Rig, method: str, *arguments: Any) -> Any:
    """Return what a call returns; its reply has been read by a strict parser of XML before."""
    body = xmlrpc.client.dumps(arguments, method).encode()
    head, _, text = raw(str(rig.socket), post(body, "Connection: close\r\n"), timeout_s=LATE_S).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert f"Content-Length: {len(text)}".encode() in head
    ElementTree.fromstring(text)
    text.decode()
    values, _ = xmlrpc.client.loads(text)
    return values[0]


@pytest.mark.ours
@pytest.mark.parametrize("kind", NASTY)
def test_every_way_to_read_a_log_is_well_formed(nasty: Rig, kind: str) -> None:
    data = NASTY[kind]
    for name in ("out", "err"):
        (nasty.dir / name).write_bytes(data)
    for method in ("readProcessStdoutLog", "readProcessStderrLog", "readProcessLog"):
        whole = answer(nasty, f"supervisor.{method}", "web", 0, 0)
        assert whole == readable(data)
        for offset in range(0, min(len(data), 12)):
            answer(nasty, f"supervisor.{method}", "web", offset, 3)
            answer(nasty, f"supervisor.{method}", "web", -offset - 1, 0)
    for method in ("tailProcessStdoutLog", "tailProcessStderrLog", "tailProcessLog"):
        assert answer(nasty, f"supervisor.{method}", "web", 0, len(data)) == [readable(data), len(data), False]
        for length in range(1, 9):
            text, offset, overflow = answer(nasty, f"supervisor.{method}", "web", 0, length)
            assert (bool(text), offset, overflow) == (True, len(data), len(data) > length)
    calls = [{"methodName": "supervisor.readProcessStdoutLog", "params": ["web", 0, 0]}] * 2
    assert answer(nasty, "system.multicall", calls) == [readable(data)] * 2
    assert (nasty.dir / "out").read_bytes() == data
    assert nasty.ctl("tail", "web").code == 0
    assert nasty.ctl("tail", "web", "stderr", client="supervisorctl").code == 0
    nasty.stop()


def readable(data: bytes) -> str:
    """Return what is left of bytes in XML: whatever it cannot carry is one replacement character."""
    text = data.decode(errors="replace")
    bad = {*range(0x20), 0xFFFE, 0xFFFF} - {0x9, 0xA, 0xD}
    return "".join("\N{REPLACEMENT CHARACTER}" if ord(character) in bad else character for character in text)


@pytest.mark.ours
def test_the_daemons_own_log_too(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\n")
    rig.start()
    rig.until("web", "RUNNING")
    with rig.log.open("ab") as log:
        log.write(NASTY["every byte"])
    assert answer(rig, "supervisor.readLog", 0, 0).endswith(readable(NASTY["every byte"]))
    answer(rig, "supervisor.readMainLog", -7, 0)
    rig.stop()


@pytest.mark.ours
def test_what_else_is_told_of_a_program_too(rig: Rig) -> None:
    odd = "a\x01<b>&\x1b]]>\ufffe"
    rig.write(f"[program:web]\ncommand=/nowhere/{odd}\nstartretries=0\nstdout_logfile={{dir}}/{odd.replace('/', '')}\n")
    rig.start()
    rig.until("web", "FATAL")
    expected = odd.replace("\x01", "\ufffd").replace("\x1b", "\ufffd").replace("\ufffe", "\ufffd")
    info = answer(rig, "supervisor.getProcessInfo", "web")
    assert "can't find command" in info["spawnerr"]
    assert info["stdout_logfile"] == f"{rig.dir}/{expected}"
    assert answer(rig, "supervisor.getAllProcessInfo")[0]["spawnerr"] == info["spawnerr"]
    assert answer(rig, "supervisor.getAllConfigInfo")[0]["command"] == f"/nowhere/{expected}"
    rig.stop()

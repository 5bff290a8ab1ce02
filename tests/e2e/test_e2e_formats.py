"""Logs that people and machines read: every line whole and its own, and raw ones what the program wrote to the byte."""

import base64
import hashlib
import json
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import world
from tests.e2e.harness import PYTHON, Rig, program
from tests.programs.check_lines import check, oldest_first

pytestmark = pytest.mark.ours

HEAD = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) (stdout|stderr)([:+]) ")
KEYS = ["ts", "program", "group", "process", "stream", "pid", "msg"]


def write_script(rig: Rig, text: str) -> str:
    """Make a program of Python; return the command that runs it."""
    (rig.dir / "script.py").write_text(f"import os, sys, time\n{text}\n")
    return f"{PYTHON} {rig.dir}/script.py"


def objects(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def texts(rig: Rig, name: str) -> list[str]:
    """Return what stands behind the heads of a log."""
    lines = rig.text(name).splitlines()
    assert all(HEAD.match(line) for line in lines), lines
    return [HEAD.sub("", line) for line in lines]


def until_ended(rig: Rig, name: str) -> None:
    rig.until(name, "EXITED", deadline_s=40)


MIXED = """
def say(data):
    while data:
        data = data[os.write(1, data):]
say(b"first li"); time.sleep(0.3); say(b"ne\\nsecond")
time.sleep(0.3); say(b" line\\n" + b"m" * 1000000 + b"\\n")
say(bytes(range(256)) * 8 + b"\\n"); say(b"no newline at the end")
"""
"""partial lines, a line of a megabyte, binary"""


def test_json_has_partial_lines_whole_long_ones_whole_and_binary_undamaged(rig: Rig) -> None:
    command = write_script(rig, MIXED)
    rig.write(
        f"[program:web]\ncommand={command}\nnumprocs=1\nprocess_name=web_0\nstartsecs=0\nautorestart=false\n"
        "log_format=json\nstdout_logfile={dir}/out\n"
    )
    began = datetime.now(UTC)
    rig.start()
    until_ended(rig, "web:web_0")
    pid = rig.until_line("^spawned")[0].text.split()[-1]
    found = objects(rig.dir / "out")
    assert all(list(each)[: len(KEYS)] == KEYS for each in found)
    assert {(each["program"], each["group"], each["process"], each["stream"]) for each in found} == {
        ("web", "web", "web_0", "stdout")
    }
    assert {each["pid"] for each in found} == {int(pid)}
    for each in found:
        assert began.timestamp() - 0.002 <= datetime.fromisoformat(each["ts"]).timestamp()
        assert datetime.fromisoformat(each["ts"]) <= datetime.now(UTC)
    assert [each["msg"] for each in found[:3]] == ["first line", "second line", "m" * 1_000_000]
    assert found[-1]["msg"] == "no newline at the end"
    assert not any(each.get("partial") for each in found)
    binary = b"\n".join(
        base64.b64decode(each["base64"]) if "base64" in each else each["msg"].encode() for each in found
    )
    assert bytes(range(256)) * 8 + b"\n" in binary
    rig.stop()


def test_a_prefix_stands_before_partial_lines_long_ones_and_binary(rig: Rig) -> None:
    command = write_script(rig, MIXED)
    rig.write(
        f"[program:web]\ncommand={command}\nprocess_name=w%(process_num)d\nnumprocs=1\nstartsecs=0\n"
        "autorestart=false\nlog_format=prefix\nstdout_logfile={dir}/out\n"
    )
    rig.start()
    until_ended(rig, "web:w0")
    lines = rig.text("out").splitlines()
    heads = [HEAD.match(line) for line in lines]
    assert all(heads)
    assert {(head[2], head[3], head[4]) for head in heads if head} == {("web:w0", "stdout", ":")}
    assert texts(rig, "out")[:3] == ["first line", "second line", "m" * 1_000_000]
    assert texts(rig, "out")[-1] == "no newline at the end"
    first, second = (datetime.fromisoformat(head[1]) for head in heads[:2] if head)
    assert 0.2 < (second - first).total_seconds() < 20  # the time of their first bytes
    rig.stop()


def test_raw_logs_are_the_same_to_the_byte(rig: Rig) -> None:
    command = write_script(
        rig,
        "data = bytes(range(256)) * 20000 + b'no newline'\nopen('expected', 'wb').write(data)\n"
        "while data:\n    data = data[os.write(1, data[:7001]):]\n",
    )
    rig.write(
        f"[program:web]\ncommand={command}\ndirectory={{dir}}\nstartsecs=0\nautorestart=false\nlog_format=raw\n"
        "stdout_logfile={dir}/out\nstdout_logfile_maxbytes=0\n"
        "[program:default]\ncommand=/bin/cat {dir}/script.py\nstartsecs=0\nautorestart=false\n"
        "stdout_logfile={dir}/default\n"
    )
    rig.start()
    until_ended(rig, "web")
    until_ended(rig, "default")
    wanted = hashlib.sha256((rig.dir / "expected").read_bytes()).hexdigest()
    assert hashlib.sha256((rig.dir / "out").read_bytes()).hexdigest() == wanted
    assert (rig.dir / "default").read_bytes() == (rig.dir / "script.py").read_bytes()
    rig.stop()


def test_both_streams_of_two_programs_share_a_file_line_by_line(rig: Rig) -> None:
    command = write_script(
        rig,
        "for n in range(1500):\n"
        "    for fd in (1, 2):\n"
        "        line = b'%d ' % n + b'x' * (n % 700) + b'\\n'\n"
        "        os.write(fd, line[:n % 9]); os.write(fd, line[n % 9:])\n",
    )
    rig.write(
        f"[program:web]\ncommand={command}\nnumprocs=2\nprocess_name=web_%(process_num)d\nstartsecs=0\n"
        "autorestart=false\nlog_format=json\n"
        "stdout_logfile={dir}/all\nstderr_logfile={dir}/all\nstdout_logfile_maxbytes=300KB\n"
        "stderr_logfile_maxbytes=300KB\nstdout_logfile_backups=100\nstderr_logfile_backups=100\n"
    )
    rig.start()
    for name in ("web:web_0", "web:web_1"):
        until_ended(rig, name)
    files = oldest_first(rig.dir / "all")
    assert len(files) > 3
    said: dict[tuple[str, str], list[int]] = {}
    for each in objects(*files):
        number, text = each["msg"].split(" ")
        assert text == "x" * (int(number) % 700)
        said.setdefault((each["process"], each["stream"]), []).append(int(number))
    assert said == {(name, stream): list(range(1500)) for name in ("web_0", "web_1") for stream in ("stdout", "stderr")}
    rig.stop()


@pytest.mark.parametrize("form", ["prefix", "json"])
def test_rotation_under_load_loses_and_tears_nothing(rig: Rig, form: str) -> None:
    rig.write(
        f"[program:web]\ncommand={program('spam.py')} --lines 60000 --size 100 --write 9000\nstartsecs=0\n"
        f"autorestart=false\nlog_format={form}\nstdout_logfile={{dir}}/out\nstdout_logfile_maxbytes=1MB\n"
        "stdout_logfile_backups=1000\n"
    )
    rig.start()
    until_ended(rig, "web")
    files = oldest_first(rig.dir / "out")
    assert len(files) > 5
    plain = rig.dir / "plain"
    with plain.open("w") as lines:
        for path in files:
            for line in path.read_text().splitlines():
                lines.write((json.loads(line)["msg"] if form == "json" else HEAD.sub("", line)) + "\n")
    report = check([plain])
    assert (report.count, report.first, report.last, report.clean) == (60_000, 0, 59_999, True), report
    rig.stop()


def test_the_half_line_of_a_killed_program_is_there(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'echo whole; printf \"half a \"; exec sleep 100000'\nautorestart=false\n"
        "startsecs=0\nlog_format=prefix\nstdout_logfile={dir}/out\n"
    )
    rig.start()
    rig.until_text("out", "whole")
    world.kill(rig.pid("web"), signal.SIGKILL)
    until_ended(rig, "web")
    assert texts(rig, "out") == ["whole", "half a "]
    rig.stop()


def test_a_prompt_is_there_while_the_program_waits(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'printf \"password: \"; exec sleep 100000'\nlog_format=prefix\n"
        "stdout_logfile={dir}/out\n"
    )
    rig.start()
    text = rig.until_text("out", "password: ", deadline_s=30)
    match = HEAD.match(text)
    assert match
    assert match[4] == "+"
    rig.stop()


def test_escape_sequences_of_a_program_are_seen_and_not_obeyed(rig: Rig) -> None:
    command = write_script(
        rig, "os.write(1, b'ok\\r2000-01-01T00:00:00.000Z root stdout: forged\\x1b[2J\\x1b]0;t\\x07\\n')"
    )
    rig.write(
        f"[program:p]\ncommand={command}\nstartsecs=0\nautorestart=false\nlog_format=prefix\nstdout_logfile={{dir}}/p\n"
        f"[program:j]\ncommand={command}\nstartsecs=0\nautorestart=false\nlog_format=json\nstdout_logfile={{dir}}/j\n"
    )
    rig.start()
    until_ended(rig, "p")
    until_ended(rig, "j")
    assert texts(rig, "p") == ["ok^M2000-01-01T00:00:00.000Z root stdout: forged^[[2J^[]0;t^G"]
    assert rig.text("j").removesuffix("\n").isprintable()
    assert objects(rig.dir / "j")[0]["msg"] == "ok\r2000-01-01T00:00:00.000Z root stdout: forged\x1b[2J\x1b]0;t\x07"
    rig.stop()


def test_a_reload_changes_the_form_while_the_program_goes_on(rig: Rig) -> None:
    command = write_script(
        rig,
        "n = 0\nwhile True:\n    os.write(1, b'begin %d ' % n); time.sleep(0.01)\n"
        "    os.write(1, b'end %d\\n' % n); n += 1\n",
    )
    section = f"[program:web]\ncommand={command}\nstdout_logfile={{dir}}/out\n"
    rig.write(section)
    rig.start()
    rig.until_text("out", "end 5\n")
    pid = rig.until("web", "RUNNING")["pid"]
    for form, sign in (("json", '"}\n'), ("prefix", " web stdout: "), ("raw", "\nbegin ")):
        rig.write(section + f"log_format={form}\n")
        size = os.stat(rig.dir / "out").st_size
        assert rig.ctl("update").code == 0
        rig.wait(lambda size=size, sign=sign: rig.text("out")[size:].count(sign) > 5, 20, f"lines in {form}")  # type: ignore[misc]
    assert rig.pid("web") == pid
    rig.stop()
    said = "".join(
        json.loads(line)["msg"] if line.startswith("{") else HEAD.sub("", line)
        for line in (rig.dir / "out").read_text().splitlines()
    )
    words = [word for word in said.replace("end", " end").replace("begin", " begin").split() if word.isdigit()]
    assert words == [str(number // 2) for number in range(len(words))]


def test_events_get_what_the_program_wrote(rig: Rig) -> None:
    rig.write(
        f"[eventlistener:ear]\ncommand={program('recorder.py')} {{dir}}/events\nevents=PROCESS_LOG\n"
        "[program:web]\ncommand=/bin/sh -c 'sleep 1; echo hello; exec sleep 100000'\nlog_format=json\n"
        "stdout_events_enabled=true\nstdout_logfile={dir}/out\n"
    )
    rig.start()
    rig.until_text("out", "hello", deadline_s=20)
    seen = rig.until_text("events", "hello", deadline_s=20)
    assert '"msg"' not in seen
    assert objects(rig.dir / "out")[0]["msg"] == "hello"
    rig.stop()


def test_redirected_stderr_counts_as_stdout_and_stays_in_order(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'for i in 1 2 3; do echo o$i; echo e$i >&2; done; exec sleep 100000'\n"
        "log_format=prefix\nstdout_logfile={dir}/out\nredirect_stderr=true\n"
    )
    rig.start()
    rig.until_text("out", "e3")
    assert texts(rig, "out") == ["o1", "e1", "o2", "e2", "o3", "e3"]
    rig.stop()


def test_tail_shows_the_lines_of_the_log(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'echo hello; exec sleep 100000'\nlog_format=prefix\n"
        "stdout_logfile={dir}/out\n"
    )
    rig.start()
    rig.until_text("out", "hello")
    assert rig.ctl("tail", "web").text == rig.text("out") + "\n"  # the client prints what it got as a line
    rig.stop()


def test_an_event_listener_speaks_its_protocol_and_has_its_stderr_formatted(rig: Rig) -> None:
    command = write_script(
        rig, "os.write(2, b'hello\\n'); os.write(1, b'READY\\n'); sys.stdin.readline(); time.sleep(1000)"
    )
    rig.write(
        f"[eventlistener:ear]\ncommand={command}\nevents=TICK_5\nlog_format=json\nstdout_logfile={{dir}}/out\n"
        "stderr_logfile={dir}/err\n"
    )
    rig.start()
    rig.until_text("err", "hello", deadline_s=20)
    assert rig.until_text("out", "READY\n", deadline_s=20) == "READY\n"
    assert (objects(rig.dir / "err")[0]["msg"], objects(rig.dir / "err")[0]["stream"]) == ("hello", "stderr")
    rig.stop()

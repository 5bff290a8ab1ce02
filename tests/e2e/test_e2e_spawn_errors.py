"""Starts that cannot work: each is told at once and precisely, and follows the back-off."""

import os
import xmlrpc.client

import pytest

from tests.e2e.harness import Rig

REFUSED = {
    "missing": ("/no/such/program -x", "can't find command '/no/such/program'", 20, "no such file"),
    "unknown": ("nosuchprogram", "can't find command 'nosuchprogram'", 20, "no such file"),
    "directory": ("{dir}", "command at '{dir}' is a directory", 21, "file is not executable"),
    "plain": ("{dir}/plain", "command at '{dir}/plain' is not executable", 21, "file is not executable"),
    "quotes": (
        "sh -c 'true",
        "can't parse command \"sh -c 'true\": No closing quotation",
        21,
        "file is not executable",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_command_that_cannot_be_run_is_refused_with_the_reason(rig: Rig, kind: str) -> None:
    command, reason, code, told = REFUSED[kind]
    (rig.dir / "plain").write_text("not a program")
    rig.write(f"[program:bad]\ncommand={command}\nstartretries=1\n[program:good]\ncommand=sleep 100000\n")
    rig.start()
    reason = reason.replace("{dir}", str(rig.dir))
    if kind == "quotes":  # the text of the original quotes the command its own way
        info = rig.until("bad", "FATAL")
        assert "No closing quotation" in info["spawnerr"]
    else:
        (first, *_) = rig.until_line("^spawnerr: ")
        assert (first.text, first.level) == (f"spawnerr: {reason}", "INFO")
        info = rig.until("bad", "FATAL")
        assert info["spawnerr"] == info["description"] == reason
    assert rig.until_line("gave up: bad entered FATAL state, too many start retries too quickly")
    assert len(rig.lines("^spawnerr: ")) == 2
    with pytest.raises(xmlrpc.client.Fault) as refused:
        rig.rpc.supervisor.startProcess("bad")
    assert refused.value.faultCode == code
    answer = rig.ctl("start", "bad")
    assert (answer.text, answer.code) == (f"bad: ERROR ({told})\n", 1)
    assert rig.state("good") in ("STARTING", "RUNNING")
    rig.stop()


@pytest.mark.ours
def test_a_directory_that_is_not_there_is_told_as_the_reason(rig: Rig) -> None:
    rig.write("[program:bad]\ncommand=sleep 1000\ndirectory=/no/such/directory\nstartretries=0\n")
    rig.start()
    info = rig.until("bad", "FATAL")
    assert "/no/such/directory" in info["spawnerr"]
    assert rig.until_line("^spawnerr: .*chdir.*/no/such/directory")
    rig.stop()


def test_a_program_of_a_bad_format_does_not_run(rig: Rig) -> None:
    path = rig.dir / "rubbish"
    path.write_bytes(b"\x00\x01rubbish")
    path.chmod(0o755)
    rig.write("[program:bad]\ncommand={dir}/rubbish\nstartretries=0\nstderr_logfile={dir}/err\n")
    rig.start()
    info = rig.until("bad", "FATAL")
    if rig.subject == "tmd":
        assert "ENOEXEC" in info["spawnerr"]
    else:
        assert "ENOEXEC" in rig.text("err")
    rig.stop()


def test_a_program_that_can_be_started_once_the_file_is_there(rig: Rig) -> None:
    rig.write("[program:late]\ncommand={dir}/late\nstartretries=20\n")
    rig.start()
    rig.until("late", "BACKOFF")
    path = rig.dir / "new"
    path.write_text("#!/bin/sh\nexec sleep 100000\n")
    path.chmod(0o755)
    os.rename(path, rig.dir / "late")
    rig.until("late", "RUNNING")
    rig.stop()


def test_an_unknown_user_is_refused_before_anything_starts(rig: Rig) -> None:
    rig.write("[program:bad]\ncommand=sleep 1000\nuser=no-such-user\n")
    answer = rig.run_daemon("-n")
    assert answer.code == 2
    assert "no-such-user" in answer.err
    assert "program:bad" in answer.err
    assert "Traceback" not in answer.err
    rig.assert_nothing_left()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("startsecs=soon", "soon"),
        ("numprocs=2", "process_num"),
        ("stopsignal=NOPE", "NOPE"),
        ("exitcodes=0,256", "0,256"),
        ("umask=99", "99"),
        ("autorestart=perhaps", "perhaps"),
        ("stdout_logfile_maxbytes=1M", "1m"),
        ("environment=A", "A"),
        ("command=", ""),
        ("command=sleep %(nope)s", "nope"),
        ("stdout_logfile=/no/such/dir/log", "/no/such/dir/log"),
    ],
)
def test_a_bad_value_is_refused_with_its_place(rig: Rig, line: str, named: str) -> None:
    command = "" if line.startswith("command") else "command=sleep 1000\n"
    rig.write(f"[program:bad]\n{command}{line}\n")
    if line == "command=":  # an empty command is only found when it is started
        rig.start()
        assert rig.until("bad", "FATAL")["spawnerr"].endswith("command is empty")
        rig.stop()
        return
    answer = rig.run_daemon("-n")
    assert answer.code == 2, answer
    assert named.lower() in answer.err.lower()
    assert "program:bad" in answer.err
    assert "Traceback" not in answer.err
    rig.assert_nothing_left()

"""Variables from files: what a program really gets, and what is said of a file that cannot be used."""

import os
import re
from pathlib import Path

import pytest

from tests.e2e.harness import Rig
from tests.support import eventually

pytestmark = pytest.mark.ours

SLEEP_COMMAND = "sleep 100000"
SLEEP = f"command={SLEEP_COMMAND}\n"


def environment(pid: int) -> dict[str, str]:
    """Return the environment a process was started with."""

    def read() -> dict[str, str]:
        items = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return dict(item.decode().split("=", 1) for item in items if item)

    return eventually(read)


def test_files_are_read_at_each_start(rig: Rig) -> None:
    file = rig.dir / "web.env"
    file.write_text("# a comment\nexport A=1\nB='two words'  # and why\nC=\"two\\nlines\"\nD=$A %(here)s ${B}\n")
    rig.write(f"[program:web]\n{SLEEP}environment_file={{dir}}/web.env\n")
    rig.start()
    rig.until("web", "RUNNING")
    found = environment(rig.pid("web"))
    assert (found["A"], found["B"], found["C"], found["D"]) == ("1", "two words", "two\nlines", "$A %(here)s ${B}")
    file.write_text("A=changed\n")
    assert rig.ctl("restart", "web").code == 0
    rig.until("web", "RUNNING")
    found = environment(rig.pid("web"))
    assert found["A"] == "changed"
    assert "B" not in found
    rig.stop()


def test_the_order_of_precedence(rig: Rig) -> None:
    names = ("DAEMON", "SECTION", "PROGRAM", "FIRST", "SUPERVISOR_GROUP_NAME")
    (rig.dir / "a.env").write_text("".join(f"{name}=a\n" for name in names))
    (rig.dir / "b.env").write_text("FIRST=b\n")
    rig.write(
        f"[program:web]\n{SLEEP}environment_file=a.env,-missing.env,b.env\nenvironment=PROGRAM=program\n",
        daemon="environment=SECTION=section,PROGRAM=section,LEFT=section",
    )
    rig.start(DAEMON="daemon", KEPT="daemon")
    rig.until("web", "RUNNING")
    found = environment(rig.pid("web"))
    assert {name: found[name] for name in (*names, "LEFT", "KEPT")} == {
        "DAEMON": "a",
        "SECTION": "a",
        "PROGRAM": "program",
        "FIRST": "b",
        "SUPERVISOR_GROUP_NAME": "a",
        "LEFT": "section",
        "KEPT": "daemon",
    }
    assert found["SUPERVISOR_PROCESS_NAME"] == "web"
    rig.stop()


def test_the_native_dialect_takes_a_list(rig: Rig) -> None:
    (rig.dir / "a.env").write_text("A=1\n")
    rig.write_native('  web: {command: sleep 100000, environment_file: [a.env, "-b.env"]}')
    rig.start()
    rig.until("web", "RUNNING")
    assert environment(rig.pid("web"))["A"] == "1"
    rig.stop()


BROKEN = {
    "a line": (b"A=1\n\nFOO BAR\n", "{file}:3: this line is no assignment (NAME=value)"),
    "a quote": (b'A=1\nTOKEN="s3cret\n', "{file}:2: the quote of 'TOKEN' is never closed"),
    "binary": (b"A=1\n\x7fELF\x00\x01", "{file}:2: has a NUL byte: this is a binary file"),
    "encoding": (b"A=caf\xe9\n", "{file}:1: is not UTF-8 (byte 0xe9)"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_told_with_its_line_until_it_is_mended(rig: Rig, kind: str) -> None:
    content, reason = BROKEN[kind]
    file = rig.dir / "web.env"
    file.write_bytes(content)
    rig.write(f"[program:web]\n{SLEEP}environment_file={{dir}}/web.env\nstartretries=1\n[program:good]\n{SLEEP}")
    rig.start()
    info = rig.until("web", "FATAL", deadline_s=20)
    wanted = "cannot start web: " + reason.replace("{file}", str(file))
    assert info["spawnerr"] == wanted
    assert [line.text for line in rig.until_line("^spawnerr", 2)] == [f"spawnerr: {wanted}"] * 2
    assert rig.ctl("start", "web").text == "web: ERROR (spawn error)\n"
    assert rig.until("web", "FATAL", deadline_s=20)["spawnerr"] == wanted
    assert wanted in rig.ctl("status", "web").text
    assert "s3cret" not in rig.log.read_text()
    assert rig.state("good") in ("STARTING", "RUNNING")
    file.write_text("A=1\n")
    assert rig.ctl("start", "web").text == "web: started\n"
    rig.stop()


@pytest.mark.parametrize("turned_into", ["nothing", "a FIFO", "a directory"])
def test_a_file_that_went_away_or_turned_into_something_else(rig: Rig, turned_into: str) -> None:
    file = rig.dir / "web.env"
    file.write_text("A=1\n")
    rig.write(f"[program:web]\n{SLEEP}environment_file={{dir}}/web.env\nstartretries=0\nstartsecs=0\n")
    rig.start()
    rig.until("web", "RUNNING")
    file.unlink()
    reason = "is not a regular file"
    match turned_into:
        case "a FIFO":
            os.mkfifo(file)
        case "a directory":
            file.mkdir()
        case _:
            reason = f"no such file (write -{file} if it may be missing)"
    rig.ctl("stop", "web")
    answer = rig.ctl("start", "web")
    assert (answer.text, answer.code) == ("web: ERROR (spawn error)\n", 7)
    assert rig.until("web", "FATAL", deadline_s=20)["spawnerr"] == f"cannot start web: {file}: {reason}"
    rig.stop()


def test_a_file_that_is_missing_concerns_one_program_only(rig: Rig) -> None:
    file = rig.dir / "web.env"
    rig.write_native(
        f"  web: {{cmd: {SLEEP_COMMAND}, environment_file: web.env, startretries: 0}}\n"
        f"  good: {{cmd: {SLEEP_COMMAND}}}\n"
    )
    wanted = f"programs.web.environment_file: there is no file '{file}' (-{file} if it may be missing)"
    checked = rig.run_daemon("--check-config")
    assert checked.code == 2
    said = f"programs.web.environment_file: {file}: no such file (write -{file} if it may be missing)"
    assert re.match(rf"Error: {rig.conf}:\d+:\d+: {re.escape(said)}\n", checked.err)
    assert "warning" not in checked.err
    rig.start()
    assert wanted in rig.until_line("there is no file")[0].text
    info = rig.until("web", "FATAL", deadline_s=20)
    assert info["spawnerr"] == f"cannot start web: {file}: no such file (write -{file} if it may be missing)"
    rig.until("good", "RUNNING")
    assert rig.ctl("update").code == 0
    file.write_text("A=1\n")
    assert rig.ctl("start", "web").text == "web: started\n"
    rig.stop()


def test_a_file_that_a_prestart_hook_writes_is_read_by_that_very_start(rig: Rig) -> None:
    script = rig.dir / "fetch"
    script.write_text("#!/bin/sh\necho A=fetched > web.env\n")
    script.chmod(0o755)
    rig.write_native(
        f'  web: {{cmd: {SLEEP_COMMAND}, environment_file: -web.env, prestart: "{{dir}}/fetch", directory: "{{dir}}"}}'
    )
    rig.start()
    rig.until("web", "RUNNING")
    assert environment(rig.pid("web"))["A"] == "fetched"
    rig.stop()


def test_check_config_reads_the_files_too(rig: Rig) -> None:
    file = rig.dir / "web.env"
    file.write_text("A=1\nFOO BAR\nB='\n")
    rig.write(f"[program:web]\n{SLEEP}environment_file={{dir}}/web.env\nnumprocs=3\nprocess_name=w%(process_num)d\n")
    answer = rig.run_daemon("--check-config")
    assert answer.code == 2
    assert answer.err.count(f"{file}:2: this line is no assignment (NAME=value)\n") == 1
    assert f"{file}:3: the quote of 'B' is never closed\n" in answer.err
    rig.write_native("  web: {cmd: sleep 1000, environment_file: web.env}\n  bad: {cmd: sleep 1000, umask: 9}\n")
    answer = rig.run_daemon("--check-config")
    lines = answer.err.splitlines()
    assert [line.rpartition("/tm.yaml")[2].partition(" (")[0] for line in lines[:3]] == [
        f":10:26: programs.web.environment_file: {file}:2: this line is no assignment",
        f":10:26: programs.web.environment_file: {file}:3: the quote of 'B' is never closed",
        ":11:26: programs.bad.umask: cannot read '9' as an octal number",
    ]
    assert lines[3].startswith("3 problems in all")
    file.write_text("A=1\n")
    rig.write_native("  web: {cmd: sleep 1000, environment_file: web.env}\n")
    assert rig.run_daemon("--check-config").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as others, and has something to lose")
def test_root_takes_no_variables_for_a_program_of_its_own_from_others(rig: Rig) -> None:
    file = rig.dir / "web.env"
    file.write_text("A=1\n")
    os.chown(file, 65534, 65534)
    rig.write(
        f"[program:mine]\n{SLEEP}environment_file={{dir}}/web.env\nstartretries=0\n"
        f"[program:his]\n{SLEEP}environment_file={{dir}}/web.env\nuser=nobody\n"
    )
    rig.start()
    info = rig.until("mine", "FATAL")
    assert f"cannot start mine: {file}: refusing it as root: '{file}' belongs to 'nobody'" in info["spawnerr"]
    rig.until("his", "RUNNING")
    assert environment(rig.pid("his"))["A"] == "1"
    rig.stop()

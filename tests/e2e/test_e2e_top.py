"""`tmctl top` as somebody at a terminal sees it."""

import os
import re
import signal
from collections.abc import Callable

import pexpect
import pytest

from tests.e2e.harness import PYTHON, Rig, program
from tests.e2e.screens import Screen, attributes
from tests.support import eventually

BUSY = f"{PYTHON} -c 'while True: pass'"
PROGRAMS = f"""\
  busy:
    command: "{BUSY}"
  idle:
    command: sleep 1000
    numprocs: 2
  web:
    command: "{program("talker.py")}"
    stdout_logfile: "{{dir}}/web.out"
"""
RESTORED = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"


@pytest.fixture
def open_top(rig: Rig) -> Callable[..., Screen]:
    def spawn(*words: str, size: tuple[int, int] = (24, 120), **environment: str) -> Screen:
        command = rig.client_command("top", "-d", "0.5", *words, client="tmctl")
        spawned = pexpect.spawn(
            command[0],
            command[1:],
            cwd=str(rig.dir),
            env=rig.client_environment() | {"TERM": "xterm"} | environment,
            encoding="utf-8",
            dimensions=size,
        )
        spawned.delaybeforesend = None
        rig._terminals.append(spawned)
        return Screen(spawned)

    return spawn


def started(rig: Rig) -> Rig:
    rig.write_native(PROGRAMS)
    rig.start()
    rig.until_all("RUNNING")
    return rig


def names(screen: Screen) -> list[str]:
    return [line.split()[0] for line in screen.lines[2:-1] if line.strip()]


def cpu_of(screen: Screen, name: str) -> float:
    found = re.search(rf"^{name} +RUNNING +\d+ +[0-9:]+ +([0-9.]+) ", screen.text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.ours
def test_a_busy_program_is_seen_sorted_and_stopped(rig: Rig, open_top: Callable[..., Screen]) -> None:
    started(rig)
    screen = open_top()
    before = attributes(screen.spawned)
    screen.until(lambda seen: cpu_of(seen, "busy") > 5.0)
    assert names(screen)[0] == "busy", "what needs most of the processor comes first"
    screen.until("4/4 running   CPU ")
    screen.press("n")
    screen.until(lambda seen: "NAME↓" in seen.text and names(seen) == ["busy", "idle:idle_00", "idle:idle_01", "web"])
    screen.press("R")
    screen.until(lambda seen: names(seen)[0] == "web")
    screen.press("x")  # busy is still the one that is selected
    screen.until("busy: stopped")
    assert rig.state("busy") == "STOPPED"
    screen.until(lambda seen: re.search(r"^busy +STOPPED ", seen.text, re.MULTILINE))
    screen.press("s")
    screen.until("busy: started")
    screen.press("q")
    assert screen.until_end() == 0
    assert screen.said.endswith(RESTORED)
    assert attributes(screen.spawned) == before


@pytest.mark.ours
def test_groups_signals_logs_and_reasons(rig: Rig, open_top: Callable[..., Screen]) -> None:
    started(rig)
    screen = open_top("--sort", "name", "idle", "web")
    screen.until("3/3 running")
    screen.press("gx")
    screen.until("stop all of idle (2 processes)? y/n")
    screen.press("n")
    screen.press("gx")
    screen.until("y/n")
    assert rig.state("idle:idle_00") == "RUNNING"
    screen.press("y")
    screen.until(lambda seen: "idle:idle_00: stopped" in seen.text or "idle:idle_01: stopped" in seen.text)
    screen.until("1/3 running")
    screen.press("/web\r")
    screen.until("filter 'web': 1 of 3")
    old = rig.pid("web")
    screen.press("kterm\r")
    screen.until("web: signalled")
    rig.until_new_pid("web", old)
    screen.press("w")
    screen.until(lambda seen: "why web" in seen.text and "signal" in seen.text)
    screen.press("q")
    rig.until("web", "RUNNING")
    rig.rpc.supervisor.sendProcessStdin("web", "3\n")
    screen.press("l")
    screen.until("line 2 xxx")
    rig.rpc.supervisor.sendProcessStdin("web", "40\n")
    screen.until("line 42 xxx")
    assert "line 2 xxx" not in screen.text, "it follows"
    screen.press("\x1b[H")
    screen.until("line 0 xxx")
    screen.press("e")
    screen.until("web stderr")
    screen.press("q\x03")
    assert screen.until_end() == 0


@pytest.mark.ours
def test_the_daemon_goes_away_and_comes_back(rig: Rig, open_top: Callable[..., Screen]) -> None:
    started(rig)
    screen = open_top()
    screen.until("4/4 running")
    rig.stop()
    screen.until("cannot talk to unix://")
    assert "busy" in screen.text, "what was known last is still there"
    screen.press("x")
    screen.until("no daemon is running here")
    rig.start()
    screen.until("4/4 running")
    screen.press("q")
    assert screen.until_end() == 0


@pytest.mark.ours
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_it_with_the_terminal_restored(
    rig: Rig, open_top: Callable[..., Screen], number: signal.Signals
) -> None:
    started(rig)
    screen = open_top()
    before = attributes(screen.spawned)
    screen.until("4/4 running")
    os.kill(screen.spawned.pid, number)
    assert screen.until_end() == 128 + number
    assert screen.said.endswith(RESTORED)
    assert attributes(screen.spawned) == before


@pytest.mark.ours
def test_suspended_and_continued(rig: Rig, open_top: Callable[..., Screen]) -> None:
    started(rig)
    screen = open_top()
    before = attributes(screen.spawned)
    screen.until("4/4 running")
    screen.press("\x1a")
    eventually(lambda: stopped(screen.spawned.pid), 20.0, what="it is stopped")
    screen.until(lambda seen: seen.said.endswith(RESTORED))
    assert attributes(screen.spawned) == before
    os.kill(screen.spawned.pid, signal.SIGCONT)
    screen.until(lambda seen: "4/4 running" in seen.text and not seen.said.endswith(RESTORED))
    screen.press("q")
    assert screen.until_end() == 0
    assert attributes(screen.spawned) == before


def stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.ours
def test_sizes_of_all_kinds(rig: Rig, open_top: Callable[..., Screen]) -> None:
    started(rig)
    screen = open_top("--sort", "name", size=(1, 1))
    screen.until("…")
    screen.spawned.setwinsize(5, 20)
    screen.until(lambda seen: seen.lines[0].startswith("tmd ") and "NAME" in seen.lines[1])
    assert all(len(line) <= 20 for line in screen.lines[:5])
    screen.spawned.setwinsize(100, 300)
    screen.until(lambda seen: "LAST END" in seen.text and len(seen.lines) == 100)
    screen.press("q")
    assert screen.until_end() == 0


@pytest.mark.ours
def test_names_cannot_break_the_screen_and_no_colour_is_none(rig: Rig, open_top: Callable[..., Screen]) -> None:
    rig.write_native("""\
  "日本語のとても長いプログラムの名前です":
    command: sleep 1000
  "e\\u0301vil":
    command: sleep 1000
""")
    rig.start()
    screen = open_top("--sort", "name", size=(10, 60), NO_COLOR="1")
    screen.until("2/2 running")
    assert "e\\u0301vil" in screen.text
    assert "日本語の" in screen.text
    assert not re.search(r"\x1b\[[39]\dm", screen.said)
    screen.press("q")
    assert screen.until_end() == 0


@pytest.mark.ours
def test_without_a_terminal_it_is_text(rig: Rig) -> None:
    started(rig)
    answer = rig.ctl("top", "--sort", "name", client="tmctl")
    assert answer.code == 0
    assert "\x1b" not in answer.text
    assert [line.split()[0] for line in answer.text.splitlines()[1:]] == [
        *("NAME", "busy", "idle:idle_00", "idle:idle_01", "web"),
    ]


def test_a_supervisord_tells_states_and_uptimes(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(subject="supervisord", client="supervisorctl")
    rig.write("[program:web]\ncommand=sleep 1000\nstartsecs=0\n")
    rig.start()
    answer = rig.ctl("top", "--once", client="tmctl")
    assert "(this server is not tmd: it does not measure)" in answer.text
    assert re.search(r"^web +RUNNING +\d+ +0:00:0\d +- ", answer.text, re.MULTILINE)

"""Operators attach to programs on terminals, come, go and fail; the programs never notice."""

import os
import re
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import PYTHON, Rig
from tests.e2e.terminals import DETACH, PATIENCE_S, REPL, Operator, editor, log
from tests.support import eventually

pytestmark = pytest.mark.ours
Attach = Callable[..., Operator]


@pytest.fixture
def attach(rig: Rig) -> Iterator[Attach]:
    """Attach in a terminal: `attach("repl", columns=80, rows=24)`."""
    present: list[Operator] = []

    def come(*words: str, **options: int) -> Operator:
        present.append(Operator(rig, *words, **options))  # type: ignore[arg-type]
        return present[-1]

    yield come
    for operator in present:
        operator.close()


def start(rig: Rig, **commands: str) -> None:
    """Run programs on terminals, each logging to a file of its name."""
    programs = "".join(
        f"  {name}:\n    command: {command!r}\n    tty: true\n    startsecs: 0\n    stdout: '{{dir}}/{name}.log'\n"
        "    stdout_logfile_maxbytes: 0\n"
        for name, command in commands.items()
    )
    rig.write_native(programs)
    rig.start()
    rig.until_all("RUNNING", PATIENCE_S)


def test_a_repl_is_typed_to_left_and_come_back_to(rig: Rig, attach: Attach) -> None:
    start(rig, repl=REPL)
    pid = rig.pid("repl")
    ann = attach("repl")
    ann.until("[attached to repl; Ctrl-P Ctrl-Q detaches]")
    ann.until(">>>")
    ann.type("x = 6 * 7\rprint('the answer is', x)\r")
    ann.until("the answer is 42")
    ann.resize(101, 37)
    ann.type("import os; print('now', os.get_terminal_size())\r")
    ann.until("now os.terminal_size(columns=101, lines=37)")
    ann.detach()
    ann.assert_given_back()
    assert ann.seen.rstrip().endswith(b"[detached from repl; it goes on]")
    again = attach("repl")
    again.until_shown("the answer is 42")
    again.type("print('still', x)\r")
    again.until_shown("still 42")
    assert rig.pid("repl") == pid
    assert rig.state("repl") == "RUNNING"
    again.detach()
    for told in ("the answer is 42", "now os.terminal_size(columns=101, lines=37)", "still 42", ">>> "):
        assert told in log(rig, "repl.log")
    rig.stop()


def test_a_full_screen_program_is_drawn_for_two_at_once(rig: Rig, attach: Attach) -> None:
    rig.dir.joinpath("poem").write_text("".join(f"line {number} of the poem\n" for number in range(1, 101)))
    start(rig, edit=f"{editor()} -u NONE -N -i NONE -n --cmd 'set nocp' {rig.dir}/poem")
    pid = rig.pid("edit")
    eventually(lambda: "line 23 of the poem" in log(rig, "edit.log"), PATIENCE_S)  # before, it misses another size
    ann = attach("edit", columns=90, rows=30)
    ann.until_shown("line 1 of the poem")
    ann.until_shown("line 28 of the poem")
    ann.type("50Gzt")
    ann.until_shown("line 77 of the poem")
    bob = attach("--read-only", "edit", columns=90, rows=30)
    bob.until_shown("line 50 of the poem")
    bob.until("[watching edit; ann on pts/")
    ann.type("ggOwritten by ann\x1b")
    bob.until_shown("written by ann")
    bob.type("dd:q!\r")
    ann.type("jOand again\x1b")
    bob.until_shown("and again")
    assert "written by ann" in bob.text
    ann.resize(60, 12)
    ann.until_shown("line 9 of the poem")
    eventually(lambda: ann.look() is not None and "line 20" not in ann.text, PATIENCE_S)
    ann.detach()
    assert b"\x1b[?1049l" in ann.seen[-400:], "the alternate screen is left"
    assert b"\x1b[?1049l" not in bob.look()
    bob.detach()
    third = attach("edit", columns=90, rows=30)
    third.type("gg")
    third.until_shown("written by ann")
    third.until_shown("line 25 of the poem")
    third.type(":wq\r")
    assert third.end() == 0
    assert b"[edit has ended: exit status 0]" in third.seen
    third.assert_given_back()
    text = rig.dir.joinpath("poem").read_text()
    assert text.startswith("written by ann\nand again\nline 1 of the poem\n"), text[:200]
    assert "written by ann" in log(rig, "edit.log")
    assert rig.pid("edit") != pid
    rig.stop()


def test_one_writes_the_others_watch_and_the_keyboard_is_passed_on(rig: Rig, attach: Attach) -> None:
    start(rig, repl=REPL)
    ann = attach("repl")
    ann.until("[attached to repl")
    bob = attach("repl")
    bob.until("[watching repl; ann on pts/")
    bob.until("--take takes it")
    bob.type("print('by', 'bob')\r")
    ann.type("print('by', 'ann')\r")
    bob.until("by ann")
    eve = attach("--take", "repl", columns=70, rows=20)
    eve.until("[attached to repl; watching: ann on pts/")
    ann.until("has taken the keyboard, you watch")
    eve.type("import os; print('size', *os.get_terminal_size())\r")
    for operator in (ann, bob, eve):
        operator.until("size 70 20")
    eve.detach()
    ann.until("[you have the keyboard]")
    ann.type("print('size', *os.get_terminal_size())\r")
    bob.until("size 80 24")
    os.kill(ann.pid, signal.SIGKILL)
    bob.until("[you have the keyboard]")
    bob.type("print('by', 'bob')\r")
    bob.until("by bob")
    assert log(rig, "repl.log").count("\nby bob") == 1, "what a watcher types goes nowhere"
    rig.stop()
    assert bob.end() == 0
    assert b"[repl has ended: " in bob.seen


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(signum: int, rig: Rig, attach: Attach) -> None:
    start(rig, repl=REPL)
    ann = attach("repl")
    ann.until(">>>")
    eventually(lambda: termios.tcgetattr(ann.terminal.child_fd) != ann.before, PATIENCE_S)
    os.kill(ann.pid, signum)
    assert (ann.end(), b"[detached from repl; it goes on]" in ann.seen) == (128 + signum, True)
    ann.assert_given_back()
    assert rig.state("repl") == "RUNNING"


def test_a_connection_that_is_lost_costs_the_program_nothing(rig: Rig, attach: Attach) -> None:
    count = (
        "import itertools, time\nfor n in itertools.count():\n    print('tick', n, flush=True)\n    time.sleep(0.02)\n"
    )
    rig.dir.joinpath("count.py").write_text(count)
    start(rig, count=f"{PYTHON} {rig.dir}/count.py")
    pid = rig.pid("count")
    ann, bob = attach("count"), attach("--read-only", "count")
    ann.until("tick")
    bob.until("tick")
    os.kill(ann.pid, signal.SIGKILL)
    had = len(log(rig, "count.log"))
    rig.wait(lambda: len(log(rig, "count.log")) > had + 500, PATIENCE_S, "the log goes on")
    assert rig.pid("count") == pid
    rig.daemon.kill()  # type: ignore[union-attr]
    rig.daemon.wait()  # type: ignore[union-attr]
    rig.daemon = None
    assert bob.end() == 1
    assert b"[the connection is lost; count goes on if its daemon does]" in bob.seen
    bob.assert_given_back()
    numbers = [int(number) for number in re.findall(r"^tick (\d+)$", log(rig, "count.log"), re.MULTILINE)]
    assert numbers == list(range(len(numbers)))


TURNS = 5
BLOCKS = 1000
FLOOD = f"""
import os, sys, time
block = (b"x" * 78 + b"\\n") * 50
turn = 0
while sys.stdin.readline():
    for _ in range({TURNS}):
        began = time.monotonic()
        for _ in range({BLOCKS}):
            os.write(1, block)
        print("turn", turn, "took", time.monotonic() - began, flush=True)
        turn += 1
"""


@pytest.mark.alone
def test_who_stops_reading_slows_neither_the_program_nor_the_others(rig: Rig, attach: Attach) -> None:
    rig.dir.joinpath("flood.py").write_text(FLOOD)
    start(rig, flood=f"{PYTHON} {rig.dir}/flood.py")

    def fastest(phase: int) -> float:
        """Have it write for some turns, each 4 MB; return how long the fastest took."""

        def over() -> dict[int, float]:
            told = re.findall(r"turn (\d+) took ([0-9.]+)\n", log(rig, "flood.log"))
            took = {int(turn): float(seconds) for turn, seconds in told}
            return took if len(took) == TURNS * (phase + 1) else {}

        rig.rpc.supervisor.sendProcessStdin("flood", "go\n")
        took = rig.wait(over, 90, f"phase {phase} is over")
        return min(seconds for turn, seconds in took.items() if turn >= TURNS * phase)

    alone = fastest(0)
    stuck, bob = attach("--read-only", "flood"), attach("--read-only", "flood")
    for operator in (stuck, bob):
        operator.until(f"turn {TURNS - 1} took")
    os.kill(stuck.pid, signal.SIGSTOP)
    attended = fastest(1)
    bob.until(f"turn {TURNS * 2 - 1} took")
    os.kill(bob.pid, signal.SIGSTOP)
    ignored = fastest(2)
    os.kill(stuck.pid, signal.SIGCONT)
    stuck.until(f"turn {TURNS * 3 - 1} took")
    print(f"alone {alone:.3f} s, with a reader and one who is stuck {attended:.3f} s, with two stuck {ignored:.3f} s")
    assert attended < alone * 3 + 0.1
    assert ignored < alone * 2 + 0.1
    assert log(rig, "flood.log").count("x" * 78 + "\n") == 3 * TURNS * BLOCKS * 50


def size_of(pid: int) -> tuple[int, int]:
    """Return rows and columns of a process's terminal."""
    fd = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NOCTTY)
    try:
        return termios.tcgetwinsize(fd)
    finally:
        os.close(fd)


def test_a_terminal_of_one_column_and_one_row(rig: Rig, attach: Attach) -> None:
    rig.dir.joinpath("poem").write_text("one\ntwo\n")
    start(rig, repl=REPL, edit=f"{editor()} -u NONE -N -i NONE -n {rig.dir}/poem")
    for name in ("repl", "edit"):
        tiny = attach(name, columns=1, rows=1)
        tiny.until("detaches]")
        rig.wait(lambda: size_of(rig.pid(name)) == (1, 1), PATIENCE_S, "the program has the size")  # noqa: B023
        tiny.type("\r")
        tiny.detach()
        tiny.assert_given_back()
    ann = attach("repl")
    ann.until("detaches]")
    ann.type("import os; print('size', *os.get_terminal_size())\r")
    ann.until("size 80 24")
    ann.detach()
    assert {*rig.states().values()} == {"RUNNING"}


def test_control_characters_are_the_programs(rig: Rig, attach: Attach) -> None:
    start(rig, repl=REPL, cat="cat -v")
    ann = attach("repl")
    ann.until(">>>")
    ann.type("import time; print('fell', 'asleep'); time.sleep(1000)\r")
    ann.until("fell asleep")
    ann.type("\x03")
    ann.until("KeyboardInterrupt")
    ann.type("\x10print('after')\r")
    ann.until("after")
    assert rig.state("repl") == "RUNNING"
    ann.detach()
    cat = attach("--detach-keys", "ctrl-],x", "cat")
    cat.until("Ctrl-] x detaches")
    cat.type("\x16\x10\x16\x11\r\x16\x1dy\r")
    cat.until("^P^Q\r\n")
    cat.until("^]y\r\n")
    cat.type("\x1dx")
    assert cat.end() == 0
    shell = attach("repl")
    shell.until("[attached")
    shell.type("\x04")
    assert shell.end() == 0
    assert b"[repl has ended: " in shell.seen


def test_what_a_program_on_a_terminal_has(rig: Rig) -> None:
    rig.dir.joinpath("look.sh").write_text(
        "tty; stty size; echo TERM=$TERM LINES=${LINES-none} COLUMNS=${COLUMNS-none}\n"
        "ps -o pid=,pgid=,sid=,tpgid=,tty= -p $$; echo on the tty > /dev/tty; echo oops >&2\n"
        "trap 'echo asked to stop; exit 0' TERM\nwhile :; do read line && echo got $line; done\n"
    )
    rig.write_native(
        "  look:\n    command: sh {dir}/look.sh\n    tty: true\n    startsecs: 0\n    stdout: '{dir}/look.log'\n"
        "    env: {COLUMNS: '33'}\n    log_format: raw\n",
    )
    rig.start(LINES="77", COLUMNS="99", TERM="vt100")
    rig.until_text("look.log", "oops")
    seen = log(rig, "look.log")
    pid = rig.pid("look")
    assert re.match(r"/dev/pts/\d+\n24 80\nTERM=xterm-256color LINES=none COLUMNS=33\n", seen), seen
    assert re.search(rf"^ *{pid} +{pid} +{pid} +{pid} +pts/\d+\non the tty\noops\n", seen, re.MULTILINE), seen
    assert rig.info("look")["stderr_logfile"] == ""
    rig.rpc.supervisor.sendProcessStdin("look", "a line\n")
    rig.until_text("look.log", "got a line")
    fg = rig.terminal("fg", "look", client="tmctl")
    fg.expect("Press Ctrl-C")
    fg.sendline("through fg")
    rig.until_text("look.log", "got through fg")
    rig.ctl("stop", "look", client="tmctl")
    rig.until("look", "STOPPED")
    assert "asked to stop" in log(rig, "look.log")
    rig.stop()


def test_the_log_of_a_terminal_rotates_and_loses_nothing(rig: Rig) -> None:
    rig.write_native(
        "  seq:\n    command: seq 0 29999\n    tty: true\n"
        "    startsecs: 0\n    autorestart: never\n    stdout: '{dir}/seq.log'\n"
        "    stdout_logfile_maxbytes: 20KB\n    stdout_logfile_backups: 100\n"
    )
    rig.start()
    rig.until("seq", "EXITED", deadline_s=PATIENCE_S)

    def files() -> list[Path]:
        return sorted(rig.dir.glob("seq.log*"), key=lambda path: -int(path.suffix.lstrip(".").replace("log", "0")))

    # The news of the end waits for the log, but not for ever: on a busy machine the last of it may follow.
    last = rig.dir / "seq.log"
    eventually(lambda: last.exists() and b"".join(map(Path.read_bytes, files()[-2:])).endswith(b"29999\r\n"), 20.0)
    assert len(files()) > 5
    text = b"".join(map(Path.read_bytes, files())).decode()
    assert text.split("\r\n") == [*map(str, range(30000)), ""]


def test_refusals(rig: Rig, attach: Attach) -> None:
    rig.write_native(
        "  plain: {command: sleep 1000}\n  off: {command: sleep 1000, tty: true, autostart: false}\n"
        "  on: {command: sleep 1000, tty: true}\n"
    )
    rig.start()
    for words, said, code in (
        (["plain"], "ERROR: cannot attach: plain has no terminal (set tty: true); try tmctl fg plain", 1),
        (["off"], "ERROR: cannot attach: off is STOPPED (tmctl start off)", 7),
        (["nobody"], "ERROR: cannot attach to 'nobody': there is no such process", 1),
        ([], "Error: attach requires the name of one process", 2),
        (["on", "off"], "Error: attach requires the name of one process", 2),
        (["--take", "--read-only", "on"], "Error: --read-only and --take exclude each other", 2),
        (["--detach-keys", "ctrl-ö", "on"], "Error: cannot read 'ctrl-ö' as a key", 2),
        (["--quick", "on"], "Error: unknown option --quick", 2),
    ):
        operator = attach(*words)
        assert operator.end() == code, words
        assert said.encode() in operator.seen
        operator.assert_given_back()
    answer = rig.ctl("attach", "on", client="tmctl")
    assert answer.text == "ERROR: cannot attach to on: this is no terminal (try tmctl fg on)\n"
    assert answer.code == 1
    rig.stop()
    operator = attach("on")
    assert operator.end() == 7
    assert b"no such file" in operator.seen


def test_attaching_from_the_shell_comes_back_to_it(rig: Rig) -> None:
    start(rig, repl=REPL)
    shell = Operator(rig, command=rig.client_command(client="tmctl"))
    try:
        shell.until("taskmaster> ")
        shell.type("attach repl\r")
        shell.until("[attached to repl")
        shell.type("print('in', 'side')\r")
        shell.until("in side")
        shell.type(DETACH)
        shell.until("[detached from repl; it goes on]")
        shell.type("pid repl\r")
        shell.until(f"{rig.pid('repl')}\r\n")
        shell.type("attach repl\r")
        eventually(lambda: shell.look().count(b"[attached to repl") == 2, PATIENCE_S)
        shell.type("\x04")
        shell.until("[repl has ended: exit status 0]")
        shell.type("quit\r")
        assert shell.end() == 0
    finally:
        shell.close()


def over_tcp(rig: Rig, http: str) -> str:
    rig.write_native(
        f"  repl:\n    command: {REPL!r}\n    tty: true\n    startsecs: 0\n    stdout: '{{dir}}/repl.log'\n",
        daemon=http,
    )
    rig.start()
    rig.until("repl", "RUNNING")
    return rig.until_text("d.log", "supervisord started")


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_over_tcp_with_a_password(rig: Rig) -> None:
    port = free_port()
    over_tcp(rig, f"  http: {{port: '127.0.0.1:{port}', username: ann, password: secret}}")
    command = [sys.executable, "-m", "tmctl", "-s", f"http://127.0.0.1:{port}", "-u", "ann"]
    ann = Operator(rig, command=[*command, "-p", "secret", "attach", "repl"])
    wrong = Operator(rig, command=[*command, "-p", "guess", "attach", "repl"])
    try:
        ann.until(">>>")
        ann.type("print('over', 'tcp')\r")
        ann.until("over tcp")
        assert wrong.end() != 0
        assert b"requires authentication" in wrong.seen
        ann.detach()
    finally:
        ann.close()
        wrong.close()


def test_over_tcp_without_a_password_nobody_attaches_even_to_watch(rig: Rig) -> None:
    port = free_port()
    over_tcp(rig, f"  http: '127.0.0.1:{port}'")
    command = [sys.executable, "-m", "tmctl", "-s", f"http://127.0.0.1:{port}", "attach", "repl"]
    writer, taker = Operator(rig, command=command), Operator(rig, command=[*command, "--take"])
    watcher = Operator(rig, command=[*command, "--read-only"])
    try:
        for refused in (writer, taker, watcher):
            assert refused.end() == 1
            assert b"cannot attach: this listener has no password, so it only shows" in refused.seen
    finally:
        for operator in (writer, taker, watcher):
            operator.close()


def test_the_daemon_ends_while_somebody_is_attached(rig: Rig, attach: Attach) -> None:
    start(rig, cat="cat")
    ann = attach("cat")
    ann.until("[attached")
    began = time.monotonic()
    rig.stop()
    assert time.monotonic() - began < 15
    assert ann.end() == 0
    assert b"[cat has ended: terminated by SIGTERM]" in ann.seen
    ann.assert_given_back()


def test_the_end_of_a_leader_hangs_up_on_what_it_ran(rig: Rig) -> None:
    rig.write_native("  bash: {command: bash --norc -i, tty: true, startsecs: 0, stopsignal: HUP}\n")
    rig.start()
    rig.until("bash", "RUNNING")
    rig.rpc.supervisor.sendProcessStdin("bash", "sleep 12345 &\nsleep 23456\n")

    def asleep() -> list[int]:
        return [pid for pid in rig.processes() if "sleep" in world.command(pid)]

    rig.wait(lambda: len(asleep()) == 2, PATIENCE_S, "both sleep")
    rig.ctl("stop", "bash", client="tmctl", deadline_s=60)
    rig.until("bash", "STOPPED")
    rig.wait(lambda: not asleep(), PATIENCE_S, "nothing is left")

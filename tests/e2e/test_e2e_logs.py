"""`tmctl logs`: several programs at once, followed over rotations and restarts of the daemon."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import PYTHON, Rig, program

LATE_S = 40.0
TALKERS = f"""\
  web:
    command: "{program("talker.py")}"
    stdout_logfile: "{{dir}}/web.out"
    stdout_logfile_maxbytes: 2KB
    stdout_logfile_backups: 50
    log_format: prefix
  shop:
    command: "{program("talker.py")}"
    numprocs: 2
    stdout_logfile: "{{dir}}/%(process_num)d.out"
    stderr_logfile: NONE
    log_format: json
"""


@contextmanager
def following(rig: Rig, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `tmctl logs -f` with its output in `client`, its complaints in `complaints`, and end it by Ctrl-C."""
    with (
        (rig.dir / "client").open("wb") as out,
        (rig.dir / "complaints").open("wb") as complaints,
        subprocess.Popen(
            rig.client_command("logs", "-f", *words, client="tmctl"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=complaints,
            cwd=rig.dir,
            env=rig.client_environment(),
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
            process.send_signal(signal.SIGINT)
            assert process.wait(LATE_S) == 0
        finally:
            process.kill()


def ask(rig: Rig, name: str, lines: int) -> None:
    """Have a talker say more lines."""
    rig.rpc.supervisor.sendProcessStdin(name, f"{lines}\n")


def numbers(rig: Rig, prefix: str) -> list[int]:
    """Return the numbers of the lines of one program, as the client showed them."""
    found = (re.fullmatch(rf"{re.escape(prefix)} \| line (\d+) x+", line) for line in rig.text("client").splitlines())
    return [int(one[1]) for one in found if one]


def until_said(rig: Rig, prefix: str, wanted: list[int]) -> None:
    rig.wait(lambda: len(numbers(rig, prefix)) >= len(wanted), LATE_S, f"{len(wanted)} lines of {prefix}")
    assert numbers(rig, prefix) == wanted


@pytest.mark.ours
def test_two_programs_through_rotations_and_a_restart_of_the_daemon(rig: Rig) -> None:
    rig.write_native(TALKERS)
    rig.start()
    rig.until_all("RUNNING")
    ask(rig, "web", 20)
    rig.until_text("web.out", "line 19 ")
    with following(rig, "--stdout", "-n", "5", "web", "shop:shop_01"):
        until_said(rig, "web         ", list(range(15, 20)))
        for _ in range(4):
            ask(rig, "web", 50)  # each rotates twice
            ask(rig, "shop:shop_01", 50)
            ask(rig, "shop:shop_00", 50)
        until_said(rig, "web         ", list(range(15, 220)))
        until_said(rig, "shop:shop_01", list(range(200)))
        rig.stop()
        rig.wait(lambda: "is gone; waiting for it to come back" in rig.text("complaints"), LATE_S)
        rig.start()
        rig.until_all("RUNNING")
        ask(rig, "web", 50)
        ask(rig, "shop:shop_01", 50)
        until_said(rig, "shop:shop_01", [*range(200), *range(50)])
        until_said(rig, "web         ", [*range(15, 220), *range(50)])
        assert f"the daemon was restarted (pid {rig.daemon_pid})" in rig.text("complaints")
    assert "shop:shop_00" not in rig.text("client")
    assert all(re.match(r"(web         |shop:shop_01) \| line ", line) for line in rig.text("client").splitlines())


@pytest.mark.ours
def test_a_log_of_two_gigabytes_in_one_line(rig: Rig) -> None:
    rig.write_native("""\
  web:
    command: sleep 1000
    autostart: false
    stdout_logfile: "{dir}/web.out"
    redirect_stderr: true
""")
    endless(rig, "web.out")
    rig.start()
    answer = rig.ctl("logs", "web")
    assert answer.code == 0
    assert answer.text.endswith("\0end\n")
    assert len(answer.text) < 100_000
    with following(rig, "--since", "1h", "web"):
        rig.until_text("complaints", "only what comes from now on is shown", LATE_S)
        append(rig, "web.out", b"now\n")
        rig.until_text("client", "now\n", LATE_S)
    assert rig.text("client") == "web | now\n"
    endless(rig, "web.out")
    with following(rig, "web") as client:
        rig.wait(lambda: rig.text("client").endswith("end\n"), LATE_S, "the end of the line")
        append(rig, "web.out", b"goes on\n")
        rig.until_text("client", "end\nweb | goes on\n", LATE_S)
        rig.stop()
        append(rig, "web.out", b"meanwhile\n")
        rig.start()
        rig.until_text("client", "goes on\nweb | meanwhile\n", LATE_S)
        (rig.dir / "web.out").write_bytes(b"")
        rig.until_text("client", "meanwhile\nweb | ==> File truncated <==\n", LATE_S)
        append(rig, "web.out", b"another\n")
        rig.until_text("client", "<==\nweb | another\n", LATE_S)
        assert most_memory_bytes(client.pid) < 300 << 20
    text = rig.text("client")
    assert text.startswith("web | (cut) … \0")
    assert len(text) < 100_000
    assert text.count("web | ") == 5


@pytest.mark.ours
def test_a_line_that_never_ends_is_shown_as_it_grows(rig: Rig) -> None:
    writes = "import os, time\nwhile True: os.write(1, b'.'); time.sleep(0.2)\n"
    rig.write_native(f"""\
  web:
    command: "{PYTHON} {{dir}}/writes.py"
    stdout_logfile: "{{dir}}/web.out"
    redirect_stderr: true
""")
    (rig.dir / "writes.py").write_text(writes, encoding="utf-8")
    rig.start()
    with following(rig, "web"):
        rig.until_text("client", "web | ....", LATE_S)


@pytest.mark.ours
def test_all_of_a_log_that_appears_with_a_lot_in_it(rig: Rig) -> None:
    rig.write_native("""\
  web:
    command: sleep 1000
    stdout_logfile: "{dir}/web.out"
    redirect_stderr: true
  shop:
    command: sleep 1000
    autostart: false
    stdout_logfile: "{dir}/shop.out"
    redirect_stderr: true
""")
    rig.start()
    append(rig, "web.out", b"here\n")
    with following(rig, "web", "shop"):
        rig.until_text("client", "web  | here\n", LATE_S)
        append(rig, "shop.part", b"".join(b"line %d %s\n" % (number, b"x" * 50) for number in range(40_000)))
        (rig.dir / "shop.part").rename(rig.dir / "shop.out")
        until_said(rig, "shop", list(range(40_000)))


def append(rig: Rig, name: str, data: bytes) -> None:
    with (rig.dir / name).open("ab") as file:
        file.write(data)


def endless(rig: Rig, name: str) -> None:
    """Make a log of one line of 2 GB."""
    with (rig.dir / name).open("wb") as log:
        log.truncate(2 << 30)
        log.seek(0, 2)
        log.write(b"end")


def most_memory_bytes(pid: int) -> int:
    """Return how much memory a process had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.ours
@pytest.mark.slow
def test_a_reader_that_pauses_misses_nothing_and_holds_nobody_up(rig: Rig) -> None:
    rig.write_native(f"""\
  web:
    command: "{program("talker.py")}"
    stdout_logfile: "{{dir}}/web.out"
    redirect_stderr: true
""")
    rig.start()
    rig.until("web", "RUNNING")
    with subprocess.Popen(
        rig.client_command("logs", "-f", "web", client="tmctl"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=rig.dir,
        env=rig.client_environment(),
    ) as process:
        try:
            assert process.stdout is not None
            ask(rig, "web", 1)
            assert process.stdout.readline().startswith(b"web | line 0 ")
            followed = opened(rig, "web.out")
            ask(rig, "web", 60_000)
            rig.until_text("web.out", "line 60000 ", LATE_S)
            # Whoever takes nothing is dropped by the daemon after a while.
            rig.wait(lambda: opened(rig, "web.out") < followed, LATE_S, "the stream is dropped")
            shown = [int(process.stdout.readline().split()[3]) for _ in range(60_000)]
            assert shown == list(range(1, 60_001))
        finally:
            process.kill()


def opened(rig: Rig, name: str) -> int:
    """Return how many descriptors of a file the daemon has."""
    held = Path(f"/proc/{rig.daemon_pid}/fd")
    return sum(one.resolve() == rig.dir / name for one in held.iterdir())


@pytest.mark.ours
def test_the_same_words_again_after_a_restart_are_shown_again(rig: Rig) -> None:
    rig.write_native("""\
  web:
    command: "sh -c 'echo started; printf ready?; exec sleep 1000'"
    stdout_logfile: "{dir}/web.out"
    redirect_stderr: true
""")
    rig.start()
    rig.until_text("web.out", "ready?")
    with following(rig, "web"):
        rig.until_text("client", "web | started\nweb | ready?\n")  # a line without an end is shown after a while
        rig.stop()
        rig.start()
        rig.until_text("client", "web | started\nweb | ready?\nweb | started\nweb | ready?\n", LATE_S)


@pytest.mark.ours
def test_programs_that_come_and_go(rig: Rig) -> None:
    rig.write_native(TALKERS)
    rig.start()
    rig.until_all("RUNNING")
    with following(rig, "--all"):
        ask(rig, "web", 1)
        rig.until_text("client", "line 0 ", LATE_S)
        rig.write_native(TALKERS.replace("  web:", "  net:"))
        assert rig.ctl("update").code == 0
        rig.wait(lambda: "web: is not there any more" in rig.text("complaints"), LATE_S)
        rig.until("net", "RUNNING")
        ask(rig, "net", 3)
        rig.wait(lambda: re.search(r"^net +out \| line 2 ", rig.text("client"), re.MULTILINE), LATE_S)


@pytest.mark.ours
def test_a_terminal_shows_what_escapes_there_are_and_obeys_none(rig: Rig) -> None:
    rig.write_native("""\
  evil:
    command: printf '\\033]0;owned\\007\\033[2Jgone\\rhidden\\n'
    startsecs: 0
    autorestart: false
    redirect_stderr: true
  web:
    command: "sh -c 'echo hello; exec sleep 1000'"
    redirect_stderr: true
""")
    rig.start()
    terminal = rig.terminal("--color", "always", "logs", "-f")
    terminal.expect_exact("\x1b[36mevil |\x1b[0m ^[]0;owned^G^[[2Jgone^Mhidden\r\n")
    terminal.expect_exact("\x1b[33mweb  |\x1b[0m hello\r\n")
    terminal.sendintr()
    assert terminal.read() == ""
    terminal.wait()
    assert terminal.exitstatus == 0
    raw = rig.terminal("logs", "--raw", "evil")
    raw.expect_exact("evil | \x1b]0;owned\x07\x1b[2Jgone\rhidden\r\n")


@pytest.mark.ours
def test_since_grep_and_json_lines(rig: Rig) -> None:
    rig.write_native(TALKERS)
    rig.start()
    rig.until_all("RUNNING")
    ask(rig, "web", 12)
    ask(rig, "shop:shop_00", 12)
    rig.until_text("0.out", "line 11 ")
    rig.until_text("web.out", "line 11 ")
    answer = rig.ctl("logs", "--since", "1h", "--grep", "line 1[01] ")
    assert [line.split(" x")[0] for line in sorted(answer.text.splitlines())] == [
        "shop:shop_00 out | line 10",
        "shop:shop_00 out | line 11",
        "web          out | line 10",
        "web          out | line 11",
    ]
    assert rig.ctl("logs", "--until", "1h").text == ""
    with following(rig, "--json", "-n", "1", "--stdout", "shop"):
        ask(rig, "shop:shop_01", 1)
        rig.wait(lambda: len(rig.text("client").splitlines()) == 2, LATE_S, "two lines")
    first, second = rig.text("client").splitlines()
    assert re.fullmatch(r'\{"name": "shop:shop_00", "stream": "stdout", "at": ".*Z", "text": "line 11 x+"\}', first)
    assert second.startswith('{"name": "shop:shop_01"')


def test_logs_of_a_supervisord(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(subject="supervisord", client="supervisorctl")
    talker = f"command={program('talker.py')}\nstartsecs=0\nredirect_stderr=true\n"
    rig.write("".join(f"[program:{name}]\n{talker}stdout_logfile={{dir}}/{name}.out\n" for name in ("web", "shop")))
    rig.start()
    ask(rig, "web", 100)
    rig.until_text("web.out", "line 99 ")
    answer = rig.ctl("logs", "-n", "2", "web", client="tmctl")
    assert re.fullmatch(r"web \| line 98 x+\nweb \| line 99 x+\n", answer.text)
    with following(rig, "-n", "3"):
        until_said(rig, "web ", [97, 98, 99])
        ask(rig, "web", 50)
        ask(rig, "shop", 50)
        until_said(rig, "web ", list(range(97, 150)))
        until_said(rig, "shop", list(range(50)))

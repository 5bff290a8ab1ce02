"""Why did it die: programs that end in every way, and what `tmctl why` says of them."""

import os
import re
import signal
import stat
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import PYTHON, Rig, program

pytestmark = pytest.mark.ours

TIME = r"\(\d\d:\d\d:\d\d\)"
AGO = rf"(?:just now|\d+ \w+ ago) {TIME}"
RAN = r"[\d.]+ (?:ms|s)"


def why(rig: Rig, *words: str) -> str:
    answer = rig.ctl("why", *words)
    assert answer.code == 0, answer
    return answer.text


def matches(text: str, *patterns: str) -> None:
    """Assert that the lines of a text begin with lines like these."""
    lines = text.splitlines()
    for number, pattern in enumerate(patterns):
        assert re.fullmatch(pattern, lines[number]), f"{lines[number]!r} is not like {pattern!r} in\n{text}"


def test_exit_3(rig: Rig) -> None:
    rig.write_native("""
  web:
    cmd: sh -c 'echo fine; echo "cannot open db" >&2; sleep 0.3; exit 3'
    startsecs: 0.1
    autorestart: unexpected
    exitcodes: [0, 3]
  job: {cmd: sh -c 'sleep 0.3; exit 3', startsecs: 0.1, autorestart: never}
""")
    rig.start()
    rig.until("web", "EXITED", deadline_s=20)
    rig.until("job", "EXITED", deadline_s=20)
    text = why(rig, "web")
    matches(
        text,
        rf"web ended {AGO} after {RAN}: exit code 3\.",
        r"Exit code 3 is in exitcodes \(0, 3\), so this end was expected\.",
        r"It was not restarted, because autorestart is unexpected and this end was expected\.",
        r"Nothing happens until somebody starts it: tmctl start web",
    )
    assert "\nThe last it wrote to stderr:\n  | cannot open db\n" in text
    assert "\nThe last it wrote to stdout:\n  | fine\n" in text
    matches(
        why(rig, "job"),
        rf"job ended {AGO} after {RAN}: exit code 3\.",
        r"Exit code 3 is not in exitcodes \(0\), so this end was unexpected\.",
        r"It was not restarted, because autorestart is never \(false\)\.",
    )
    rig.stop()


def test_a_segmentation_fault(rig: Rig) -> None:
    rig.write_native(f"""
  web: {{cmd: "{PYTHON} -c 'import os, time; time.sleep(0.4); os.kill(os.getpid(), 11)'", startsecs: 0.1}}
""")
    rig.start()
    rig.until("web", "RUNNING", deadline_s=20)
    rig.wait(lambda: "Before that" in why(rig, "web"), 20, "it died")
    matches(
        why(rig, "web"),
        r"web (?:runs since|is starting).*",
        rf"Before that, it died {AGO} after {RAN}: killed by signal 11 \(SIGSEGV, segmentation fault: it used memory "
        r"that is not its own\)(, core dumped)?\.",
        r"A death by signal is never expected\.",
        r"It was restarted at once, because autorestart is unexpected and so was this end\.",
    )
    rig.stop()


def test_kill_9_from_outside_and_from_tmctl(rig: Rig) -> None:
    rig.write_native(f"""
  web: {{cmd: {program("echo.py")}, startsecs: 0.1}}
""")
    rig.start()
    rig.until("web", "RUNNING", deadline_s=20)
    pid = rig.pid("web")
    os.kill(pid, signal.SIGKILL)
    pid = rig.until_new_pid("web", pid, deadline_s=20)
    matches(
        why(rig, "web"),
        rf"web runs since \d\d:\d\d:\d\d \(pid {pid}, .*\)\.",
        rf"Before that, it died {AGO} after {RAN}: killed by signal 9 \(SIGKILL\)\.",
        r"SIGKILL came from outside: not from tmd\. (It was not for want|Perhaps for want|Whether it was for want).*",
        r"A death by signal is never expected\.",
    )
    rig.ctl("signal", "KILL", "web")
    rig.until_new_pid("web", pid, deadline_s=20)
    assert "tmd sent it SIGKILL because somebody asked for that (tmctl signal).\n" in why(rig, "web")
    rig.stop()


def test_an_ignored_stop(rig: Rig) -> None:
    rig.write_native(f"""
  deaf: {{cmd: {program("stubborn.py")}, startsecs: 0.3, stopwaitsecs: 0.5}}
""")
    rig.start()
    rig.until("deaf", "RUNNING", deadline_s=20)
    rig.ctl("stop", "deaf")
    matches(
        why(rig, "deaf"),
        rf"deaf was stopped {AGO} after {RAN}: killed by signal 9 \(SIGKILL\)\.",
        r"Why: somebody asked for it\.",
        r"It was killed with SIGKILL by tmd after it ignored SIGTERM for 0\.[5-9] s \(stopwaitsecs\)\.",
        r"Nothing happens until somebody starts it: tmctl start deaf",
    )
    rig.stop()


def test_a_missing_binary_and_fatal(rig: Rig) -> None:
    rig.write_native("""
  nope: {cmd: /usr/bin/no-such-program, startretries: 1}
  quick: {cmd: "sh -c 'echo bye >&2; exit 1'", startretries: 0}
  later: {cmd: sh -c 'exit 1', startretries: 50}
  never: {cmd: /bin/true, autostart: false}
""")
    rig.start()
    rig.until("nope", "FATAL", deadline_s=20)
    rig.until("quick", "FATAL", deadline_s=20)
    matches(
        why(rig, "nope"),
        rf"nope could not be started at all {AGO}: there is no file '/usr/bin/no-such-program' \(ENOENT\)\.",
        r"Tried 2 times \(startretries = 1\), then given up: FATAL\.",
        r"Before it there was one more failed start just like it, since \d\d:\d\d:\d\d\.",
        r"Nothing happens until somebody starts it: tmctl start nope",
    )
    text = why(rig, "quick")
    matches(
        text,
        rf"quick ended {AGO} after only {RAN}: exit code 1\.",
        r"It has to stay up for 1 s \(startsecs\) to count as started\.",
        r"Tried once \(startretries = 0\), then given up: FATAL\.",
    )
    assert text.endswith("stderr:\n  | bye\n")
    assert re.search(
        r"Tried (once|\d+ times) so far \(startretries = 50\)\.\n"
        r"(?:Before it.*\n)?Next try (in|at) .* \(attempt \d+ of 51\)",
        rig.wait(lambda: text if "Next try" in (text := why(rig, "later")) else None, 20, "it is in BACKOFF"),
    )
    assert "never was never started" in why(rig, "never")
    assert rig.ctl("why", "nothing")[:2] == ("nothing: ERROR (no such process)\n", 1)
    rig.stop()


def test_over_a_restart_of_the_daemon(rig: Rig) -> None:
    rig.write_native(f"""
  web: {{cmd: {program("echo.py")}, startsecs: 0.1}}
  job: {{cmd: sh -c 'echo done >&2; sleep 0.3; exit 3', startsecs: 0.1, autorestart: never}}
""")
    rig.start()
    rig.until("job", "EXITED", deadline_s=20)
    rig.stop()
    rig.start()
    rig.until("job", "EXITED", deadline_s=20)
    rig.until("web", "RUNNING", deadline_s=20)
    text = why(rig, "web")
    assert "Why: tmd was going down or restarting." in text
    assert re.search(r"tmd itself was started at \d\d:\d\d:\d\d, after that\.", text)
    text = why(rig, "job")
    assert re.search(
        r"Before that:\n  \d\d:\d\d:\d\d tmd was started\n  \d\d:\d\d:\d\d exit code 3 after .*\n    stderr \| done\n",
        text,
    ), text
    (file,) = rig.dir.glob("tmd-taskmaster-*.ends")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rig.stop()


def test_after_a_sigkill_of_the_daemon_whose_programs_were_not_to_be_taken_back(rig: Rig) -> None:
    rig.write_native(f"""
  web: {{cmd: {program("echo.py")}, startsecs: 0.1}}
  nope: {{cmd: /usr/bin/no-such-program, startretries: 0}}
""")
    rig.start()
    rig.until("web", "RUNNING", deadline_s=20)
    rig.until("nope", "FATAL", deadline_s=20)
    pid = rig.pid("web")

    def written() -> bool:
        texts = [path.read_text() for path in rig.dir.glob("tmd-taskmaster-*.ends")]
        return any(f'"pid":{pid}' in text and '"then":"fatal"' in text for text in texts)

    rig.wait(written, 20, "both are written")
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.wait()
    for left in rig.processes():
        world.kill(left)
    (file,) = rig.dir.glob("tmd-taskmaster-*.ends")
    with file.open("ab") as torn:
        torn.write(b'{"at":17')
    rig.start("--no-adopt")
    rig.until("web", "RUNNING", deadline_s=20)
    rig.until("nope", "FATAL", deadline_s=20)
    matches(
        why(rig, "web"),
        r"web runs since .*",
        rf"Before that, it ran \(pid {pid}, since \d\d:\d\d:\d\d\) when tmd itself was killed or broke down, between "
        r"\d\d:\d\d:\d\d and \d\d:\d\d:\d\d; what became of this life is not known\.",
    )
    assert "tmd was started\n" in why(rig, "nope")
    assert rig.lines("ends of processes") == []
    rig.stop()


def test_what_takes_over_a_terminal_is_shown_and_not_obeyed(rig: Rig) -> None:
    shout = r"""printf "\033[2J\033]0;owned\007\rRUNNING\n\342\200\256evil\n" >&2; exit 1"""
    # Supervisor takes any name
    rig.write(
        f"[program:web]\ncommand=sh -c '{shout}'\nstartretries=0\n"
        "[program:bad\x1b[31mname]\ncommand=/usr/bin/no\x1b[31mred\nstartretries=0\n"
    )
    rig.start()
    rig.until("web", "FATAL", deadline_s=20)
    terminal = rig.terminal("why", "all", deadline_s=20)
    terminal.expect("tmctl start web")
    shown = terminal.before + terminal.after + terminal.read()
    assert "  | ^[[2J^[]0;owned^G^MRUNNING" in shown
    assert "  | \\u202eevil" in shown
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    plain = rig.ctl("why", "all").text
    assert all(line.isprintable() for line in plain.splitlines()), plain
    assert r"/usr/bin/no\x1b[31mred'" in plain
    assert "bad^[[31mname could not be started at all" in plain
    rig.stop()


def test_supervisors_dialect_and_a_log_that_is_no_file(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=sh -c 'echo out; echo err >&2; exit 1'\nstartretries=0\nstdout_logfile=/dev/stdout\n"
        "stdout_logfile_maxbytes=0\nredirect_stderr=true\n"
        "[program:dumb]\ncommand=sh -c 'echo x; exit 1'\nstartretries=0\nstdout_logfile=NONE\n"
    )
    rig.start()
    rig.until("web", "FATAL", deadline_s=20)
    rig.until("dumb", "FATAL", deadline_s=20)
    assert "\nThe last it wrote to stdout:\n  | out\n  | err\n" in why(rig, "web")
    assert "wrote" not in why(rig, "dumb")
    assert len(list(Path(rig.dir).glob("tmd-supervisor-*.ends"))) == 1
    rig.stop()


def test_the_state_directory_is_made_for_us_alone(rig: Rig) -> None:
    rig.write_native("""
  job: {cmd: sh -c 'exit 1', startretries: 0}
""")
    text = rig.conf.read_text().replace(f'statedir: "{rig.dir}"', f'statedir: "{rig.dir}/state/tmd"')
    rig.conf.write_text(text)
    rig.start()
    rig.until("job", "FATAL", deadline_s=20)
    assert stat.S_IMODE((rig.dir / "state" / "tmd").stat().st_mode) == 0o700
    rig.stop()
    assert len(list((rig.dir / "state" / "tmd").glob("tmd-taskmaster-*.ends"))) == 1


def test_a_foreign_file_costs_a_warning(rig: Rig) -> None:
    rig.write_native("""
  job: {cmd: sh -c 'exit 1', startretries: 0}
""")
    rig.start()
    rig.until("job", "FATAL", deadline_s=20)
    rig.stop()
    (file,) = rig.dir.glob("tmd-taskmaster-*.ends")
    victim = rig.dir / "victim"
    file.rename(victim)
    before = victim.read_bytes()
    file.symlink_to(victim)
    rig.start()
    rig.until("job", "FATAL", deadline_s=20)
    (line,) = rig.lines("cannot trust")
    assert line.level == "WARN"
    assert "tmd was started" not in why(rig, "job")
    rig.stop()
    assert victim.read_bytes() == before
    assert file.is_file()
    assert not file.is_symlink()

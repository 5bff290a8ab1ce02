"""tail -f, maintail -f and fg, as processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import eventually
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tests.unit.tmctl.processes import environment, run_tmctl

BANNER = b"==> Press Ctrl-C to exit <==\n"


class Running:
    """A tmctl whose output is read as it comes."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.out = b""

    def sees(self, text: bytes) -> bool:
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

        def probe() -> bool:
            assert self.process.stdout is not None
            self.out += self.process.stdout.read() or b""
            return text in self.out

        return eventually(probe, what=repr(text))

    def type(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def finish(self) -> tuple[bytes, bytes, int]:
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), True)
        out, err = self.process.communicate(timeout=10)
        return self.out + out, err, self.process.returncode


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[Running]:
    with subprocess.Popen(
        [sys.executable, "-m", "tmctl", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
        cwd=home,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("tail", "-f", "web"), "/logtail/web/stdout"),
        (("tail", "-f", "web", "stderr"), "/logtail/web/stderr"),
        (("maintail", "-f"), "/mainlogtail"),
    ],
)
def test_following_passes_bytes_on_until_ctrl_c(
    words: tuple[str, ...], path: str, fake: FakeDaemon, tmp_path: Path
) -> None:
    fake.streams[path] = [b"one\n", b"\xff\x1b[31m", b"two\n"]
    with running(tmp_path, "-s", fake.url, *words) as tmctl:
        assert tmctl.sees(b"two\n")
        tmctl.process.send_signal(signal.SIGINT)
        out, err, code = tmctl.finish()
    assert (out, err, code) == (BANNER + b"one\n\xff\x1b[31mtwo\n\n", b"", 0)


def test_following_ends_with_the_stream(fake: FakeDaemon, tmp_path: Path) -> None:
    fake.streams["/logtail/web/stdout"] = [b"all\n"]
    fake.stream_stays_open.set()
    ran = run_tmctl("-s", fake.url, "tail", "-f", "web", home=tmp_path)
    assert (ran.stdout, ran.returncode) == (BANNER + b"all\n", 0)


def test_following_nothing_is_told_on_stderr(fake: FakeDaemon, tmp_path: Path) -> None:
    ran = run_tmctl("-s", fake.url, "tail", "-f", "nope", home=tmp_path)
    assert (ran.stdout, ran.returncode) == (BANNER, 0)
    assert ran.stderr.decode() == f"{fake.url}/logtail/nope/stdout Cannot read, status code 404\n"


def test_fg_passes_both_ways(fake: FakeDaemon, tmp_path: Path) -> None:
    fake.streams["/logtail/web/stdout"] = [b"out\n"]
    fake.streams["/logtail/web/stderr"] = [b"err\n"]
    web = fake.processes[-1]
    with running(tmp_path, "-s", fake.url, "fg", "web") as tmctl:
        assert tmctl.sees(b"out\n")
        assert tmctl.sees(b"err\n")
        tmctl.type(b"hello\nagain")
        eventually(lambda: web.typed == ["hello\n"])
        tmctl.type(b" and\n")
        eventually(lambda: web.typed == ["hello\n", "again and\n"])
        tmctl.process.send_signal(signal.SIGINT)
        out, err, code = tmctl.finish()
    assert (out[-19:], err, code) == (b"Exiting foreground\n", b"", 0)
    assert web.state == "RUNNING"


def test_fg_leaves_at_the_end_of_what_is_typed(fake: FakeDaemon, tmp_path: Path) -> None:
    web = fake.processes[-1]
    web.stderr_logfile = ""
    fake.streams["/logtail/web/stdout"] = []
    ran = run_tmctl("-s", fake.url, "fg", "web", home=tmp_path, stdin=b"a\nlast")
    assert (ran.stdout, ran.stderr, ran.returncode) == (BANNER + b"Exiting foreground\n", b"", 0)
    assert web.typed == ["a\n", "last\n"]


@pytest.mark.parametrize("typed", [b"", b"x\n"], ids=["by itself", "when typed to"])
def test_fg_notices_that_the_process_is_gone(typed: bytes, fake: FakeDaemon, tmp_path: Path) -> None:
    fake.streams = {"/logtail/web/stdout": [b"ready\n"], "/logtail/web/stderr": []}
    with running(tmp_path, "-s", fake.url, "fg", "web") as tmctl:
        assert tmctl.sees(b"ready\n")
        fake.processes[-1].state = "EXITED"
        tmctl.type(typed)
        assert tmctl.sees(b"Process got killed\nExiting foreground\n")
        assert tmctl.finish()[2] == 0


def test_a_script_may_type_commands_and_to_a_process(fake: FakeDaemon, tmp_path: Path) -> None:
    web = fake.processes[-1]
    fake.streams = {"/logtail/web/stdout": [], "/logtail/web/stderr": []}
    ran = run_tmctl("-s", fake.url, home=tmp_path, stdin=b"fg web\nhello\n")
    assert web.typed == ["hello\n"]
    assert ran.stdout.endswith(BANNER + b"Exiting foreground\ntaskmaster> \n")


def test_a_reader_that_leaves_ends_it_quietly(fake: FakeDaemon, tmp_path: Path) -> None:
    fake.streams["/logtail/web/stdout"] = [b"x" * 65536] * 40
    for words in (["status"], ["tail", "-f", "web"]):
        reader, writer = os.pipe()
        os.close(reader)
        ran = subprocess.run(
            [sys.executable, "-m", "tmctl", "-s", fake.url, *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=environment(tmp_path),
            cwd=tmp_path,
            check=False,
            timeout=20,
        )
        os.close(writer)
        assert (ran.stderr, ran.returncode) == (b"", 141)


def test_text_is_utf_8_in_any_locale(fake: FakeDaemon, tmp_path: Path) -> None:
    fake.processes[-1].log = "grüße €\n"
    ran = run_tmctl("-s", fake.url, "tail", "web", home=tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert ran.stdout.decode() == "grüße €\n\n"

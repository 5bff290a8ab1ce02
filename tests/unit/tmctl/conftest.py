"""What the tests of the client share: a fake daemon, Supervisor's own client, and a quiet environment."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tmctl.fake_daemon import FakeDaemon

ROOT = Path(__file__).parents[3]


class RealClient:
    """Supervisor's own client, kept running."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("real_client.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def run(self, *arguments: str, stdin: str = "") -> tuple[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = json.dumps({"arguments": arguments, "stdin": stdin})
        self._process.stdin.write(request.encode() + b"\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        return reply["stdout"], reply["code"]

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def real_client() -> Iterator[RealClient]:
    client = RealClient()
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("{}\n")
    # Named, so that no configuration installed on this machine is found.
    monkeypatch.setenv("TMCTL_CONFIG", str(tmp_path / "empty.yaml"))
    for name in ("TMCTL_SERVERURL", "TMCTL_USERNAME", "TMCTL_PASSWORD", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "tmctl")])


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "fake.sock") as daemon:
        yield daemon


@pytest.fixture
def own_fake(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "own.sock", own=True) as daemon:
        yield daemon


class Ran:
    """What came of one run of tmctl."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def outcome(self) -> tuple[str, int]:
        return self.out, self.code


Tmctl = Callable[..., Ran]


@pytest.fixture
def tmctl(capsys: pytest.CaptureFixture[str]) -> Tmctl:
    """Run `tmctl` in this process."""
    from tmctl.cli import main

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run

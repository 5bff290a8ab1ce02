"""Going into the background: what the caller sees, and what the daemon becomes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tmd.posix.daemonize import STILLBORN

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import json, os, sys
from tmd.posix.daemonize import detach

def facts():
    return {
        "pid": os.getpid(), "ppid": os.getppid(), "sid": os.getsid(0), "pgid": os.getpgrp(),
        "cwd": os.getcwd(), "umask": os.umask(0o22), "stdio": [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)],
        "fds": len(os.listdir("/proc/self/fd")) - 1,
    }

def write(found):
    with open(sys.argv[1] + ".new", "w") as file:
        json.dump(found, file)
    os.rename(sys.argv[1] + ".new", sys.argv[1])

print("before", flush=False, end=" ")
"""


def background(script: str, tmp_path: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a script that detaches; returns once its output is closed, by the daemon too."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + script, str(tmp_path / "facts")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        **more,
    )


def facts(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "facts"
    eventually(path.exists, what="the daemon's facts")
    found: dict[str, Any] = json.loads(path.read_text())
    eventually(lambda: ended(found["pid"]), what="the daemon's end")
    return found


def ended(pid: int) -> bool:
    """Whether it is gone, or waits only for init to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_the_caller_ends_with_0_once_the_daemon_is_ready(tmp_path: Path) -> None:
    done = background(
        """
readiness = detach()
os.mkdir("made before ready")
readiness.ready()
readiness.failed("too late", 9)
write(facts())
""",
        tmp_path,
        umask=0o31,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "before ", "")
    assert (tmp_path / "made before ready").exists()
    found = facts(tmp_path)
    assert found["stdio"] == ["/dev/null"] * 3
    assert found["fds"] == 3
    assert found["cwd"] == str(tmp_path)
    assert found["umask"] == 0o31
    assert found["sid"] != os.getsid(0)
    assert found["sid"] == found["pgid"] != found["pid"], "in a new session, and unable to get a terminal"


def test_the_error_of_the_daemon_is_that_of_the_caller(tmp_path: Path) -> None:
    done = background(
        """
readiness = detach()
readiness.failed("Error: cannot listen: \\udcffé", 2)
write(facts())
""",
        tmp_path,
        errors="surrogateescape",
    )
    assert (done.returncode, done.stderr) == (2, "Error: cannot listen: \udcffé\n")
    assert facts(tmp_path)["stdio"][2] == "/dev/null"


def test_a_long_error_arrives_whole(tmp_path: Path) -> None:
    done = background("detach().failed('x' * 300_000, 7)", tmp_path)
    assert (done.returncode, len(done.stderr)) == (7, 300_001)


@pytest.mark.parametrize(
    ("end", "told"), [("raise LookupError('a bug')", "LookupError: a bug"), ("os.kill(os.getpid(), 9)", "")]
)
def test_a_daemon_that_dies_before_it_is_ready_is_noticed(tmp_path: Path, end: str, told: str) -> None:
    done = background(f"readiness = detach()\n{end}", tmp_path)
    assert done.returncode == 1
    assert STILLBORN in done.stderr
    assert told in done.stderr


def test_a_caller_that_is_gone_does_not_hurt_the_daemon(tmp_path: Path) -> None:
    """Whoever waited was killed meanwhile; to be ready is fine all the same."""
    done = background(
        """
caller = os.getpid()
readiness = detach()
os.kill(caller, 9)
while os.path.exists(f"/proc/{caller}") and open(f"/proc/{caller}/stat").read().split()[2] != "Z":
    pass
readiness.ready()
write(facts())
""",
        tmp_path,
    )
    assert done.returncode == -9
    facts(tmp_path)


def test_threads_are_refused(tmp_path: Path) -> None:
    done = background(
        """
import threading
release = threading.Event()
thread = threading.Thread(target=release.wait)
thread.start()
try:
    detach()
except RuntimeError as why:
    sys.stderr.write(str(why))
release.set()
""",
        tmp_path,
    )
    assert done.stderr == "cannot daemonize: there are threads already, and only one would survive"

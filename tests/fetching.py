"""Other people's software, brought here when a test first needs it and kept beside the virtual environment.

Nothing fetched is part of this project. Each thing is made once per machine, under a lock and with one rename at the
end, so that parallel workers wait for the first of them and a broken download leaves nothing behind. What cannot be
fetched fails the test that needs it, with the command and what it said; nothing is ever skipped.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FETCHED = Path(sys.prefix) / "fetched"
"""in the virtual environment: it goes when that goes"""


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock file, among all processes of this machine."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def fetched(name: str, make: Callable[[Path], None]) -> Path:
    """Return the directory `name` of things fetched; `make` fills it when it is not there yet."""
    place = FETCHED / name
    if place.exists():
        return place
    with alone(FETCHED / f"{name}.lock"):
        if place.exists():
            return place
        unfinished = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=FETCHED))
        try:
            unfinished.chmod(0o755)
            make(unfinished)
            unfinished.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place


def debian(name: str, packages: Sequence[str], program: str) -> Path:
    """Return a directory with Debian packages unpacked in it, in which `program` (a path) is; root is not needed."""
    return fetched(f"debian-{name}", lambda place: _unpack(place, name, packages, program))


def _unpack(place: Path, name: str, packages: Sequence[str], program: str) -> None:
    if shutil.which("apt-get") is None:
        raise AssertionError(f"cannot fetch {name}: no apt-get here (install {name} on this machine)")
    own = FETCHED / "apt"
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (own / directory).mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-q"]
    mine = [*apt, "-o", f"Dir::State={own}/state", "-o", f"Dir::Cache={own}/cache", "-o", "APT::Sandbox::User="]
    mine += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
    try:
        run([*apt, "-o", "APT::Sandbox::User=", "download", *packages], place, name)
    except AssertionError:  # its lists are old, or there are none: have lists of our own
        with alone(own / "lock"):
            run([*mine, "update"], place, "the lists of Debian packages")
            run([*mine, "download", *packages], place, name)
    for archive in place.glob("*.deb"):
        run(["dpkg-deb", "-x", archive, place], place, name)
        archive.unlink()
    if not (place / program).exists():
        raise AssertionError(f"cannot fetch {name}: {program} is not in {', '.join(packages)}")


def run(command: Sequence[str | Path], cwd: Path, what: str, deadline_s: float = 300.0) -> str:
    """Run a command that fetches something; return its stdout; a failure names `what` could not be had, and why."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise AssertionError(f"cannot fetch {what}: {' '.join(words)}: {reason}") from None
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")[-3000:]
        raise AssertionError(f"cannot fetch {what}: {' '.join(words)} ended with {done.returncode}:\n{said}")
    return done.stdout.decode(errors="replace")


def only(directory: Path, pattern: str) -> Path:
    """Return the one path in a directory that matches."""
    (found,) = directory.glob(pattern)
    return found

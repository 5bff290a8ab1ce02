"""Where the bench keeps what it built or fetched: outside the tree, for the next run."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.unavailable import Unavailable

FETCH_S = 300.0


def cache() -> Path:
    """Return the directory, made when it is not there: $XDG_CACHE_HOME or ~/.cache, then taskmaster-bench."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    path = Path(base).expanduser() / "taskmaster-bench"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def making(name: str) -> Iterator[Path]:
    """Hold the only right to make what is called so in the cache, against other runs too; gives its path.

    Make it beside the path and rename it there: who finds the path may use it without asking.
    """
    with (cache() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache() / name


def run(argv: Sequence[str], what: str, environ: Mapping[str, str] | None = None) -> None:
    """Run a command that fetches or builds; raises `Unavailable` with the last lines of what it said."""
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=FETCH_S,
            check=False,
        )
    except OSError as error:
        raise Unavailable(f"cannot {what}: {error}") from error
    except subprocess.TimeoutExpired:
        raise Unavailable(f"cannot {what}: not done within {FETCH_S:g} s") from None
    if done.returncode != 0:
        said = " / ".join(done.stdout.strip().splitlines()[-3:])
        raise Unavailable(f"cannot {what}: {said or f'exit code {done.returncode}'}")


def venv(name: str, *requirements: str) -> Path:
    """Return a virtual environment with these packages from PyPI; its `bin` holds their commands.

    It is made at the first call, and anew when the requirements (pin them) are others.
    """
    with making(name) as path:
        wanted = "\n".join(requirements)
        mark = path / "installed"
        if not mark.is_file() or mark.read_text() != wanted:
            run((sys.executable, "-m", "venv", "--clear", str(path)), f"make {path}")
            pip = (str(path / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            run((*pip, *requirements), f"install {' '.join(requirements)} from PyPI")
            mark.write_text(wanted)
        return path

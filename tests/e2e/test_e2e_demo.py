"""The tour of `make demo`: runs, does what it says, and leaves nothing behind."""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_tour() -> None:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "demo.py")], capture_output=True, text=True, timeout=100, check=False
    )
    took = time.monotonic() - start
    assert done.returncode == 0, done.stdout + done.stderr
    killed = re.search(r"kill -9 (\d+)\n\$ tmctl status web\nweb +RUNNING +pid (\d+)", done.stdout)
    assert killed is not None, done.stdout
    assert killed[1] != killed[2]
    assert "did you mean 'numprocs'?" in done.stdout
    assert "Shut down" in done.stdout
    assert "Nothing is left running" in done.stdout
    assert took < 60, "generous: the tour shares the machine with the other tests"

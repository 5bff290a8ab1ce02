"""tmctl as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TMCTL_", "NO_COLOR", "FORCE_"))}
    # Named, so that no configuration installed on this machine is found.
    config = home / "empty.yaml"
    config.write_text("{}\n")
    kept["TMCTL_CONFIG"] = str(config)
    places = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_RUNTIME_DIR": str(home / "run")}
    return {**kept, **places, "XDG_CONFIG_HOME": str(home / "config"), "PYTHONPATH": str(ROOT), **more}


def run_tmctl(*arguments: str, home: Path, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tmctl", *arguments],
        input=stdin,
        capture_output=True,
        timeout=30,
        check=False,
        env=environment(home, **more),
        cwd=home,
    )

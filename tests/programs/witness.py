"""Notes in FILE what the journal in DIRECTORY says of this very life: when it begins, and when it is asked to stop.

    witness.py FILE DIRECTORY

One line each: `begins` or `stops`, the state by number (`none`: the journal does not know this life), and the pid.
"""

import glob
import json
import os
import signal
import sys
from typing import Any


def _last_entry(directory: str, token: str) -> dict[str, Any]:
    (path,) = glob.glob(f"{directory}/*.journal")
    with open(path, "rb") as file:
        lines = file.read().split(b"\0", 1)[0].splitlines()
    entries = [entry for line in lines if (entry := json.loads(line).get("entry"))]
    mine: list[dict[str, Any]] = [entry for entry in entries if entry.get("life", {}).get("token") == token]
    return mine[-1] if mine else {}


def main(path: str, directory: str) -> None:
    def note(what: str) -> None:
        entry = _last_entry(directory, os.environ["TASKMASTER_LIFE"])
        state = entry["process"].get("state", 0) if entry else "none"
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{what} {state} {os.getpid()}\n")

    def stop(*_: object) -> None:
        note("stops")
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    note("begins")
    while True:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])

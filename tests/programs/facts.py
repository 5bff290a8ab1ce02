"""Writes what it finds itself to be into FILE, as JSON, and lives.

    facts.py FILE

Environment, directory, umask, ids, groups, limits, process group, session, arguments and open descriptors. Not the
signal masks: Python changes them before this runs, `signals.sh` tells those.
"""

import json
import os
import resource
import signal
import sys


def _descriptors() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the one that listed the directory
    return found


def main(path: str) -> None:
    descriptors = _descriptors()
    umask = os.umask(0)
    os.umask(umask)
    facts = {
        "argv": sys.argv[1:],
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "umask": umask,
        "uid": os.getresuid(),
        "gid": os.getresgid(),
        "groups": os.getgroups(),
        "files_limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "processes_limit": resource.getrlimit(resource.RLIMIT_NPROC),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "process_group": os.getpgrp(),
        "session": os.getsid(0),
        "descriptors": descriptors,
    }
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(facts, out)
    os.rename(path + ".new", path)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])

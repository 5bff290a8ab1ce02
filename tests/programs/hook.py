"""A hook that notes in a file why it runs, and then does what its words say, in order.

`hook.py FILE [exit:N] [sleep:S] [wait:FILE] [say:TEXT] [flood:BYTES] [fork:FILE] [escape:FILE] [facts:FILE]`. `fork`
leaves a child that sleeps in its process group, `escape` one in a session of its own; their pids go to FILE. `wait`
goes on once FILE is there. Nothing is noted before `wait` and `sleep` are over but the line `begin`.
"""

import json
import os
import sys
import time

NAMES = ("TMD_HOOK", "TMD_REASON", "TMD_STATE", "TMD_PID", "TMD_EXIT_CODE", "TMD_SIGNAL", "TMD_TRIES")


def note(path: str, what: str) -> None:
    said = " ".join(os.environ.get(name, "-") for name in NAMES)
    with open(path, "a") as file:
        file.write(f"{what} {os.environ['SUPERVISOR_PROCESS_NAME']} {said}\n")


def leave(path: str, *, escapes: bool) -> None:
    pid = os.fork()
    if pid == 0:
        if escapes:
            os.setsid()
        with open(f"{path}.new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(f"{path}.new", path)
        time.sleep(600)
        os._exit(0)
    while not os.path.exists(path):
        time.sleep(0.002)


def write_facts(path: str) -> None:
    umask = os.umask(0)
    os.umask(umask)
    facts = {
        "cwd": os.getcwd(),
        "umask": umask,
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "pgid": os.getpgid(0),
        "pid": os.getpid(),
        "stdin": os.readlink("/proc/self/fd/0"),
        "fds": sorted(os.listdir("/proc/self/fd")),
        "environment": dict(os.environ),
    }
    with open(f"{path}.new", "w") as file:
        json.dump(facts, file)
    os.rename(f"{path}.new", path)


def main(path: str, *words: str) -> int:
    note(path, "begin")
    code = 0
    for word in words:
        verb, _, rest = word.partition(":")
        if verb == "exit":
            code = int(rest)
        elif verb == "sleep":
            time.sleep(float(rest))
        elif verb == "wait":
            while not os.path.exists(rest):
                time.sleep(0.005)
        elif verb == "say":
            print(rest, flush=True)
        elif verb == "flood":
            os.write(2, b"flooding\n")
            for _ in range(int(rest) // 64):
                os.write(1, b"x" * 63 + b"\n")
        elif verb == "fork":
            leave(rest, escapes=False)
        elif verb == "escape":
            leave(rest, escapes=True)
        elif verb == "facts":
            write_facts(rest)
    note(path, "end")
    return code


sys.exit(main(*sys.argv[1:]))

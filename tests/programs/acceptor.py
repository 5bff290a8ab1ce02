"""Serves the listening socket it finds as its standard input, one connection at a time: reads a word, answers a line.

who     its pid and SUPERVISOR_PROCESS_NAME
count   how many connections it has taken, this one included
fds     its first descriptors, such as `0=socket 1=pipe 2=pipe`
crash   no answer: it exits with status 1
"""

import os
import socket


def _kind(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}").partition(":")[0]


def main() -> None:
    listening = socket.socket(fileno=0)
    taken = 0
    while True:
        link, _ = listening.accept()
        taken += 1
        with link, link.makefile(encoding="utf-8") as lines:
            word = lines.readline().strip()
            if word == "crash":
                os._exit(1)
            answer = ""
            if word == "who":
                answer = f"{os.getpid()} {os.environ['SUPERVISOR_PROCESS_NAME']}"
            elif word == "count":
                answer = str(taken)
            elif word == "fds":
                answer = " ".join(f"{descriptor}={_kind(descriptor)}" for descriptor in range(3))
            try:
                link.sendall(f"{answer}\n".encode())
            except OSError:
                continue  # who asked has left


if __name__ == "__main__":
    main()

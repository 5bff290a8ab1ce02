"""As its first act sends its pid and the monotonic time in ns to a datagram socket, then lives.

stamp.py SOCKET
"""

import time

born_ns = time.monotonic_ns()  # before anything else is imported: this is the first act

import _socket  # noqa: E402 - `socket` itself costs 4 ms that are not the supervisor's
import os  # noqa: E402
import sys  # noqa: E402


def main(path: str) -> None:
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    link.connect(path)
    link.send(f"{os.getpid()} {born_ns}".encode())
    link.close()
    os.execv("/bin/sleep", ["sleep", "100000"])


if __name__ == "__main__":
    main(sys.argv[1])

"""Answers each connection to the listening socket it finds as its standard input: NAME, a colon, what it was sent.

fcgi_echo.py NAME
"""

import _socket
import sys


def main(name: str) -> None:
    listening = _socket.socket(fileno=0)
    while True:
        descriptor, _ = listening._accept()  # type: ignore[attr-defined]  # `socket` costs 4 ms more to import
        link = _socket.socket(fileno=descriptor)
        text = b""
        while chunk := link.recv(65536):
            text += chunk
        link.send(name.encode() + b": " + text)
        link.close()


if __name__ == "__main__":
    main(sys.argv[1])

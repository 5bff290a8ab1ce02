"""Prints numbered, checksummed lines as fast as it can: `<seq> <crc32 of the payload> <payload>`.

    spam.py [--lines N] [--size BYTES] [--stream stdout|stderr] [--seconds T] [--pattern lines|blob|binary|noline]
            [--tag WORD] [--write BYTES]

`--size` is that of the payload. `--write` 0 (the default) makes one write of each line, more makes blocks of about so
many bytes, cut anywhere. `--tag` begins every payload, so that several may share a file. Patterns: `blob` is N * SIZE
bytes without any newline, `binary` the same of all 256 byte values, `noline` lines of which the last has no newline.
"""

import argparse
import os
import time
import zlib
from collections.abc import Iterator


def line_of(seq: int, size: int, tag: str) -> bytes:
    """Return one line, newline included."""
    payload = f"{tag}{seq}:".encode().ljust(size, b"x")
    return b"%d %d %b\n" % (seq, zlib.crc32(payload), payload)


def chunks(options: argparse.Namespace) -> Iterator[bytes]:
    """Return what to write, one write each."""
    end = time.monotonic() + options.seconds if options.seconds else None
    if options.pattern in ("blob", "binary"):
        block = bytes(range(256)) * 256 if options.pattern == "binary" else b"b" * 65536
        left = options.lines * options.size
        while left > 0:
            yield block[:left]
            left -= len(block)
        return
    block = b""
    for seq in range(options.lines):
        line = line_of(seq, options.size, options.tag)
        if options.pattern == "noline" and seq == options.lines - 1:
            line = line[:-1]
        if not options.write:
            yield line
        else:
            block += line
            while len(block) >= options.write:
                yield block[: options.write]
                block = block[options.write :]
        if end is not None and not seq % 64 and time.monotonic() > end:
            break
    yield block


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=10**9)
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--stream", choices=("stdout", "stderr"), default="stdout")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--pattern", choices=("lines", "blob", "binary", "noline"), default="lines")
    parser.add_argument("--tag", default="")
    parser.add_argument("--write", type=int, default=0)
    options = parser.parse_args()
    fd = 1 if options.stream == "stdout" else 2
    for chunk in chunks(options):
        while chunk:
            chunk = chunk[os.write(fd, chunk) :]  # noqa: PLW2901 - what is left of it


if __name__ == "__main__":
    main()

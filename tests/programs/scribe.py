"""Writes numbered, checksummed lines as fast as it can, until it gets TERM: `<pid>.<number> <filler> <crc32>`.

    scribe.py [--rate N] [--note FILE]

Each line is one write; the checksum is that of all before it. Lines differ in length (some are long), so that blocks
of the log end anywhere. `--rate` N: so many lines a second at most. After TERM the last line is finished, its number
written to the end of `FILE` (`<pid> <number>`), and it ends with status 0.
"""

import os
import signal
import sys
import time
import zlib

LENGTHS = (*(n * 7919 % 97 for n in range(61)), 700, 1500, 3000)
FILLER = b"abcdefghijklmnopqrstuvwxyz-0123456789_" * 100


def main(arguments: list[str]) -> None:
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    pause_s = 1 / float(options["--rate"]) if "--rate" in options else 0.0
    pid = b"%d" % os.getpid()
    ending = False

    def end(_signum: int, _frame: object) -> None:
        nonlocal ending
        ending = True

    signal.signal(signal.SIGTERM, end)
    write, crc32, kinds = os.write, zlib.crc32, len(LENGTHS)
    number = 0
    while not ending:
        text = b"%b.%d %b " % (pid, number, FILLER[: LENGTHS[number % kinds]])
        line = b"%b%08x\n" % (text, crc32(text))
        while line:
            line = line[write(1, line) :]
        number += 1
        if pause_s:
            time.sleep(pause_s)
    if "--note" in options:
        note = os.open(options["--note"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        write(note, b"%b %d\n" % (pid, number - 1))
        os.close(note)


if __name__ == "__main__":
    main(sys.argv[1:])

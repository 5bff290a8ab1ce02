"""The subreaper: orphans below it are handed to it, and to init again once it has resigned."""

import subprocess
import sys

SCRIPT = """
import os, sys
from tmd.posix import descendants, subreaper

def orphan():
    mine, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            os.setsid()
            os.close(theirs)
            os.read(mine, 1)
        os._exit(0)
    os.waitpid(child, 0)
    return theirs

if sys.argv[1] == "yes":
    assert subreaper.become()
    assert subreaper.become()
end = orphan()
print(len(descendants.listed().split()))
os.close(end)
if sys.argv[1] == "yes":
    os.wait()
    subreaper.resign()
    end = orphan()
    print(len(descendants.listed().split()))
"""


def said(word: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, word], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def test_orphans_are_ours_while_we_are_one() -> None:
    assert said("yes") == ["1", "0"]


def test_and_else_they_are_not() -> None:
    assert said("no") == ["0"]

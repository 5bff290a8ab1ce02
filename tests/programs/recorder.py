"""An event listener that appends each event it gets to FILE, one JSON list a line: [head, payload].

    recorder.py FILE [ANSWER...]

The answers are given in turn, one to each event, and `ok` to all after them, unless the last is `fail-ever`:
  ok, fail      RESULT 2\nOK, RESULT 4\nFAIL
  fail-ever     the same, to all that follow too
  word=TEXT     that text as the result
  die           exits with status 1 in place of an answer; the next life goes on with the answer after it
  bad           a result line without a number
  silent        no answer, ever
  wait          answers ok once FILE.go is there
The answers given so far are counted in FILE.count, so that they go on over the lives of the listener. `ready` is
appended to FILE.lives at each start.
"""

import json
import os
import sys
import time


def _count(path: str) -> int:
    """Return how many answers were given before this one, and count it."""
    descriptor = os.open(path + ".count", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, b"x")
    count = os.fstat(descriptor).st_size
    os.close(descriptor)
    return count - 1


def _append(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def _say(text: str) -> None:
    os.write(1, text.encode())


def _answer(word: str, path: str) -> None:
    if word == "wait":
        while not os.path.exists(path + ".go"):
            time.sleep(0.01)
    if word == "die":
        os._exit(1)
    elif word == "bad":
        _say("RESULT many\n")
    elif word == "silent":
        while True:
            time.sleep(1000)
    else:
        result = {"ok": "OK", "wait": "OK", "fail": "FAIL", "fail-ever": "FAIL"}.get(word) or word.removeprefix("word=")
        _say(f"RESULT {len(result)}\n{result}")


def main(path: str, answers: list[str]) -> None:
    events = open(0, encoding="utf-8", newline="\n")  # noqa: SIM115 - it lives as long as we do
    _append(path + ".lives", "ready\n")
    while True:
        _say("READY\n")
        head = events.readline()
        if not head:
            return
        length = int(dict(pair.split(":", 1) for pair in head.split())["len"])
        payload = events.read(length)
        _append(path, json.dumps([head, payload]) + "\n")
        count = _count(path)
        after = "fail" if answers[-1:] == ["fail-ever"] else "ok"
        _answer(answers[count] if count < len(answers) else after, path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

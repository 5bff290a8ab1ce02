"""What `tmctl why` shows."""

from typing import Any

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon


def end(short: str, **facts: Any) -> dict[str, Any]:
    plain = {"how": "exited", "expected": False, "short": short, "stdout": [], "stderr": [], "starts": []}
    return {**plain, **facts}


def process(name: str = "web", state: str = "EXITED", *ends: dict[str, Any]) -> dict[str, Any]:
    said = [f"{name} ended 2 minutes ago: exit code 3.", "It was not restarted."]
    return {"name": name, "group": name, "statename": state, "pid": 0, "now": 9, "said": said, "ends": list(ends)}


@pytest.fixture
def knowing(own_fake: FakeDaemon) -> FakeDaemon:
    newest = end("never shown", stderr=["oops", "^[[31mred"], stdout=["bye"])
    older = end("14:03 exit code 4", stderr=["earlier"], starts=["14:05"])
    own_fake.why = {
        "web": [process("web", "EXITED", newest, older, end("14:02 exit code 5"))],
        "db": [process("db", "RUNNING")],
        "g:*": [process("a"), process("b")],
    }
    return own_fake


def test_sentences_last_lines_and_earlier_ends(knowing: FakeDaemon, tmctl: Tmctl) -> None:
    text = """\
web ended 2 minutes ago: exit code 3.
It was not restarted.

The last it wrote to stderr:
  | oops
  | ^[[31mred

The last it wrote to stdout:
  | bye

Before that:
  14:05 tmd was started
  14:03 exit code 4
    stderr | earlier
  14:02 exit code 5
"""
    assert tmctl("-s", knowing.url, "why", "web").outcome == (text, 0)


def test_several_at_once(knowing: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", knowing.url, "why", "g:*", "db", "g:*")
    assert [line.split()[0] for line in ran.out.split("\n\n")] == ["a", "b", "db"]
    assert ran.code == 0


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["why", "web"], 5),
        (["why", "-n", "2", "web"], 2),
        (["why", "web", "-n3"], 3),
        (["why", "web", "--lines=0"], 0),
        (["why", "web", "--lines", "7"], 7),
    ],
)
def test_how_many_lines(knowing: FakeDaemon, tmctl: Tmctl, words: list[str], lines: int) -> None:
    assert tmctl("-s", knowing.url, *words).code == 0
    assert ("taskmaster.why", ("web", lines)) in knowing.calls


@pytest.mark.parametrize("words", [["-n"], ["-n", "x", "web"], ["-x", "web"], ["web", "-n", "-3"], ["-n", "²", "web"]])
def test_what_is_no_number(knowing: FakeDaemon, tmctl: Tmctl, words: list[str]) -> None:
    ran = tmctl("-s", knowing.url, "why", *words)
    assert ran.code == 1
    assert ran.out.startswith("Error: bad argument ")
    assert "why NAME..." in ran.out


def test_refusals(knowing: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", knowing.url, "why").out.startswith("Error: why requires a process name\n")
    assert tmctl("-s", knowing.url, "why", "nope", "db").code == 1
    assert tmctl("-s", knowing.url, "why", "nope").out == "nope: ERROR (no such process)\n"
    assert tmctl("-s", knowing.url, "why", "-n", "201", "web").out == "web: ERROR (lines must be 0 to 200, got 201)\n"


def test_a_name_that_cannot_be_sent_is_that_of_no_process(knowing: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", knowing.url, "why", "a\x1b[2J", "db", "b\udcff", "\x7f")
    assert ran.code == 1
    assert ran.out.splitlines()[0] == "a^[[2J: ERROR (no such process)"
    assert "db ended" in ran.out
    assert ran.out.splitlines()[-2:] == ["b\\udcff: ERROR (no such process)", "^?: ERROR (no such process)"]


def test_another_server_is_said_to_be_one(fake: FakeDaemon, tmctl: Tmctl) -> None:
    line = "ERROR: this server does not tell why a process died (it is not tmd)\n"
    assert tmctl("-s", fake.url, "why", "web").outcome == (line, 1)
    assert tmctl("-s", "unix:///nowhere", "why", "web").outcome == ("unix:///nowhere no such file\n", 7)


def test_as_json(knowing: FakeDaemon, tmctl: Tmctl) -> None:
    document = tmctl("-s", knowing.url, "why", "--json", "web", "db").document
    assert [found["name"] for found in document["processes"]] == ["web", "db"]
    assert document["processes"][0]["ends"][0]["stderr"] == ["oops", "^[[31mred"]
    empty = tmctl("-s", knowing.url, "why", "--json", "nope").document
    assert empty == {"processes": [], "errors": ["nope: ERROR (no such process)"]}


def test_colour_is_modest(knowing: FakeDaemon, tmctl: Tmctl) -> None:
    lines = tmctl("--color=always", "-s", knowing.url, "why", "web").out.splitlines()
    assert lines[0] == "\x1b[31mweb ended 2 minutes ago: exit code 3.\x1b[0m"
    assert lines[1] == "It was not restarted."
    assert tmctl("--color=always", "-s", knowing.url, "why", "db").out.startswith("\x1b[32mdb")
    knowing.why["web"] = [process("web", "STOPPED", end("x", how="stopped"))]
    assert tmctl("--color=always", "-s", knowing.url, "why", "web").out.startswith("\x1b[33mweb")

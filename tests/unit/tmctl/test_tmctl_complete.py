"""What TAB offers, and the history file."""

import os
from pathlib import Path

import pytest

from tests.unit.tmctl.fake_daemon import usual_processes
from tmctl.complete import CACHED_S, Names, completions
from tmctl.render import Info
from tmctl.shell import HISTORY_LINES, append_history, read_history


def infos() -> list[Info]:
    return [process.info() for process in usual_processes()]


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("sta", ["start", "status"]),
        ("  rest", ["restart"]),
        ("nonsense ", []),
        ("start api:", ["api:*", "api:api_00", "api:api_01", "api:api_02"]),
        ("start web b", ["batch", "broken"]),
        ("start a", ["all", "api:*", "api:api_00", "api:api_01", "api:api_02"]),
        ("tail -f a", ["api:api_00", "api:api_01", "api:api_02"]),
        ("tail -", ["--json", "--raw", "-f"]),
        ("logs --s", ["--since", "--stderr", "--stdout"]),
        ("logs -f we", ["web"]),
        ("top --o", ["--once"]),
        ("signal US", ["USR1", "USR2"]),
        ("signal HUP we", ["web"]),
        ("update a", ["all", "api"]),
        ("help st", ["start", "status", "stop"]),
        ("help start ", []),
        ("reread --c", ["--config"]),
        ("version ", []),
    ],
)
def test_completions(before: str, offered: list[str]) -> None:
    assert completions(before, infos) == offered


def test_names_are_asked_for_again_only_after_a_while_or_a_command() -> None:
    asked = []
    now = [100.0]

    def ask() -> list[Info]:
        asked.append(now[0])
        return infos()

    names = Names(ask, lambda: now[0])
    for moment in (100.0, 100.0 + CACHED_S, 100.1 + CACHED_S):
        now[0] = moment
        assert names.infos()
    assert asked == [100.0, 100.1 + CACHED_S]
    names.forget()
    names.infos()
    assert len(asked) == 3


def test_history_keeps_lines_that_say_something(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "history")
    for line in ("status", "  ", "pid web ", "two\nlines", "grüße"):
        append_history(path, line)
    assert read_history(path) == ["status", "pid web", "grüße"]


def test_history_that_cannot_be_kept_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    append_history(str(tmp_path / "file" / "history"), "status")
    append_history(os.devnull, "status")
    assert read_history(str(tmp_path / "nothing")) == []


def test_only_the_last_lines_are_recalled(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f"line {number}\n" for number in range(HISTORY_LINES + 5)))
    lines = read_history(str(path))
    assert (len(lines), lines[-1]) == (HISTORY_LINES, f"line {HISTORY_LINES + 4}")

"""Environment files when the configuration is read: told with all else that is wrong, where somebody wants to know."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_native import load, problems
from tmd.config.additions import read_addition
from tmd.config.host import Host
from tmd.config.settings import EnvironmentFile
from tmd.tree.problems import ConfigRefused

WRONG = {
    "/e/a.env": ["/e/a.env:2: this line is no assignment", "/e/a.env:7: the quote of 'B' is never closed"],
    "/e/no.env": ["/e/no.env: no such file"],
}


def curious(asked: list[tuple[str, int | None]]) -> Host:
    def check(file: EnvironmentFile, uid: int | None) -> Sequence[str]:
        asked.append((file.path, uid))
        return WRONG.get(file.path, [])

    return msgspec.structs.replace(made_up_host(), environment_file_problems=check)


NATIVE = """\
programs:
  a: {command: x, numprocs: 50, environment_file: [/e/a.env, /e/good.env]}
  b: {command: x, user: web, environment_file: -/e/no.env}
  c: {command: x, startsecs: soon}
  d: {command: x, environment_file: [/e/a.env]}
  e: {command: x, user: nosuch, environment_file: [/e/no.env]}
"""


def test_they_are_told_with_everything_else_in_order_of_place(tmp_path: Path) -> None:
    asked: list[tuple[str, int | None]] = []
    assert problems(tmp_path, NATIVE, host=curious(asked)) == [
        "2:33: programs.a.environment_file: /e/a.env:2: this line is no assignment",
        "2:33: programs.a.environment_file: /e/a.env:7: the quote of 'B' is never closed",
        "3:30: programs.b.environment_file: /e/no.env: no such file",
        "4:19: programs.c.startsecs: cannot read 'soon' as a number of seconds (seconds, e.g. 2.5)",
        "6:19: programs.e.user: cannot find user 'nosuch' (an existing user name or number)",
    ]
    assert asked == [("/e/a.env", None), ("/e/good.env", None), ("/e/no.env", 1000)], "each is looked into once"


def test_supervisors_own_words_come_first(tmp_path: Path) -> None:
    text = "[supervisord]\n[program:a]\ncommand=x\nenvironment_file=/e/no.env\nstartsecs=x\n"
    with pytest.raises(ConfigRefused) as refused:
        load(tmp_path, text, "t.conf", curious([]))
    assert refused.value.supervisor_text.startswith("invalid literal for int()")
    assert f"{tmp_path}/t.conf:4:1: program:a.environment_file: /e/no.env: no such file" in refused.value.more


def test_what_is_good_is_loaded_and_not_warned_of(tmp_path: Path) -> None:
    loaded = load(tmp_path, "programs: {a: {command: x, environment_file: /e/good.env}}", host=curious([]))
    assert loaded.warnings == ()


@pytest.mark.parametrize("optional", ["", "-"])
def test_a_directory_is_called_one(optional: str, tmp_path: Path) -> None:
    text = f"programs:\n  a: {{command: x, environment_file: '{optional}{tmp_path}'}}\n"
    loaded = load(tmp_path, text)
    assert loaded.warnings == (f"{tmp_path}/t.yaml:2:19: programs.a.environment_file: '{tmp_path}' is a directory",)


def test_a_program_that_joins_is_warned_of_too(tmp_path: Path) -> None:
    basis = load(tmp_path, "programs: {a: {command: x}}").basis
    added = read_addition(basis, "g", "b", {"command": "x", "environment_file": "/e/no.env"})
    (warning,) = added.warnings
    assert warning.startswith("added at run time: programs.b.environment_file: there is no file '/e/no.env' (")

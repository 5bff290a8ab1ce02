"""Programs that say the same: read once, yet each with what is its own."""

from pathlib import Path

import pytest

from tests.unit.config.hosts import made_up_host
from tmd.config.load import load_file
from tmd.config.settings import ProcessSpec
from tmd.tree.problems import ConfigRefused


def read(directory: Path, text: str, name: str = "t.conf") -> dict[str, ProcessSpec]:
    (directory / name).write_text(text, encoding="utf-8")
    settings = load_file(f"{directory}/{name}", made_up_host()).settings
    return {spec.name: spec for group in settings.groups for spec in group.processes}


def test_a_relative_path_counts_from_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.yaml").write_text("programs: {b: {command: x, directory: sub}}\n", encoding="utf-8")
    text = "taskmaster: {include: other/b.yaml}\nprograms: {a: {command: x, directory: sub}}\n"
    found = read(tmp_path, text, "t.yaml")
    assert found["a"].directory == f"{tmp_path}/sub"
    assert found["b"].directory == f"{tmp_path}/other/sub"


def test_a_word_means_what_its_option_takes(tmp_path: Path) -> None:
    text = "[supervisord]\n[program:a]\ncommand=1\nstartsecs=1\nautostart=1\nuser=0\nstartretries=0\n"
    spec = read(tmp_path, text)["a"]
    assert (spec.command, spec.startsecs, spec.autostart, spec.user, spec.uid) == ("1", 1, True, "0", 0)
    assert type(spec.startsecs) is int


def test_quotes_make_a_difference_in_yaml(tmp_path: Path) -> None:
    text = "programs: {a: {command: x, stdout: ~}, b: {command: x, stdout: '~'}}\n"
    with pytest.raises(ConfigRefused) as caught:
        read(tmp_path, text, "t.yaml")
    assert [problem.where for problem in caught.value.problems] == ["programs.b.stdout"]


def test_each_of_two_wrong_values_is_told(tmp_path: Path) -> None:
    text = "[supervisord]\n" + "".join(f"[program:{name}]\ncommand=x\nautostart=perhaps\n" for name in "ab")
    with pytest.raises(ConfigRefused) as caught:
        read(tmp_path, text)
    assert [problem.where for problem in caught.value.problems] == ["program:a.autostart", "program:b.autostart"]


def test_names_are_filled_in_for_each(tmp_path: Path) -> None:
    text = "[supervisord]\n" + "".join(f"[program:{name}]\ncommand=x %(program_name)s\n" for name in "ab")
    assert [spec.command for spec in read(tmp_path, text).values()] == ["x a", "x b"]


def test_variables_of_one_are_not_those_of_another(tmp_path: Path) -> None:
    text = (
        "[supervisord]\nenvironment=ALL=1\n[program:a]\ncommand=x\n[program:b]\ncommand=x\nenvironment=OWN=2\n"
        "[program:c]\ncommand=x\n[program:d]\ncommand=x\nenvironment=OWN=2\n"
    )
    found = read(tmp_path, text)
    assert found["a"].environment == {"ALL": "1"}
    assert found["b"].environment == found["d"].environment == {"ALL": "1", "OWN": "2"}
    assert found["a"].environment is found["c"].environment


def test_equal_lines_of_which_one_goes_on(tmp_path: Path) -> None:
    text = (
        "[supervisord]\n[program:a]\ncommand=x\nautostart=no\n\n[program:b]\ncommand=x\n\n  y ; not this\n\n"
        "autostart=no\n[program:c]\n  command=x\n    z\nautostart=no\n   ; a comment\n"
    )
    assert [spec.command for spec in read(tmp_path, text).values()] == ["x", "x\n\ny", "x\nz"]
    assert not any(spec.autostart for spec in read(tmp_path, text).values())


def test_each_of_two_unknown_options_is_told_with_what_was_meant(tmp_path: Path) -> None:
    text = "taskmaster: {}\nprograms:\n  a: {command: x, autostrat: no}\n  b: {command: x, autostrat: no}\n"
    with pytest.raises(ConfigRefused) as caught:
        read(tmp_path, text, "t.yaml")
    told = [(problem.where, problem.hint) for problem in caught.value.problems]
    assert told == [(f"programs.{name}.autostrat", "did you mean 'autostart'?") for name in "ab"]

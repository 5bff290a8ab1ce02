"""Names that nobody could ask for: refused, or where Supervisor takes them told."""

from pathlib import Path

import pytest

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_native import load, problems
from tmd.config.additions import read_addition
from tmd.tree.problems import ConfigRefused

HINT = "(only what can be printed can be in a name)"
SECTIONS = {
    "a program": 'programs: {"x\\e[31m": {command: x}}',
    "a FastCGI program": 'fcgi-programs: {"x\\e[31m": {command: x, socket: "tcp://h:1"}}',
    "an event listener": 'eventlisteners: {"x\\e[31m": {command: x, events: TICK_5}}',
    "a group": 'programs: {a: {command: x}}\ngroups: {"x\\e[31m": {programs: a}}',
}


@pytest.mark.parametrize("what", SECTIONS)
def test_no_section_has_a_name_that_cannot_be_printed(what: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, SECTIONS[what])
    assert f"s.x^[[31m: cannot name {what} 'x\\x1b[31m' {HINT}" in problem
    assert problem[0].isdigit()


@pytest.mark.parametrize("character", ["\x07", "\x7f", "\x85", "\u200b", "\u202e"])
def test_nor_has_a_process(character: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f'programs:\n  a: {{command: x, process_name: "b\\u{ord(character):04x}c"}}\n')
    assert problem == f"2:19: programs.a.process_name: cannot name a process {f'b{character}c'!r} {HINT}"


def test_nor_has_it_from_elsewhere(tmp_path: Path) -> None:
    host = made_up_host({"WHO": "\x1b[31m"})
    (problem,) = problems(tmp_path, "programs: {a: {command: x, process_name: 'a%(ENV_WHO)s'}}", host=host)
    assert f"cannot name a process 'a\\x1b[31m' {HINT}" in problem
    basis = load(tmp_path, "programs: {a: {command: x}}").basis
    for group, program in (("g", "x\r"), ("g\x1b", "x")):
        with pytest.raises(ConfigRefused, match=r"cannot name a (program|group) .*can be printed"):
            read_addition(basis, group, program, {"command": "x"})


def test_letters_of_all_kinds_are_names(tmp_path: Path) -> None:
    (group,) = load(tmp_path, "programs: {'é中[1]*@🙂': {command: x}}").settings.groups
    assert group.processes[0].name == group.name == "é中[1]*@🙂"


def test_supervisor_takes_them_so_they_are_warned_of(tmp_path: Path) -> None:
    text = (
        "[supervisord]\n[program:x\x1b[31m]\ncommand=x\n[eventlistener:l\x07]\ncommand=x\nevents=TICK_5\n"
        "[program:y]\ncommand=y\nnumprocs=2\nprocess_name=y%(process_num)c\n[group:g\x08]\nprograms=z\n"
        "[program:z]\ncommand=z\n[program:tab\u200b]\ncommand=x\n"
    )
    loaded = load(tmp_path, text, "t.conf")
    assert {group.name for group in loaded.settings.groups} == {"x\x1b[31m", "l\x07", "y", "g\x08", "tab\u200b"}
    reason = "no client can ask for {}: a character in it cannot be sent"
    assert loaded.warnings == tuple(
        f"{tmp_path}/t.conf:{place}: {reason.format(repr(name))}"
        for place, name in (
            ("11:1: [group:g^H]", "g\x08"),
            ("2:1: [program:x^[[31m]", "x\x1b[31m"),
            ("10:1: program:y.process_name", "y\x00"),
            ("10:1: program:y.process_name", "y\x01"),
            ("4:1: [eventlistener:l^G]", "l\x07"),
        )
    )

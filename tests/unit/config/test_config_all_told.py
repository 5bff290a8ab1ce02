"""Everything that is wrong is told at once, and nothing that follows from it."""

from pathlib import Path

import pytest

from tests.unit.config.test_config_native import load, problems
from tests.unit.config.test_config_schema import complaints
from tmd.config.program_options import PROGRAM
from tmd.tree.shape import COMMAND_WORDS, did_you_mean

ALERT = "taskmaster:\n  alerts:\n    - {%s}\nprograms: {web: {command: x}}\n"
LISTS = {
    "taskmaster.alerts[0].events": (
        ALERT % "file: a, events: [proces_fatal, process_exited, nonsense, proces_killed]",
        [
            "unknown event 'proces_fatal' (did you mean 'process_fatal'?)",
            "unknown event 'nonsense' (e.g. process_exited:unexpected,process_fatal)",
            "unknown event 'proces_killed' (did you mean 'process_killed'?)",
        ],
    ),
    "taskmaster.alerts[0].email": (
        ALERT % "email: 'a@b@c, ops, <x>'",
        ["cannot be a mail address: 'a@b@c'", "cannot be a mail address: '<x>'"],
    ),
    "taskmaster.alerts[0].headers": (
        ALERT % "webhook: 'http://h', headers: {'A b': x, C: d, Content-Length: 1}",
        ["cannot name a header 'A b' (letters, digits and hyphens)", "cannot set 'Content-Length': it follows"],
    ),
    "programs.a.exitcodes": (
        "programs: {a: {command: x, exitcodes: [0, 256, two]}}",
        ["cannot be more than 255, got 256", "cannot read 'two' as a whole number"],
    ),
    "programs.a.environment": (
        "programs: {a: {command: x, numprocs: 3, environment: {A: [1], B: 2, C: {x: y}, '': z}}}",
        ["A must be one value, got a list", "C must be one value, got a mapping", "cannot name a variable ''"],
    ),
    "eventlisteners.a.events": (
        "eventlisteners: {a: {command: x, events: [TICK_6, TICK_60, WHAT_IS_IT]}}",
        ["unknown event type 'TICK_6' (did you mean 'TICK_60'?)", "unknown event type 'WHAT_IS_IT'"],
    ),
    "groups.g.programs": (
        "programs: {web: {command: x}}\ngroups: {g: {programs: [wbe, web, api]}}",
        ["there is no program 'wbe' (did you mean 'web'?)", "there is no program 'api' (known: web)"],
    ),
}


@pytest.mark.parametrize("option", LISTS)
def test_every_wrong_entry_of_a_list_is_told(option: str, tmp_path: Path) -> None:
    text, wanted = LISTS[option]
    found = [problem.partition(f" {option}: ")[2] for problem in problems(tmp_path, text)]
    assert len(found) == len(wanted), found
    for said, words in zip(found, wanted, strict=True):
        assert said.startswith(words)


def test_supervisor_names_the_first_of_them_and_the_rest_is_told_too(tmp_path: Path) -> None:
    text = "[supervisord]\n[eventlistener:a]\ncommand=x\nevents=TICK_6,WHAT\n[group:g]\nprograms=x,y\n"
    assert [problem.partition(": ")[2].partition(" (")[0] for problem in problems(tmp_path, text, "t.conf")] == [
        "eventlistener:a.events: Unknown event type TICK_6 in [eventlistener:a] events",
        "eventlistener:a.events: Unknown event type WHAT in [eventlistener:a] events",
        "group:g.programs: [group:g] names unknown program or fcgi-program x",
        "group:g.programs: [group:g] names unknown program or fcgi-program y",
    ]


def test_a_user_who_is_not_there_is_one_problem(tmp_path: Path) -> None:
    for name, text in (
        ("t.yaml", "taskmaster:\n  user: nosuch\n  keep_root_to_spawn: true\nprograms: {a: {command: x}}\n"),
        ("t.conf", "[supervisord]\nuser=nosuch\nkeep_root_to_spawn=true\n"),
    ):
        (problem,) = problems(tmp_path, text, name)
        assert "nosuch" in problem
    (problem,) = problems(tmp_path, "taskmaster: {user: root, keep_root_to_spawn: true}\nprograms: {a: {command: x}}\n")
    assert "keep_root_to_spawn: means nothing while the daemon stays the superuser" in problem


@pytest.mark.parametrize("kind", ["alert", "program", "eventlistener", "rpcinterface"])
def test_a_section_that_lacks_its_name_is_told_to_lack_it(kind: str, tmp_path: Path) -> None:
    text = f"[taskmaster]\n[web]\ncommand=x\n[{kind}]\nfile=alerts.jsonl\n"
    assert problems(tmp_path, text, "t.ini") == [f"4:1: [{kind}]: needs a name ([{kind}:NAME])"]
    loaded = load(tmp_path, f"[supervisord]\n[{kind}]\nfile=alerts.jsonl\n", "t.conf")
    assert loaded.warnings == (f"{tmp_path}/t.conf:2:1: [{kind}]: unknown section, ignored ([{kind}:NAME])",)
    (command, *_) = [option for option in PROGRAM if option.name == "command"]
    assert {command.name, *command.synonyms} == COMMAND_WORDS
    for word in COMMAND_WORDS:
        (group,) = load(tmp_path, f"[taskmaster]\n[{kind}]\n{word}=x\n", "t.ini").settings.groups
        assert group.name == kind


def test_where_nothing_is_known_nothing_is_listed(tmp_path: Path) -> None:
    assert did_you_mean("web", ()) == ""
    warnings = load(tmp_path, "taskmaster: {alerts: [{syslog: user, programs: web}]}").warnings
    assert warnings[1].endswith("alerts[0].programs: there is no program 'web'")


@pytest.mark.parametrize(
    ("timeout", "fits"), [("0.1", True), ("600", True), ("10m", True), ("0", False), ("601", False)]
)
def test_an_editor_knows_how_long_a_delivery_may_take(timeout: str, fits: bool, tmp_path: Path) -> None:
    text = ALERT % f"webhook: 'http://h', timeout: {timeout}"
    assert (complaints(text) == []) is fits
    if fits:
        load(tmp_path, text)
    else:
        assert "between 0.1 and 600" in problems(tmp_path, text)[0]

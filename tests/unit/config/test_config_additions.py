"""Programs that join at run time: what is said once is read as if it stood in the file."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.hosts import made_up_host
from tmd.config.additions import Addition, read_addition
from tmd.config.load import Loaded, load_file
from tmd.config.settings import ProcessSpec
from tmd.tree.problems import ConfigRefused


def load(tmp_path: Path, text: str, name: str = "t.conf") -> Loaded:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_file(str(path), made_up_host(uid=path.stat().st_uid))


SUPERVISOR = '[supervisord]\nenvironment=SHARED="s"\n[DEFAULT]\npriority=7\n[program:web]\n'
OPTIONS = {
    "command": "/bin/web --here %(here)s --name %(program_name)s:%(group_name)s:%(process_num)d --as %(ENV_OWN)s",
    "environment": 'OWN="%(ENV_SHARED)s",COLOUR="%(ENV_COLOUR)s"',
    "process_name": "%(program_name)s_%(process_num)02d",
    "numprocs": "2",
    "startsecs": " 3 ",
    "StdOut_LogFile": "NONE",
    "autorestart": "true",
}


def test_a_program_is_what_it_would_be_in_a_file_of_supervisors(tmp_path: Path) -> None:
    section = "\n".join(f"{key}={text}" for key, text in OPTIONS.items())
    written = load(tmp_path, SUPERVISOR + section).settings.groups[0].processes
    basis = load(tmp_path, SUPERVISOR + "command=/bin/x").basis
    added = read_addition(basis, "web", "web", OPTIONS)
    assert added == Addition(written, ())
    assert added.processes[0].environment == {"SHARED": "s", "OWN": "s", "COLOUR": "blue"}
    assert added.processes[0].priority == 7
    again = read_addition(basis, "web", "other", {"command": "/bin/x"}).processes[0]
    assert again.environment == {"SHARED": "s"}


NATIVE = """\
taskmaster: {environment: {SHARED: s}, uid: web, logfile: /tmp/l, pidfile: /tmp/p, childlogdir: /tmp}
programs:
  web:
    command: /bin/web %(process_num)d
    numprocs: 2
    umask: "022"
    exitcodes: 0,2
    starttime: 2.5
"""


def test_a_program_is_what_it_would_be_in_a_native_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, NATIVE, "t.yaml")
    options = {
        "command": "/bin/web %(process_num)d", "numprocs": "2", "umask": "022", "exitcodes": "0,2", "starttime": "2.5",
    }  # fmt: skip
    added = read_addition(loaded.basis, "web", "web", options).processes
    assert added == loaded.settings.groups[0].processes
    assert (added[0].uid, added[0].environment, added[0].startsecs) == (1000, {"SHARED": "s"}, 2.5)


def problems(basis: Any, group: str, program: str, **options: str) -> list[str]:
    with pytest.raises(ConfigRefused) as refused:
        read_addition(basis, group, program, options)
    return [f"{problem.where}: {problem.reason}" for problem in refused.value.problems]


def test_every_problem_is_told(tmp_path: Path) -> None:
    basis = load(tmp_path, SUPERVISOR + "command=/bin/x").basis
    found = problems(basis, "g", "x", startsecs="soon", umask="9", stopsignal="WAVE")
    assert [line.partition(":")[0] for line in found] == ["program"] * 4
    for word in ("startsecs", "umask", "stopsignal", "does not specify a command"):
        assert any(word in line for line in found), word
    assert problems(basis, "a:b", "a b", command="x")[:2] == [
        "program: cannot name a program 'a b'",
        "group: cannot name a group 'a:b'",
    ]
    assert problems(basis, "g", "", command="x")[0] == "program: cannot name a program ''"


def test_unknown_options_are_as_in_the_dialect(tmp_path: Path) -> None:
    basis = load(tmp_path, SUPERVISOR + "command=/bin/x").basis
    added = read_addition(basis, "g", "x", {"command": "/bin/x", "colour": "red"})
    assert isinstance(added.processes[0], ProcessSpec)
    assert "program:x.colour: unknown option, ignored" in added.warnings[0]
    native = load(tmp_path, NATIVE, "t.yaml").basis
    assert problems(native, "g", "x", command="/bin/x", colour="red") == ["programs.x.colour: unknown option"]

"""A daemon that is the superuser keeps no log where a stranger could plant or swap a file."""

from pathlib import Path

import msgspec
import pytest

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_native import load, problems
from tmd.config.additions import read_addition
from tmd.config.host import Host
from tmd.config.safety import unsafe_files
from tmd.tree.problems import ConfigRefused

HINT = "(let nobody else write there, or name another directory)"


class Judge:
    """Finds some directories unsafe, and remembers what it was asked."""

    def __init__(self, *unsafe: str, trusts: int | None = None) -> None:
        self._unsafe = unsafe
        self._trusts = trusts
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    def __call__(self, directory: str, uids: tuple[int, ...]) -> str | None:
        if not directory.endswith((".yaml", ".conf", ".ini")):  # of the files themselves further below
            self.asked.append((directory, uids))
        return f"anybody can write to {directory!r}" if directory in self._unsafe and self._trusts not in uids else None

    def host(self, uid: int = 0) -> Host:
        host = made_up_host(uid=uid, directories=("/", "/tmp", "/srv", "/run", "/var/log", "/var/log/taskmaster"))
        return msgspec.structs.replace(host, unsafe_directory=self)


NATIVE = """\
taskmaster:
  logfile: /srv/tmd.log
  user: nobody
  alerts: [{file: /tmp/a.jsonl}]
programs:
  web:
    command: x
    user: web
    numprocs: 3
    stdout: /srv/out_%(process_num)d
    stderr: AUTO
  api: {command: x, stdout: /srv/api, stderr: NONE}
"""


def test_each_directory_is_asked_for_once_with_those_who_may_write_there(tmp_path: Path) -> None:
    judge = Judge()
    load(tmp_path, NATIVE, host=judge.host())
    assert sorted(judge.asked) == [
        ("/srv", (1000, 65534)),
        ("/srv", (65534,)),
        ("/tmp", (65534,)),
        ("/var/lib/taskmaster", (65534,)),
        ("/var/log/taskmaster", (1000, 65534)),
    ]


def test_nobody_but_the_superuser_asks(tmp_path: Path) -> None:
    judge = Judge("/srv", "/tmp")
    load(tmp_path, NATIVE, host=judge.host(uid=1000))
    assert judge.asked == []


def test_an_unsafe_directory_is_refused_with_its_place(tmp_path: Path) -> None:
    assert problems(tmp_path, NATIVE, host=Judge("/srv").host()) == [
        f"2:3: taskmaster.logfile: cannot keep a log in '/srv': anybody can write to '/srv' {HINT}",
        f"10:5: programs.web.stdout: cannot keep a log in '/srv': anybody can write to '/srv' {HINT}",
    ]
    assert problems(tmp_path, NATIVE, host=Judge("/srv", trusts=1000).host()) == [
        f"2:3: taskmaster.logfile: cannot keep a log in '/srv': anybody can write to '/srv' {HINT}"
    ]
    assert problems(tmp_path, NATIVE, host=Judge("/tmp").host()) == [
        f"4:13: taskmaster.alerts[0].file: cannot keep a log in '/tmp': anybody can write to '/tmp' {HINT}"
    ]
    (generated,) = problems(tmp_path, NATIVE, host=Judge("/var/log/taskmaster").host())
    assert "taskmaster.childlogdir: cannot keep a log in '/var/log/taskmaster'" in generated
    (lasting,) = problems(tmp_path, NATIVE, host=Judge("/var/lib/taskmaster").host())
    assert "taskmaster.statedir: cannot keep a log in '/var/lib/taskmaster'" in lasting


def test_supervisors_dialect_warns(tmp_path: Path) -> None:
    text = "[supervisord]\nlogfile=/var/log/x\nchildlogdir=/var/log\n[program:a]\ncommand=x\nstdout_logfile=y\n"
    loaded = load(tmp_path, text, "t.conf", Judge("/srv", "/var/log").host())
    place, said = f"{tmp_path}/t.conf", "cannot keep a log in"
    assert loaded.warnings == (
        f"{place}:6:1: program:a.stdout_logfile: {said} '/srv': anybody can write to '/srv' {HINT}",
        f"{place}:3:1: supervisord.childlogdir: {said} '/var/log': anybody can write to '/var/log' {HINT}",
    )


@pytest.mark.parametrize("logs", ["logfile: syslog", "logfile: syslog\n  silent: yes"])
def test_what_is_no_file_has_no_directory(logs: str, tmp_path: Path) -> None:
    judge = Judge()
    text = f"taskmaster:\n  {logs}\nprograms: {{a: {{command: x, stdout: NONE, stderr: NONE}}}}\n"
    load(tmp_path, text, host=judge.host())
    assert judge.asked == [("/var/lib/taskmaster", ())]


def test_a_program_that_joins_later_is_looked_at_too(tmp_path: Path) -> None:
    judge = Judge("/srv")
    loaded = load(tmp_path, "taskmaster: {user: nobody}\nprograms: {a: {command: x}}\n", host=judge.host())
    judge.asked.clear()
    read_addition(loaded.basis, "g", "p", {"command": "x", "stdout": "/tmp/x", "stderr": "NONE"})
    assert judge.asked == [("/tmp", (65534,))]
    with pytest.raises(ConfigRefused, match=r"p\.stdout: cannot keep a log in '/srv'"):
        read_addition(loaded.basis, "g", "p", {"command": "x", "stdout": "/srv/x"})


def test_a_file_that_somebody_else_could_replace_is_warned_of_once_for_each_reason() -> None:
    host = Judge("/srv/x.yaml", "/srv/y.yaml").host()
    assert unsafe_files(["/srv/x.yaml", "/srv/y.yaml", "/srv/safe.yaml", "/srv/x.yaml"], host) == [
        f"/srv/{name}.yaml: somebody else could have root run anything: anybody can write to '/srv/{name}.yaml'"
        for name in "xy"
    ]


def test_whoever_used_sudo_is_trusted_with_the_file() -> None:
    host = Judge("/srv/x.yaml", trusts=1000).host()
    assert unsafe_files(["/srv/x.yaml"], host)
    assert unsafe_files(["/srv/x.yaml"], msgspec.structs.replace(host, environ={"SUDO_UID": "1000"})) == []


def test_a_plain_user_is_not_warned_of_his_own_file() -> None:
    assert unsafe_files(["/srv/x.yaml"], Judge("/srv/x.yaml").host(uid=1000)) == []


def test_the_warning_is_among_those_of_the_file(tmp_path: Path) -> None:
    judge = Judge(str(tmp_path / "t.yaml"))
    assert any(
        "could have root run anything" in warning for warning in load(tmp_path, NATIVE, host=judge.host()).warnings
    )

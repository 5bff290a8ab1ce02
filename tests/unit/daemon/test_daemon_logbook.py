"""Which file each process logs to."""

import os
import re
import stat
from pathlib import Path

import pytest

from tmd.config.settings import AUTO, Dialect, ProcessSpec
from tmd.daemon.logbook import Logbook
from tmd.posix.logfiles import LogTarget
from tmd.wire.names import ProcessId


def spec(**options: object) -> ProcessSpec:
    values: dict[str, object] = {"name": "p", "group": "p", "program": "p", "command": "true", **options}
    return ProcessSpec(**values)  # type: ignore[arg-type]


def book(directory: Path, dialect: Dialect, report: list[str] | None = None) -> Logbook:
    return Logbook(dialect, str(directory), "sup.1", (report if report is not None else []).append)


P = ProcessId("p", "p")


def test_a_configured_file(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.NATIVE)
    logbook.assign(
        spec(stdout_logfile="/x/out", stdout_logfile_maxbytes=5, stdout_logfile_backups=2, stderr_logfile=None)
    )
    assert logbook.target(P, "stdout") == LogTarget("/x/out", 5, 2, 0o644)
    assert logbook.target(P, "stderr") is None
    assert (logbook.path(P, "stdout"), logbook.path(P, "stderr")) == ("/x/out", "")


def test_a_redirected_stderr_has_no_file(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.NATIVE)
    logbook.assign(spec(stdout_logfile="/x/out", stderr_logfile="/x/err", redirect_stderr=True))
    assert list(logbook.targets(P)) == [logbook.target(P, "stdout")]


def test_the_paths_of_a_process_are_those_it_has(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.NATIVE)
    assert (logbook.paths(P), list(logbook.targets(P)), logbook.target(P, "stderr")) == ({}, [], None)
    logbook.assign(spec(stdout_logfile="/x/out", stderr_logfile="/x/err"))
    assert logbook.paths(P) == {"stdout": "/x/out", "stderr": "/x/err"}
    assert [target.path for target in logbook.targets(P)] == ["/x/out", "/x/err"]
    logbook.assign(spec(stdout_logfile=None, stderr_logfile="/x/err"))
    assert logbook.paths(P) == {"stderr": "/x/err"}
    logbook.forget(P)
    assert logbook.paths(P) == {}


def test_native_names_are_stable_and_say_the_group(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.NATIVE)
    logbook.assign(spec())
    logbook.assign(spec(group="g"))
    assert logbook.path(P, "stdout") == str(tmp_path / "p-stdout.log")
    assert logbook.path(ProcessId("g", "p"), "stderr") == str(tmp_path / "g.p-stderr.log")
    assert stat.S_IMODE(os.stat(tmp_path / "p-stdout.log").st_mode) == 0o600


def test_supervisor_names_are_generated_once(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.SUPERVISOR)
    logbook.assign(spec())
    first = logbook.path(P, "stdout")
    assert re.fullmatch(r"p-stdout---sup\.1-\w{8}\.log", os.path.basename(first))
    assert stat.S_IMODE(os.stat(first).st_mode) == 0o600
    logbook.assign(spec(stdout_logfile_maxbytes=7))
    assert logbook.target(P, "stdout") == LogTarget(first, 7, 10, 0o600)


def test_a_path_back_to_auto(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.NATIVE)
    logbook.assign(spec(stdout_logfile="/x/out"))
    logbook.assign(spec(stdout_logfile=AUTO))
    assert logbook.path(P, "stdout") == str(tmp_path / "p-stdout.log")


def test_what_is_removed_is_forgotten(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.NATIVE)
    logbook.assign(spec())
    logbook.forget(P)
    assert logbook.path(P, "stdout") == ""
    assert (tmp_path / "p-stdout.log").exists()


@pytest.mark.parametrize("dialect", Dialect)
def test_a_directory_that_is_not_there_is_told_and_may_come_back(tmp_path: Path, dialect: Dialect) -> None:
    report: list[str] = []
    logbook = book(tmp_path / "missing", dialect, report)
    logbook.assign(spec())
    assert os.path.dirname(logbook.path(P, "stdout")) == str(tmp_path / "missing")
    assert "cannot create a log for 'p'" in report[0]
    assert report[0].endswith("(it is tried again when there is output)")


def test_a_link_in_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "p-stdout.log").symlink_to(victim)
    report: list[str] = []
    book(tmp_path, Dialect.NATIVE, report).assign(spec())
    assert not victim.exists()
    assert "cannot create a log for 'p'" in report[0]


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        ("p-stdout---sup.1-abcdefgh.log", True),
        ("p-stderr---sup.1-abcdefgh.log.3", True),
        ("p-stdout---supX1-abcdefgh.log", False),
        ("p-stdout---other-abcdefgh.log", False),
        ("p-stdout.log", False),
        ("notes.txt", False),
    ],
)
def test_the_sweep_takes_our_own_leftovers_only(tmp_path: Path, name: str, goes: bool) -> None:
    (tmp_path / name).touch()
    book(tmp_path, Dialect.SUPERVISOR).sweep()
    assert (tmp_path / name).exists() is not goes


def test_a_leftover_that_stays_is_told_with_its_directory(tmp_path: Path) -> None:
    leftover = tmp_path / "p-stdout---sup.1-abcdefgh.log"
    leftover.mkdir()
    report: list[str] = []
    book(tmp_path, Dialect.SUPERVISOR, report).sweep()
    assert [line.partition(": ")[0] for line in report] == [f"cannot remove old log '{leftover}'"]


def test_no_sweep_in_the_native_dialect(tmp_path: Path) -> None:
    (tmp_path / "p-stdout---sup.1-abcdefgh.log").touch()
    book(tmp_path, Dialect.NATIVE).sweep()
    assert (tmp_path / "p-stdout---sup.1-abcdefgh.log").exists()


def test_generated_files_of_an_earlier_daemon_can_be_kept(tmp_path: Path) -> None:
    before = book(tmp_path, Dialect.SUPERVISOR)
    before.assign(spec())
    before.assign(spec(name="q", group="q"))
    paths = before.paths(P)
    assert paths == {channel: before.path(P, channel) for channel in ("stdout", "stderr")}
    (tmp_path / f"{paths['stdout']}.3").touch()
    logbook = book(tmp_path, Dialect.SUPERVISOR)
    logbook.keep(P, paths)
    logbook.keep(ProcessId("q", "q"), {"stdout": "/etc/passwd", "stderr": str(tmp_path / "gone")})
    logbook.sweep()
    assert sorted(map(str, tmp_path.iterdir())) == sorted([*paths.values(), f"{paths['stdout']}.3"])
    logbook.assign(spec())
    assert logbook.paths(P) == paths
    logbook.assign(spec(name="q", group="q"))
    assert logbook.path(ProcessId("q", "q"), "stdout").startswith(str(tmp_path))


def test_native_files_need_no_keeping(tmp_path: Path) -> None:
    logbook = book(tmp_path, Dialect.NATIVE)
    logbook.keep(P, {"stdout": str(tmp_path / "p-stdout---sup.1-abcdefgh.log")})
    logbook.assign(spec())
    assert logbook.path(P, "stdout") == str(tmp_path / "p-stdout.log")

"""What is claimed of a server that cannot be reached belongs to that server."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl.config import Surroundings, Wishes, find_target


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose daemon lives, or so its pid file says."""
    path = tmp_path / "t.yaml"
    path.write_text("taskmaster: {socket: s.sock, pidfile: p.pid}\n")
    (tmp_path / "p.pid").write_text(f"{os.getpid()}\n")
    return path


@pytest.fixture
def supervisors(tmp_path: Path) -> Path:
    """The same in Supervisor's dialect, with a client's section that says another socket."""
    path = tmp_path / "s.conf"
    path.write_text(
        "[unix_http_server]\nfile=%(here)s/s.sock\n[supervisord]\npidfile=%(here)s/p.pid\n"
        "[supervisorctl]\nserverurl=unix://%(here)s/other.sock\n"
    )
    (tmp_path / "p.pid").write_text(f"{os.getpid()}\n")
    return path


def test_another_address_has_nothing_to_do_with_the_files_pid_file(config: Path, tmctl: Tmctl) -> None:
    ran = tmctl("-c", str(config), "-s", "unix:///nope/s", "status")
    assert ran.outcome == ("unix:///nope/s no such file\n", 4)
    assert ran.err == "no daemon is running here (start one with: tmd -c FILE)\n"


def test_a_daemon_that_has_ended_does_not_run_though_nobody_has_reaped_it(config: Path, tmctl: Tmctl) -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        (config.parent / "p.pid").write_text(f"{ended.pid}\n")
        ran = tmctl("-c", str(config), "status")
    assert ran.err == f"no daemon is running here (start one with: tmd -c {config})\n"


def test_the_files_own_address_said_by_a_flag_is_still_its_own(config: Path, tmctl: Tmctl) -> None:
    ran = tmctl("-c", str(config), "-s", f"unix://{config.parent}/./s.sock", "status")
    assert f"(pid {os.getpid()}, from {config.parent}/p.pid) but its socket" in ran.err


def test_a_client_section_that_says_another_socket_than_the_daemons(supervisors: Path, tmctl: Tmctl) -> None:
    directory = supervisors.parent
    assert tmctl("-c", str(supervisors), "status").err == (
        f"the daemon runs (pid {os.getpid()}, from {directory}/p.pid) but does not listen on {directory}/other.sock"
        f" (compare its configuration with {supervisors})\n"
    )
    supervisors.write_text(supervisors.read_text().replace("other.sock", "s.sock"))
    assert f"but its socket {directory}/s.sock is gone" in tmctl("-c", str(supervisors), "status").err


def test_the_address_of_the_environment_is_not_the_files(
    config: Path, tmctl: Tmctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMCTL_SERVERURL", "unix:///nope/s")
    assert tmctl("-c", str(config), "status").err == "no daemon is running here (start one with: tmd -c FILE)\n"


def test_of_the_default_no_file_is_named(fake: FakeDaemon, tmp_path: Path) -> None:
    around = Surroundings({}, 1000, str(tmp_path), str(tmp_path))
    target = find_target(Wishes(serverurl=fake.url), around)
    assert (target.pidfile, target.serving) == (None, None)


@pytest.mark.parametrize("name", ["supervisord.conf", "etc/supervisord.conf", "taskmaster.yaml"])
def test_as_root_a_file_that_was_passed_over_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmctl: Tmctl
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / name).write_text("[supervisorctl]\nserverurl=unix:///nope/s\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TMCTL_CONFIG")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setattr("tmctl.config.Surroundings.candidates", lambda _: iter(()))
    ran = tmctl("status")
    assert ran.err == f"no daemon is running here (./{name} is not read as root: say -c ./{name})\n"


def test_as_root_the_current_directory_counts_under_supervisors_name_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "supervisord.conf").write_text("[supervisorctl]\nserverurl=unix:///here\n")
    monkeypatch.chdir(tmp_path)
    around = Surroundings({"RUNTIME_DIRECTORY": "/nope"}, 0, str(tmp_path), str(tmp_path / "bin"), "supervisorctl")
    assert find_target(Wishes(), around).url == "unix:///here"
    assert around.passed_over() is None
    around = around._replace(called="tmctl")
    assert find_target(Wishes(), around).config != "supervisord.conf"
    assert around.passed_over() == "supervisord.conf"

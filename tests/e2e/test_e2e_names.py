"""Our programs under the names of Supervisor's, installed as links, in the hands of people who know only those."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pexpect
import pytest

import tmd
from tests.e2e import world
from tests.e2e.harness import ROOT, Answer, Rig
from tests.e2e.launchers import ENTRIES, install

pytestmark = pytest.mark.ours

NAMES = ["echo_supervisord_conf", "pidproxy", "supervisorctl", "supervisord"]


def run(rig: Rig, path: Path, *arguments: str) -> Answer:
    """Run a program of the directory, from somewhere else."""
    done = subprocess.run(
        [path, *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=rig.client_environment(),
        timeout=60,
        check=False,
    )
    return Answer(done.stdout.decode(), done.returncode, done.stderr.decode())


@pytest.fixture
def home(rig: Rig) -> Path:
    """The installation."""
    return install(rig.dir / "venv" / "bin")


@pytest.fixture
def bin_(rig: Rig, home: Path) -> Path:
    """A directory with the links, made by the command that makes them."""
    directory = rig.dir / "bin"
    directory.mkdir()
    answer = run(rig, home / "tmd", "--install-names", str(directory))
    assert (answer.code, answer.err) == (0, "")
    assert sorted(path.name for path in directory.iterdir()) == NAMES
    assert f"{directory}/supervisord -> {home}/tmd\n" in answer.text
    return directory


def test_the_launchers_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == ENTRIES


def test_installing_again_does_nothing_and_nothing_is_overwritten(rig: Rig, home: Path, bin_: Path) -> None:
    answer = run(rig, bin_ / "supervisord", "--install-names", str(bin_))
    assert (answer.code, answer.text.count("(was there)")) == (0, 4)
    (bin_ / "pidproxy").unlink()
    (bin_ / "supervisord").unlink()
    (bin_ / "pidproxy").write_text("precious")
    answer = run(rig, home / "tmd", "--install-names", str(bin_))
    assert (answer.code, answer.text) == (2, "")
    assert f"Error: cannot install '{bin_}/pidproxy': something that is no link of ours is there" in answer.err
    assert (bin_ / "pidproxy").read_text() == "precious"
    assert not (bin_ / "supervisord").exists()
    answer = run(rig, home / "tmd", "--install-names", str(rig.dir / "nowhere"))
    assert (answer.code, "no such directory" in answer.err) == (2, True)


def test_versions_help_and_the_sample(rig: Rig, home: Path, bin_: Path) -> None:
    for flag in ("-v", "--version"):
        assert run(rig, bin_ / "supervisord", flag)[:2] == ("4.3.0\n", 0)
        assert run(rig, home / "tmd", flag)[:2] == (f"{tmd.__version__}\n", 0)
    for flag in ("-?", "-h", "--help"):
        page = run(rig, bin_ / "supervisord", flag).text
        assert "supervisord -- run a set of applications" in page
        assert "-l/--logfile FILENAME -- use FILENAME as" in page
        page = run(rig, bin_ / "supervisorctl", flag).text
        assert "supervisorctl -- control applications" in page
        assert "-i/--interactive -- start an interactive" in page
    sample = run(rig, bin_ / "echo_supervisord_conf", "--ignored", "words")
    assert (sample.code, sample.err) == (0, "")
    assert sample.text == run(rig, home / "tmd", "--sample", "supervisor").text
    assert "[supervisord]" in sample.text
    assert "Sample supervisor config file" in sample.text


def test_an_error_names_the_program_that_was_called(rig: Rig, bin_: Path) -> None:
    answer = run(rig, bin_ / "supervisord", "-c", "/nowhere.conf")
    assert answer[:2] == ("", 2)
    assert answer.err.startswith("Error: could not find config file /nowhere.conf\n")
    assert answer.err.endswith(f"For help, use {bin_}/supervisord -h\n")


@pytest.mark.parametrize("place", ["etc/supervisord.conf", "supervisord.conf"])
def test_the_configuration_is_looked_for_beside_the_link(rig: Rig, bin_: Path, place: str) -> None:
    conf = rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n", ctl="prompt=shop")
    found = rig.dir / place
    found.parent.mkdir(exist_ok=True)
    shutil.move(conf, found)
    answer = run(rig, bin_ / "supervisord")  # as scripts do: without flags, to the background
    assert answer[:2] == ("", 0), answer.err
    rig.daemon_pid = int(rig.until_text("d.pid", "\n"))
    rig.until("web", "RUNNING")
    assert world.command(rig.daemon_pid).endswith("bin/supervisord")
    answer = run(rig, bin_ / "supervisorctl", "status", "web")
    assert re.fullmatch(rf"web {{30}}RUNNING   pid {rig.pid('web')}, uptime 0:00:\d\d\n", answer.text)
    assert run(rig, bin_ / "supervisorctl", "version").text == "4.3.0\n"
    shell = pexpect.spawn(
        str(bin_ / "supervisorctl"), cwd="/", env=rig.client_environment(), encoding="utf-8", timeout=20, echo=False
    )
    try:
        shell.expect(r"web +RUNNING")
        shell.expect_exact("shop> ")
        shell.sendline("reload")
        shell.expect_exact("Really restart the remote supervisord process y/N? ")
        shell.sendline("n")
        shell.expect_exact("shop> ")
        shell.sendline("shutdown")
        shell.expect_exact("y/N? ")
        shell.sendline("y")
        shell.expect_exact("Shut down")
    finally:
        shell.close(force=True)
    rig.wait_end()


def test_without_a_configuration_supervisors_default_server_is_asked(rig: Rig, bin_: Path) -> None:
    if any(Path(path).exists() for path in ("/etc/supervisord.conf", "/etc/supervisor/supervisord.conf")):
        pytest.skip("this machine has a configuration of Supervisor's")
    answer = run(rig, bin_ / "supervisorctl", "version")
    assert "http://localhost:9001" in answer.text


@pytest.mark.parametrize(("name", "coloured"), [("tmctl", True), ("supervisorctl", False)])
def test_states_have_colours_on_a_terminal_but_not_under_supervisors_name(
    rig: Rig, home: Path, bin_: Path, name: str, coloured: bool
) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n")
    rig.start()
    rig.until("web", "RUNNING")
    program = bin_ / name if name == "supervisorctl" else home / name
    environment = {name: value for name, value in rig.client_environment().items() if name != "NO_COLOR"}
    answer = pexpect.run(
        f"{program} -c {rig.conf} status", env=environment | {"TERM": "xterm"}, encoding="utf-8", timeout=30
    )
    assert "RUNNING" in answer
    assert ("\x1b[" in answer) == coloured
    rig.stop()


def test_pidproxy_under_its_old_name(rig: Rig, bin_: Path) -> None:
    assert run(rig, bin_ / "pidproxy", "none", "/bin/echo", "hello")[:2] == ("hello\n", 0)
    assert run(rig, bin_ / "pidproxy", "none").code == 1


def test_programs_find_supervisors_package_as_without_us(rig: Rig) -> None:
    """Event listeners and plug-ins import `supervisor`: nothing of ours may stand before it, or take a path away."""
    asked = f"{sys.executable} -c 'import os, supervisor.childutils as c; print(c.__file__); print(os.environ)'"
    asked = asked.replace("print(os.environ)", 'print(os.environ["PATH"], os.environ["PYTHONPATH"])')
    rig.write(f"[program:asker]\ncommand={asked}\nstartsecs=0\nautorestart=false\nstdout_logfile={{dir}}/out\n")
    rig.start(PATH="/some/where:" + os.environ["PATH"], PYTHONPATH=f"{ROOT}:/else/where")
    rig.until("asker", "EXITED")
    module, paths = rig.text("out").splitlines()
    assert module.endswith("/supervisor/childutils.py")
    assert paths == f"/some/where:{os.environ['PATH']} {ROOT}:/else/where"
    rig.stop()

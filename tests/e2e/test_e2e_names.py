"""Our programs under the names of Supervisor's, installed as links, in the hands of people who know only those."""

import os
import pwd
import re
import shlex
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
from tests.support import end_terminal

pytestmark = pytest.mark.ours

NAMES = ["echo_supervisord_conf", "pidproxy", "supervisorctl", "supervisord"]


def run(rig: Rig, path: Path, *arguments: str, cwd: Path = Path("/")) -> Answer:
    """Run a program of the directory, from somewhere else."""
    done = subprocess.run(
        [path, *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
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
    assert answer.err == f"Error: could not find config file /nowhere.conf\nFor help, use {bin_}/supervisord -h\n"


def test_an_error_page_says_nothing_twice(rig: Rig, bin_: Path) -> None:
    rig.conf.write_text("[supervisord]\n[program:a]\ncommand=%(nope)s\nstartsecs=x\n[program:b]\nautostart=2\n")
    answer = run(rig, bin_ / "supervisord", "-n", "-c", rig.conf.name, cwd=rig.dir)
    assert (answer.text, answer.code) == ("", 2)
    lines = answer.err.splitlines()
    place = f" in section 'program:a' (file: '{rig.conf.name}')"
    assert lines[0] == f"Error: invalid literal for int() with base 10: 'x'{place}"
    assert lines[1] == f"  {rig.conf.name}:4:1: program:a.startsecs (a whole number of seconds, e.g. 3)"
    assert lines[2].startswith(f"  {rig.conf.name}:3:1: program:a.command: Format string '%(nope)s'")
    assert lines[-2:] == [
        f"{len(lines) - 3} problems in all (nothing was started or changed)",
        f"For help, use {bin_}/supervisord -h",
    ]
    assert "Available names" not in answer.err
    assert answer.err.count(place) == 1


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
        end_terminal(shell)
    rig.wait_end()


@pytest.fixture
def workdir(rig: Rig) -> Path:
    """Where an image would have its WORKDIR: not beside the programs."""
    directory = rig.dir / "srv" / "app"
    (directory / "etc").mkdir(parents=True)
    return directory


@pytest.mark.parametrize("place", ["supervisord.conf", "etc/supervisord.conf"])
def test_the_current_directory_counts_under_supervisors_names(rig: Rig, bin_: Path, workdir: Path, place: str) -> None:
    shutil.move(rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n", ctl="prompt=shop"), workdir / place)
    answer = run(rig, bin_ / "supervisord", cwd=workdir)
    assert answer[:2] == ("", 0), answer.err
    warned = f"warning: root obeys '{place}' of the current directory: whoever may write there can have anything run"
    assert (warned in answer.err) is (os.geteuid() == 0)
    rig.daemon_pid = int(rig.until_text("d.pid", "\n"))
    rig.until("web", "RUNNING")
    assert run(rig, bin_ / "supervisorctl", "pid", cwd=workdir)[:2] == (f"{rig.daemon_pid}\n", 0)
    rig.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser passes over files in the current directory")
@pytest.mark.parametrize("place", ["supervisord.conf", "etc/supervisord.conf", "taskmaster.yaml"])
def test_under_our_own_names_root_is_told_what_was_passed_over(rig: Rig, home: Path, workdir: Path, place: str) -> None:
    (workdir / place).write_text("[supervisord]\n")
    answer = run(rig, home / "tmd", "-n", cwd=workdir)
    assert answer[:2] == ("", 2)
    first = answer.err.splitlines()[0]
    assert first.startswith("Error: No config file found at default paths (")
    assert first.endswith(f" (./{place} is not read as root: say -c ./{place})")


def test_a_wrong_flag_is_told_before_a_configuration_is_looked_for(rig: Rig, home: Path, bin_: Path) -> None:
    for program in (bin_ / "supervisord", home / "tmd"):
        for words in (["-e", "foo"], ["-e", "foo", "-c", "/nowhere.conf"]):
            answer = run(rig, program, *words)
            assert answer[:2] == ("", 2)
            assert answer.err.splitlines() == [
                "Error: invalid value for -e 'foo': bad logging level name 'foo'",
                "  (one of critical, error, warn, info, debug, trace, blather)",
                f"For help, use {program} -h",
            ]


def as_nobody() -> list[str]:
    """Return the words before a command that start it as somebody without rights; none when we are such a one.

    Reading is left to them: the interpreter and its library may be where only root may look.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not there (Debian has it in util-linux)")
    who = pwd.getpwnam("nobody")
    kept = [f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")]
    return [setpriv, f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", *kept]


def test_anybody_may_start_from_the_sample_as_scripts_change_it(rig: Rig, bin_: Path) -> None:
    rig.dir.chmod(0o1777)
    scripts = [
        "s/nodaemon=false/nodaemon=true/",
        f"s#/tmp/supervisor.sock#{rig.socket}#",
        f"s#^logfile=/tmp/supervisord.log#logfile={rig.log}#",
        f"s#pidfile=/tmp/supervisord.pid#pidfile={rig.pidfile}#",
        rf"s#^;\(childlogdir=\)/tmp#\1{rig.dir}#",
        r"s/^;\[include\]/[include]/",
        f"s#^;files = relative/directory/\\*.ini#files = {rig.dir}/conf.d/*.ini#",
    ]
    (rig.dir / "conf.d").mkdir()
    (rig.dir / "conf.d" / "web.ini").write_text("[program:web]\ncommand=sleep 100000\nstartsecs=0\n")
    script = f"{bin_}/echo_supervisord_conf | sed {' '.join(f'-e {shlex.quote(each)}' for each in scripts)}"
    rig.conf.write_text(subprocess.run(script, shell=True, capture_output=True, text=True, check=True).stdout)
    with rig.said.open("ab") as said:
        rig.daemon = subprocess.Popen(
            [*as_nobody(), bin_ / "supervisord", "-c", rig.conf],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd="/",
            env=rig.environment(),
            start_new_session=True,
        )
    rig.daemon_pid = rig.daemon.pid
    rig.wait_ready()
    rig.until("web", "RUNNING")
    assert (os.geteuid() == 0) is (rig.socket.stat().st_uid != os.geteuid())
    assert run(rig, bin_ / "supervisorctl", "-c", str(rig.conf), "pid").text == f"{rig.daemon_pid}\n"
    rig.stop()


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

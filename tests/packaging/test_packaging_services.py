"""The service files: systemd's own judge, OpenRC's functions on a real daemon, logrotate on real logs."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import Rig
from tests.packaging import tools
from tests.packaging.tools import ROOT

SCRIPTS = Path(sys.executable).parent
UNIT = ROOT / "etc" / "tmd.service"
OPENRC = ROOT / "etc" / "tmd.openrc"


def verified(path: Path) -> subprocess.CompletedProcess[str]:
    return tools.systemd_analyze().run("verify", "--man=no", path)


def test_systemd_accepts_the_unit_where_tmd_is_installed(tmp_path: Path) -> None:
    """The unit leaves the directory of tmd to systemd, which knows /usr/bin, and not the one of these tests."""
    copy = tmp_path / "tmd.service"
    copy.write_text(UNIT.read_text().replace("=tmd ", f"={SCRIPTS}/tmd "))
    done = verified(copy)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_accepts_the_unit_as_it_is_but_for_a_missing_program() -> None:
    said = verified(UNIT).stderr.splitlines()
    assert [
        line for line in said if line != "tmd.service: Command tmd is not executable: No such file or directory"
    ] == []


def test_a_mistake_in_a_unit_would_be_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "tmd.service"
    copy.write_text(
        UNIT.read_text().replace("=tmd ", f"={SCRIPTS}/tmd ").replace("KillMode=process", "KillMode=proces")
    )
    assert "kill mode" in verified(copy).stderr


def test_the_unit_starts_tmd_with_flags_that_it_has(tmp_path: Path) -> None:
    config = configparser.RawConfigParser(strict=False)
    config.optionxform = str  # type: ignore[assignment, method-assign]
    config.read(UNIT)
    command = config["Service"]["ExecStart"].split()
    assert command == ["tmd", "-n", "-c", "/etc/taskmaster/taskmaster.yaml"]
    assert config["Service"]["Type"] == "notify"
    assert (config["Service"]["Restart"], config["Service"]["KillMode"]) == ("always", "process"), "tmd takes them back"
    (tmp_path / "t.yaml").write_text("programs: {a: {command: sleep 1}}\n")
    check = re.search(r"^ExecReload=tmd (--check-config) ", UNIT.read_text(), re.MULTILINE)
    assert check is not None
    done = subprocess.run([SCRIPTS / "tmd", check[1], tmp_path / "t.yaml"], capture_output=True, check=False)
    assert done.returncode == 0


def test_the_unit_of_a_plain_user_in_the_documentation(tmp_path: Path) -> None:
    page = (ROOT / "docs/installing.md").read_text()
    block = re.search(r"```ini\n(\[Unit\].*?)```", page, re.DOTALL)
    assert block is not None
    unit = tmp_path / "tmd.service"
    unit.write_text(block[1].replace("%h/.local/bin/tmd", f"{SCRIPTS}/tmd"))
    done = verified(unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- OpenRC -----------------------------------------------------------------------------------------------------

STAND_INS = r"""
# What openrc-run has and the script uses.
ebegin() { echo "* $*"; }
eend() { return "$1"; }
need() { echo "need $*"; }
use() { echo "use $*"; }
after() { echo "after $*"; }
checkpath() { echo "checkpath $*"; }
"""
START_STOP_DAEMON = r"""#!/bin/sh
# --signal NAME --pidfile FILE
[ "$1" = --signal ] && [ "$3" = --pidfile ] || exit 9
kill -"$2" "$(cat "$4")"
"""


def openrc(rig: Rig, act: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Do something with the script as openrc-run would, in a POSIX shell."""
    stand_ins = rig.dir / "stand-ins"
    stand_ins.mkdir(exist_ok=True)
    helper = stand_ins / "start-stop-daemon"
    helper.write_text(START_STOP_DAEMON)
    helper.chmod(0o755)
    settings = {
        "TMD_COMMAND": str(SCRIPTS / "tmd"),
        "TMD_CONFIG": str(rig.conf),
        "TMD_PIDFILE": str(rig.pidfile),
        "PATH": f"{stand_ins}:{SCRIPTS}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["/bin/sh", "-eu", "-c", f"TMD_OPTIONS=; {STAND_INS}\n. {OPENRC}\n{act}"],
        env=rig.environment() | settings | variables,
        cwd=rig.dir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


START = 'start_pre && eval "$command" "$command_args"'


def started(rig: Rig) -> None:
    done = openrc(rig, START)
    assert done.returncode == 0, done.stdout + done.stderr
    rig.daemon_pid = int(rig.pidfile.read_text())


def test_openrc_starts_reloads_and_reopens(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 100000\n    startsecs: 0\n")
    started(rig)
    rig.until("web", "RUNNING")
    rig.write_native("  more:\n    command: sleep 100000\n    startsecs: 0\n")
    assert openrc(rig, "reload").returncode == 0
    rig.wait(lambda: set(rig.states()) == {"more:more"}, what="the new configuration is in force")
    assert openrc(rig, "reopen").returncode == 0
    rig.until_line("received SIGUSR2")
    rig.stop()


def test_openrc_makes_the_directories_first(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 100000\n")
    done = openrc(rig, "start_pre")
    assert "checkpath --directory --mode 0755 /run/taskmaster /var/log/taskmaster /var/lib/taskmaster" in done.stdout


def test_openrc_refuses_what_is_broken(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 100000\n    startsecs: 0\n")
    started(rig)
    rig.conf.write_text("programs: {web: {command: 'sleep 1', startsecs: -1}}\n")
    for act in ("checkconfig", "reload", START, "RC_CMD=restart; stop_pre"):
        done = openrc(rig, act)
        assert done.returncode != 0, act
        assert "cannot be negative" in done.stderr, act
    assert openrc(rig, "RC_CMD=stop; stop_pre").returncode == 0
    assert rig.state("web") == "RUNNING"
    assert not rig.lines("SIGHUP")
    rig.stop()


def test_openrc_waits_for_a_long_end(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 1\n")
    assert openrc(rig, 'echo "$retry"').stdout.strip() == "TERM/300/KILL/10"
    assert openrc(rig, 'echo "$retry"', TMD_STOP_S="7").stdout.strip() == "TERM/7/KILL/10"
    assert "need localmount" in openrc(rig, "depend").stdout


def test_openrc_finds_tmd_where_it_is(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 1\n")
    assert openrc(rig, 'echo "$command"', TMD_COMMAND="").stdout.strip() == str(SCRIPTS / "tmd")


@pytest.mark.parametrize("checker", ["sh -n", "shellcheck"])
def test_the_script_is_posix(checker: str) -> None:
    if checker == "sh -n":
        done = subprocess.run(["/bin/sh", "-n", OPENRC], capture_output=True, text=True, check=False)
    else:  # SC2034: variables that openrc-run reads; SC2154: those it sets
        done = tools.shellcheck().run("--shell=sh", "--exclude=SC2034,SC2154", OPENRC)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- logrotate --------------------------------------------------------------------------------------------------


def own_rules(rig: Rig) -> Path:
    """Return the rules with the directories of the rig in place of root's."""
    text = (ROOT / "etc" / "logrotate").read_text()
    assert text.count("/var/log/taskmaster/*.log") == 1
    assert text.count("/run/taskmaster/tmd.pid") == 2
    text = text.replace("/var/log/taskmaster", str(rig.dir)).replace("/run/taskmaster/tmd.pid", str(rig.pidfile))
    rules = rig.dir / "rules"
    rules.write_text(text)
    rules.chmod(0o644)
    return rules


def test_logrotate_understands_the_rules(rig: Rig) -> None:
    (rig.dir / "web.log").write_text("x\n")
    done = tools.logrotate().run("--debug", "--state", rig.dir / "state", own_rules(rig))
    assert done.returncode == 0
    assert "error" not in done.stderr.lower()
    assert "considering log" in done.stderr
    assert "web.log" in done.stderr


def test_a_rotation_loses_no_line(rig: Rig) -> None:
    rig.write_native(
        "  counter:\n    command: sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.002; done'\n    startsecs: 0\n"
        '    stdout_logfile: "{dir}/counter.log"\n    stdout_logfile_maxbytes: 0\n',
        daemon="  logfile_maxbytes: 0\n",
    )
    rig.start()
    rig.until("counter", "RUNNING")
    rig.until_text("counter.log", "\n")
    rules = own_rules(rig)
    done = tools.logrotate().run("--force", "--state", rig.dir / "state", rules)
    assert done.returncode == 0, done.stderr
    (rotated,) = rig.dir.glob("counter.log-*")
    rig.wait(lambda: rig.text("counter.log").count("\n") > 100, what="the new file is written to")
    size = rotated.stat().st_size
    rig.rpc.supervisor.stopProcess("counter")
    assert rotated.stat().st_size == size
    numbers = [int(line) for line in (rotated.read_text() + rig.text("counter.log")).splitlines()]
    assert numbers == list(range(len(numbers)))
    assert list(rig.dir.glob("d.log-*"))
    rig.stop()


def test_a_daemon_that_is_down_is_no_trouble(rig: Rig) -> None:
    (rig.dir / "web.log").write_text("x\n")
    done = tools.logrotate().run("--force", "--state", rig.dir / "state", own_rules(rig))
    assert done.returncode == 0, done.stderr
    assert list(rig.dir.glob("web.log-*"))

"""What a program finds when it starts: environment, directory, umask, user, descriptors, signals, standard input."""

import json
import os
import pwd
import re
import signal
import xmlrpc.client
from typing import Any

import pexpect
import pytest

from tests.e2e.harness import Rig, program
from tests.support import GLIBC_OWN

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can start programs as others")


def facts(rig: Rig, lines: str = "", name: str = "web", **write: str) -> dict[str, Any]:
    rig.write(f"[program:{name}]\ncommand={program('facts.py')} {{dir}}/facts.json\nstartsecs=0\n{lines}\n", **write)
    rig.start()
    return read_facts(rig)


def read_facts(rig: Rig, name: str = "facts.json") -> dict[str, Any]:
    rig.wait(lambda: rig.text(name), what="the program wrote its facts")
    found: dict[str, Any] = json.loads(rig.text(name))
    return found


def test_it_leads_a_process_group_of_its_own(rig: Rig) -> None:
    found = facts(rig)
    assert found["process_group"] == found["pid"] == rig.pid("web")
    assert found["parent"] == rig.daemon_pid
    assert found["session"] == os.getsid(rig.daemon_pid)
    rig.stop()


def test_it_is_told_who_it_is(rig: Rig) -> None:
    environment = facts(rig)["environment"]
    assert environment["SUPERVISOR_ENABLED"] == "1"
    assert environment["SUPERVISOR_PROCESS_NAME"] == "web"
    assert environment["SUPERVISOR_GROUP_NAME"] == "web"
    assert environment["SUPERVISOR_SERVER_URL"] == f"unix://{rig.socket}"
    assert environment["HOME"] == str(rig.dir)  # what the daemon has comes first
    rig.stop()


def test_its_own_environment_wins_over_the_daemons_section_and_that_over_the_daemons_own(rig: Rig) -> None:
    environment = facts(
        rig,
        'environment=A="mine",B="x,y",P="%(program_name)s",H="%(here)s",Q=\'say "hi" now\',E=""',
        daemon='environment=A="theirs",C="c",SUPERVISOR_ENABLED="no",HOME="/h"',
    )["environment"]
    assert {key: environment[key] for key in "ABCEPHQ"} == {
        "A": "mine",
        "B": "x,y",
        "C": "c",
        "E": "",
        "H": str(rig.dir),
        "P": "web",
        "Q": 'say "hi" now',
    }
    assert environment["HOME"] == "/h"
    assert environment["SUPERVISOR_ENABLED"] == "no"
    rig.stop()


def test_directory_and_umask_are_as_configured(rig: Rig) -> None:
    (rig.dir / "work").mkdir()
    found = facts(rig, "directory={dir}/work\numask=027")
    assert (found["directory"], found["umask"]) == (str(rig.dir / "work"), 0o027)
    rig.stop()


def test_without_them_they_are_the_daemons_that_has_those_of_its_own_start(rig: Rig) -> None:
    before = os.umask(0o037)
    try:
        found = facts(rig)
    finally:
        os.umask(before)
    assert (found["directory"], found["umask"]) == (str(rig.dir), 0o037)
    rig.stop()


@AS_ROOT
def test_it_runs_as_its_user_with_that_users_groups(rig: Rig) -> None:
    nobody = pwd.getpwnam("nobody")  # the interpreter of the tests may be out of this user's reach: no Python here
    rig.write(
        "[program:web]\ncommand=/bin/sh -c 'grep -E \"^(Uid|Gid|Groups)\" /proc/self/status; exec sleep 100000'\n"
        "user=nobody\nstdout_logfile={dir}/out\n"
    )
    rig.start()
    said = rig.until_text("out", "Groups").replace("\t", " ").splitlines()
    ids = {word: [int(number) for number in numbers.split()] for word, numbers in (line.split(":") for line in said)}
    assert ids["Uid"] == [nobody.pw_uid] * 4
    assert ids["Gid"] == [nobody.pw_gid] * 4
    assert ids["Groups"] == sorted(set(os.getgrouplist("nobody", nobody.pw_gid)))
    assert (rig.dir / "out").stat().st_uid == 0  # the log stays the daemon's
    rig.stop()


def test_it_has_three_pipes_and_nothing_else_open(rig: Rig) -> None:
    descriptors = facts(rig)["descriptors"]
    assert set(descriptors) == {"0", "1", "2"}
    assert all(target.startswith("pipe:") for target in descriptors.values())
    assert len(set(descriptors.values())) == 3
    rig.stop()


def test_with_redirect_stderr_two_are_the_same(rig: Rig) -> None:
    descriptors = facts(rig, "redirect_stderr=true")["descriptors"]
    assert descriptors["1"] == descriptors["2"] != descriptors["0"]
    rig.stop()


def _masks(rig: Rig) -> dict[str, int]:
    rig.wait(lambda: rig.text("masks"), what="the program wrote its masks")
    return {word: int(bits, 16) for word, bits in re.findall(r"^Sig(\w+):\s*([0-9a-f]+)", rig.text("masks"), re.M)}


def test_in_supervisors_dialect_pipe_and_xfsz_stay_ignored(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('signals.sh')} {{dir}}/masks\n")
    rig.start()
    masks = _masks(rig)
    assert masks["Ign"] & ~GLIBC_OWN == 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
    assert masks["Blk"] == 0
    rig.stop()


@pytest.mark.ours
def test_in_the_native_dialect_no_signal_is_ignored(rig: Rig) -> None:
    rig.write_native(f'  web:\n    command: "{program("signals.sh")} {{dir}}/masks"\n')
    rig.start()
    masks = _masks(rig)
    assert (masks["Ign"] & ~GLIBC_OWN, masks["Blk"]) == (0, 0)
    rig.stop()


@pytest.mark.ours
def test_a_native_file_means_what_it_says(rig: Rig) -> None:
    (rig.dir / "work").mkdir()
    rig.write_native(
        f"""\
  web:
    cmd: "{program("facts.py")} {{dir}}/facts-%(process_num)s.json"
    numprocs: 2
    umask: 027
    workingdir: "{{dir}}/work"
    starttime: 0
    autorestart: always
    stoptime: 3
    stopsignal: USR1
    stdout: "{{dir}}/web.%(process_num)s.out"
    env:
      A: 1
      B: "x,y"
"""
    )
    rig.start()
    for n in range(2):
        found = read_facts(rig, f"facts-{n}.json")
        assert (found["directory"], found["umask"]) == (str(rig.dir / "work"), 0o027)
        assert (found["environment"]["A"], found["environment"]["B"]) == ("1", "x,y")
        assert found["environment"]["SUPERVISOR_PROCESS_NAME"] == f"web_{n:02d}"
    rig.until_all("RUNNING")
    assert sorted(rig.states()) == ["web:web_00", "web:web_01"]
    assert rig.ctl("stop", "web:*").code == 0
    assert len(rig.until_line(r"stopped: web_0\d \(terminated by SIGUSR1\)", 2)) == 2
    rig.stop()


def test_arguments_are_split_as_a_shell_would_without_being_one(rig: Rig) -> None:
    found = facts(rig)
    assert found["argv"] == [f"{rig.dir}/facts.json"]
    rig.stop()


def test_quoting_and_expansion_of_arguments(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('facts.py')} {{dir}}/facts.json 'a b' \"c $HOME\" d\\ e * %(program_name)s"
        " 100%% %(ENV_COLUMNS)s\n"
    )
    rig.start()
    argv = read_facts(rig)["argv"]
    assert argv[1:] == ["a b", "c $HOME", "d e", "*", "web", "100%", "200"]
    rig.stop()


def test_the_files_limit_is_raised_to_minfds_at_least(rig: Rig) -> None:
    found = facts(rig, daemon="minfds=1024\nminprocs=200")
    assert found["files_limit"][0] >= 1024
    rig.stop()


def test_standard_input_is_written_by_request(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('echo.py')}\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    assert rig.rpc.supervisor.sendProcessStdin("web", "hello\n") is True
    rig.until_text("out", "got: hello\n")
    assert rig.rpc.supervisor.sendProcessStdin("web", "grüße\n") is True
    rig.until_text("out", "got: grüße\n")
    assert "end of input" not in rig.text("out")
    rig.stop()


def test_fg_talks_to_the_program_in_the_terminal(rig: Rig) -> None:
    rig.write(f"[program:web]\ncommand={program('echo.py')}\nstdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_text("out", "ready")
    rig.until("web", "RUNNING")
    terminal = rig.terminal("fg", "web")
    terminal.expect_exact("==> Press Ctrl-C to exit <==")
    terminal.sendline("hello")
    terminal.expect_exact("got: hello")
    terminal.sendintr()
    terminal.expect_exact("Exiting foreground")
    if rig.client == "tmctl":  # the original waits for one more line of output before it ends
        terminal.expect(pexpect.EOF)
    assert rig.state("web") == "RUNNING"
    rig.stop()


def test_processes_of_one_program_are_numbered(rig: Rig) -> None:
    rig.write(
        f"[program:web]\ncommand={program('facts.py')} {{dir}}/facts-%(process_num)d.json\n"
        "numprocs=3\nnumprocs_start=7\nprocess_name=%(program_name)s_%(process_num)02d\n"
    )
    rig.start()
    for n in (7, 8, 9):
        environment = read_facts(rig, f"facts-{n}.json")["environment"]
        assert environment["SUPERVISOR_PROCESS_NAME"] == f"web_{n:02d}"
        assert environment["SUPERVISOR_GROUP_NAME"] == "web"
    assert sorted(rig.states()) == ["web:web_07", "web:web_08", "web:web_09"]
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("lines", ["command=cat\nstartsecs=0\n"])
def test_a_program_that_does_not_read_is_no_trouble(rig: Rig, lines: str) -> None:
    rig.write(f"[program:deaf]\ncommand=sleep 100000\nstartsecs=0\n[program:web]\n{lines}stdout_logfile={{dir}}/out\n")
    rig.start()
    rig.until_all("RUNNING")
    taken = 0
    for _ in range(40):
        try:
            rig.rpc.supervisor.sendProcessStdin("deaf", "x" * 50_000)
            taken += 1
        except xmlrpc.client.Fault:
            break
    assert taken >= 1
    assert rig.rpc.supervisor.sendProcessStdin("web", "still here\n") is True
    rig.until_text("out", "still here\n")
    rig.stop()

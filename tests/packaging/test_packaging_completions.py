"""The completions, driven in real shells against a real daemon: words, live names, and names that would do harm."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.harness import Rig
from tests.packaging import tools
from tests.packaging.shells import COMPLETIONS, Name, shell

SHELLS: tuple[Name, ...] = ("bash", "zsh", "fish")
EVIL = "$(touch${IFS}owned)"
TICKS = "`touch${IFS}owned`"
PROGRAMS = "".join(
    f"[program:{name}]\ncommand=sleep 100000\nstartsecs=0\n"
    for name in ("web", EVIL, TICKS, "it's", 'say"so', "back\\slash", "*star&co|x>y", "equal=sign", "ümlaut", "~root")
)
WORKERS = (
    "[program:worker]\ncommand=sleep 100000\nstartsecs=0\nnumprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n"
)


def environment(rig: Rig) -> Mapping[str, str]:
    return rig.client_environment()


@pytest.mark.parametrize("name", SHELLS)
def test_what_is_fixed_needs_no_daemon(name: Name, rig: Rig) -> None:
    (rig.dir / "some.conf").touch()
    (rig.dir / "web").mkdir()
    with shell(name, rig.dir, environment(rig)) as at:
        assert at.line_after("tmctl summ\t") == "tmctl summary "
        assert at.line_after("tmctl --hist\t").rstrip("= ") == "tmctl --history_file"
        assert at.line_after("tmctl --color alw\t") == "tmctl --color always "
        assert at.line_after("tmctl --color=alw\t") == "tmctl --color=always "
        assert at.line_after("tmctl -c som\t") == "tmctl -c some.conf "
        assert at.line_after("tmctl -c some.conf rest\t") == "tmctl -c some.conf restart "
        assert at.line_after("tmctl signal WIN\t") == "tmctl signal WINCH "
        assert at.line_after("tmctl update --ver\t") == "tmctl update --verbose "
        assert at.line_after("tmctl help summ\t") == "tmctl help summary "
        assert at.line_after("tmctl start we\t") == "tmctl start we"
        assert at.line_after("tmd --check\t") == "tmd --check-config "
        assert at.line_after("tmd --explain startse\t") == "tmd --explain startsecs "
        assert at.line_after("tmd --sample superv\t") == "tmd --sample supervisor "
        assert at.line_after("tmd -n -e bla\t") == "tmd -n -e blather "
        assert at.line_after("tmd -n -c som\t") == "tmd -n -c some.conf "
        assert at.line_after("tmd som\t") == "tmd some.conf "
        assert at.line_after("tmd -d we\t").rstrip() == "tmd -d web/"
        at.offers("tmctl st", "start", "status", "stop")


@pytest.mark.parametrize("name", SHELLS)
def test_names_are_those_that_the_daemon_has_now(name: Name, rig: Rig) -> None:
    rig.write(PROGRAMS + WORKERS)
    rig.start()
    rig.until_all("RUNNING")
    with shell(name, rig.dir, environment(rig)) as at:
        assert at.line_after("tmctl -c tm.conf stop we\t") == "tmctl -c tm.conf stop web "
        assert at.line_after(f"tmctl -s unix://{rig.socket} stop we\t") == f"tmctl -s unix://{rig.socket} stop web "
        assert at.line_after("tmctl -ic tm.conf -- stop we\t") == "tmctl -ic tm.conf -- stop web "
        assert at.line_after("tmctl -ctm.conf signal HUP we\t") == "tmctl -ctm.conf signal HUP web "
        assert at.line_after("tmctl --configuration=tm.conf stop web worker:worker_\t").endswith("worker:worker_0")
        assert at.line_after("tmctl -c tm.conf stop worker:worker_01\t") == "tmctl -c tm.conf stop worker:worker_01 "
        at.offers("tmctl -c tm.conf stop w", "web", "worker:worker_00", "worker:worker_01")
        rig.write(WORKERS + "[program:newcomer]\ncommand=sleep 100000\nstartsecs=0\n")
        rig.ctl("update")
        assert at.line_after("tmctl -c tm.conf stop newc\t") == "tmctl -c tm.conf stop newcomer "
        assert at.line_after("tmctl -c tm.conf stop web\t").rstrip() == "tmctl -c tm.conf stop web"
    rig.stop()


@pytest.mark.parametrize("name", SHELLS)
def test_a_name_that_is_code_is_a_name(name: Name, rig: Rig) -> None:
    rig.write(PROGRAMS)
    rig.start()
    rig.until_all("RUNNING")
    typed = {EVIL: "\\$\\(", TICKS: "\\`", "it's": "it", 'say"so': "say", "back\\slash": "back", "ümlaut": "üm",
             "*star&co|x>y": "\\*st", "equal=sign": "equal=", "~root": "\\~"}  # fmt: skip
    with shell(name, rig.dir, environment(rig)) as at:
        at.offers("tmctl -c tm.conf stop ", "touch", "web")
        for program, begun in typed.items():
            said = at.run(f"tmctl --color never -c tm.conf stop {begun}\t")
            assert f"{program}: stopped" in said, program
            assert rig.state(program) == "STOPPED", program
        said = at.run("tmctl --color never -c tm.conf start '$(\t")
        assert f"{EVIL}: started" in said
        if name == "bash":
            said = at.run('tmctl --color never -c tm.conf start "\\`\t')
            assert f"{TICKS}: started" in said
    assert not (rig.dir / "owned").exists()
    assert set(rig.states()) >= {f"{EVIL}:{EVIL}", f"{TICKS}:{TICKS}"}
    rig.stop()


@pytest.mark.parametrize("name", SHELLS)
def test_names_of_sinks(name: Name, rig: Rig) -> None:
    rig.write_native(
        "  web:\n    command: sleep 100000\n",
        daemon='  alerts:\n    - {name: pager, file: "{dir}/a.jsonl"}\n    - {name: archive, file: "{dir}/b.jsonl"}\n',
    )
    rig.start()
    with shell(name, rig.dir, environment(rig)) as at:
        assert at.line_after("tmctl -c tm.yaml alert-test pag\t") == "tmctl -c tm.yaml alert-test pager "
        assert at.line_after("tmctl -c tm.yaml alert-test arch\t") == "tmctl -c tm.yaml alert-test archive "
    rig.stop()


def asked(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tmctl", *words],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tools.ROOT), "HOME": str(cwd)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_server_that_never_answers_costs_a_second(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "s"))
        deaf.listen()
        began = time.monotonic()
        done = asked("--complete", "-s", f"unix://{tmp_path}/s", "stop", "we", cwd=tmp_path)
        assert time.monotonic() - began < 5
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    "words",
    [
        ("-s", "unix:///nowhere", "stop", "we"),
        ("-s", "http://127.0.0.1:1", "stop", "we"),
        ("-c", "/nowhere.conf", "stop", "we"),
        ("-c", "broken.conf", "stop", "we"),
        ("stop", ""),
        ("nonsense", ""),
    ],
)
def test_nothing_is_said_when_nothing_is_known(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "broken.conf").write_text("[supervisord\n\0")
    done = asked("--complete", *words, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")


def test_completing_runs_no_plug_in(rig: Rig) -> None:
    rig.write(
        "[program:web]\ncommand=sleep 100000\n", ctl="\n[ctlplugin:x]\nsupervisor.ctl_factory=no_such_module:make\n"
    )
    rig.start()
    assert rig.ctl("--complete", "stop", "we").text == "web\n"
    rig.stop()


@pytest.mark.parametrize("name", ["tmctl.bash", "tmd.bash"])
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    # SC2034: what one function sets and another reads; SC2207 and SC2016 do not occur
    done = tools.shellcheck().run("--shell=bash", "--exclude=SC2034", COMPLETIONS / name)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["_tmctl", "_tmd"])
def test_zsh_reads_them_without_a_word(name: str) -> None:
    done = tools.zsh().run("-n", COMPLETIONS / name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", sorted(COMPLETIONS.iterdir()), ids=lambda path: path.name)
def test_supervisors_own_names_are_left_alone(path: Path) -> None:
    registered = re.findall(r"^(?:#compdef|complete (?:-c|-F \w+)) (\S+)", path.read_text(), re.MULTILINE)
    assert set(registered) == {path.name.removeprefix("_").partition(".")[0]}

"""Ansible's community.general.supervisorctl, unmodified, with tmctl as its supervisorctl."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.clients.naming import SCRIPTS
from tests.e2e.harness import Rig
from tests.fetching import fetched, only, run

pytestmark = pytest.mark.clients
CORE = "ansible-core==2.19.14"
COLLECTIONS = "ansible==12.3.0"
INSIDE = "ansible_collections/community/general/"
PROGRAMS = (
    "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
    "[group:team]\nprograms=one,two\n"
    "[program:one]\ncommand=sleep 100000\nstartsecs=0\n"
    "[program:two]\ncommand=sleep 100000\nstartsecs=0\n"
)


def installation() -> Path:
    """Return the directory that holds the virtual environment and the collection."""
    return fetched("ansible", _install)


def _install(place: Path) -> None:
    venv.create(place / "venv", with_pip=True)
    pip: list[str | Path] = [place / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", CORE], place, CORE)
    run([*pip, "download", "--no-deps", COLLECTIONS], place, COLLECTIONS)
    wheel = only(place, "ansible-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place, [name for name in archive.namelist() if name.startswith(INSIDE)])
    wheel.unlink()


class Ansible:
    """The module on this machine, for one rig."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._place = installation()

    def __call__(self, state: str, name: str, **more: str) -> dict[str, Any]:
        """Bring a program into a state; return what the module said, the exit code as `code`."""
        ctl = SCRIPTS / ("tmctl" if self._rig.subject == "tmd" else "supervisorctl")
        words = {"name": name, "state": state, "supervisorctl_path": str(ctl), "config": str(self._rig.conf), **more}
        # A script of a virtual environment that was moved names the place it was made in: start it by the interpreter.
        command = [str(self._place / "venv/bin/python"), "-m", "ansible", "adhoc"]
        command += ["localhost", "-c", "local", "-m", "community.general.supervisorctl", "-a", json.dumps(words)]
        environment = os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(self._place),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(self._rig.dir / "ansible"),
            "HOME": str(self._rig.dir),
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
        _, arrow, said = done.stdout.partition(" => ")
        assert arrow, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(said)
        return answer | {"code": done.returncode}


def changed(answer: dict[str, Any]) -> bool:
    """Say whether the module changed something; assert that it did not fail."""
    assert answer["code"] == 0, answer
    return bool(answer["changed"])


@pytest.mark.timeout(400)
def test_the_module_brings_programs_through_its_states(rig: Rig) -> None:
    rig.write(PROGRAMS)
    rig.start()
    rig.until_all("RUNNING")
    ansible = Ansible(rig)

    assert not changed(ansible("started", "web"))
    assert changed(ansible("stopped", "web"))
    assert rig.state("web") == "STOPPED"
    assert not changed(ansible("stopped", "web"))
    assert changed(ansible("started", "web"))
    pid = rig.pid("web")
    assert changed(ansible("restarted", "web"))
    assert rig.pid("web") not in (0, pid)
    pid = rig.pid("web")
    assert changed(ansible("signalled", "web", signal="USR1"))  # ends a sleep, which is started again
    rig.until_new_pid("web", pid)

    assert sorted(ansible("stopped", "team:")["affected"]) == ["team:one", "team:two"]
    assert changed(ansible("started", "team:one"))
    assert ansible("started", "team:")["affected"] == ["team:two"]

    rig.write(PROGRAMS + "[program:new]\ncommand=sleep 100000\nstartsecs=0\n")
    assert changed(ansible("present", "new"))
    assert not changed(ansible("present", "new"))
    rig.until("new", "RUNNING")
    assert ansible("absent", "new")["msg"].startswith("ERROR: process/group still running: new")
    assert changed(ansible("absent", "new", stop_before_removing="true"))
    assert not changed(ansible("absent", "new"))
    assert "new:new" not in rig.states()
    assert ansible("started", "nobody")["msg"] == "ERROR (no such process)"

    rig.write(PROGRAMS.replace("sleep 100000", "sleep 100001", 1))
    assert changed(ansible("restarted", "web"))  # updates first
    assert rig.state("web") == "RUNNING"
    rig.stop()

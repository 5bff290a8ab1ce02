"""The npm package `supervisord`, unmodified, in node: every method it has but those that end the daemon."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.free import free_port
from tests.e2e.harness import Rig
from tests.fetching import fetched, run

pytestmark = pytest.mark.clients
RELEASE = "0.1.0"
SCRIPT = Path(__file__).with_name("node_client.js")
PROGRAMS = (
    "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
    "[program:echo]\ncommand=/bin/sh -c 'read line; echo $line >{dir}/heard; exec sleep 100000'\nstartsecs=0\n"
    "[program:talker]\ncommand=/bin/sh -c 'echo out; echo err >&2'\nstartsecs=0\nautorestart=false\n"
)


def module() -> Path:
    """Return the directory of the package, its dependencies beside it."""
    return fetched(f"npm-supervisord-{RELEASE}", _install) / "node_modules/supervisord"


def _install(place: Path) -> None:
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix", str(place)]
    run(["npm", "install", *options, f"supervisord@{RELEASE}"], place, f"the npm package supervisord {RELEASE}")


def played(address: str) -> list[tuple[str, Any]]:
    """Call everything; return (method, answer)."""
    done = subprocess.run(["node", SCRIPT, module(), address], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return [(name, answer) for name, answer in json.loads(done.stdout)]


@pytest.mark.parametrize("over", ["unix", "tcp"])
def test_every_method_answers_as_supervisord_does(rig: Rig, over: str) -> None:
    port = free_port()
    rig.write(PROGRAMS, head=f"[inet_http_server]\nport=127.0.0.1:{port}\nusername=user\npassword=secret\n")
    rig.start()
    rig.until("talker", "EXITED")
    rig.until("echo", "RUNNING")
    answers = played(f"unix://{rig.socket}" if over == "unix" else f"http://user:secret@127.0.0.1:{port}")

    faults = [(name, answer) for name, answer in answers if isinstance(answer, dict) and "code" in answer]
    assert faults == [("getProcessInfo", {"code": 10, "text": "BAD_NAME: nobody"})]
    first: dict[str, Any] = {}
    for name, answer in answers:
        first.setdefault(name, answer)
    assert first["getAPIVersion"] == first["getVersion"] == "3.0"
    assert first["getState"] == {"statecode": 1, "statename": "RUNNING"}
    assert first["getPID"] == rig.daemon_pid
    assert first["multicall"] == [rig.daemon_pid, first["getState"]]
    assert [info["name"] for info in first["getAllProcessInfo"]] == ["echo", "talker", "web"]
    assert first["readProcessStdoutLog"] == "out\n"
    assert first["readProcessLog"] == "out"
    assert first["tailProcessStdoutLog"] == first["tailProcessLog"] == ["ut\n", 4, True]
    assert first["tailProcessStderrLog"] == ["err\n", 4, False]
    assert first["reloadConfig"] == [[[], [], []]]
    assert "supervisor.getState" in first["listMethods"]
    assert rig.until_text("heard", "grüße")
    rig.stop()

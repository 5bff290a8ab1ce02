"""Extensions and result handlers that cannot be imported: why."""

from pathlib import Path

import pytest

from tests.unit.config.hosts import this_host
from tmd.config.load import load_file
from tmd.tree.problems import ConfigRefused

HEAD = "[supervisord]\n"
LISTENER = "[eventlistener:l]\ncommand=cat\nevents=EVENT\n"
NATIVE = "programs: {p: {command: cat}}\n"
GONE = "ModuleNotFoundError: No module named 'gone'"


@pytest.mark.parametrize(
    ("name", "text", "first", "problem"),
    [
        (
            "t.conf",
            f"{HEAD}[rpcinterface:x]\nsupervisor.rpcinterface_factory=gone:make\n",
            "gone:make cannot be resolved within [rpcinterface:x]",
            f":3:1: rpcinterface:x.supervisor.rpcinterface_factory: {{first}} ({GONE})",
        ),
        (
            "t.conf",
            f"{HEAD}[rpcinterface:x]\nsupervisor.rpcinterface_factory=os:\n",
            "os: cannot be resolved within [rpcinterface:x]",
            ":3:1: rpcinterface:x.supervisor.rpcinterface_factory: {first} (it does not read module:attribute)",
        ),
        (
            "t.conf",
            f"{HEAD}{LISTENER}result_handler=gone:judge\n",
            "gone:judge cannot be resolved within [eventlistener:l]",
            f":5:1: eventlistener:l.result_handler: {{first}} ({GONE})",
        ),
        (
            "t.yaml",
            f"{NATIVE}rpcinterfaces: {{x: {{factory: 'gone:make'}}}}\n",
            "",
            f"rpcinterfaces.x.factory: cannot import 'gone:make' ({GONE})",
        ),
        (
            "t.yaml",
            f"{NATIVE}eventlisteners: {{l: {{command: cat, events: EVENT, result_handler: 'gone:judge'}}}}\n",
            "",
            f"eventlisteners.l.result_handler: cannot import 'gone:judge' ({GONE})",
        ),
    ],
)
def test_the_reason_stands_beside_the_place(tmp_path: Path, name: str, text: str, first: str, problem: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigRefused) as refused:
        load_file(str(path), this_host())
    assert str(refused.value.problems[0]).endswith(problem.format(first=first))
    if first:
        assert refused.value.supervisor_text == first, "Supervisor's words, and none beside them"

"""Write a configuration, start `supervisord` from the PATH and use it, all through supervisor-pydantic.

    python pydantic_client.py DIRECTORY PORT

Its models take nothing for granted: a field that is missing or of another type is an error here.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from xmlrpc.client import Fault

from supervisor_pydantic import ProgramConfiguration, SupervisorConvenienceConfiguration
from supervisor_pydantic.client import ProcessState, SupervisorRemoteXMLRPCClient, SupervisorState

from tests.support import eventually

DEADLINE_S = 20.0


def answers(client: SupervisorRemoteXMLRPCClient) -> Callable[[], bool]:
    """Return a probe that says whether the daemon answers."""

    def probe() -> bool:
        try:
            return bool(client.getState() == SupervisorState.RUNNING)
        except OSError:
            return False

    return probe


def refused(ask: Callable[[], object]) -> int:
    """Return the code of the fault that a call ends in, 0 when it ends in none."""
    try:
        ask()
    except Fault as fault:
        return fault.faultCode
    return 0


def main(directory: Path, port: int) -> None:
    """Play the story; an assertion that does not hold ends it."""
    programs = {
        "web": ProgramConfiguration(command="sleep 100000"),
        "batch": ProgramConfiguration(command="sh -c 'echo out; echo err >&2; sleep 1.2; exit 3'"),
        "broken": ProgramConfiguration(command="sh -c 'exit 3'"),
    }
    cfg = SupervisorConvenienceConfiguration(
        port=f"127.0.0.1:{port}",
        username="user",
        password="secret",
        working_dir=directory,
        startretries=0,
        program=programs,
    )
    for name in programs:
        (directory / name).mkdir()
    cfg.write()
    cfg.start(daemon=True)
    client = SupervisorRemoteXMLRPCClient(cfg)
    eventually(answers(client), DEADLINE_S, what="the daemon answers")

    assert {info.name for info in client.getAllProcessInfo()} == set(programs)
    assert all(info.state is ProcessState.STOPPED for info in client.getProgramProcessInfo())
    assert client.startProcess("web").running()
    assert client.startProcess("web").running()  # started already: the client asks for the state instead
    assert client.startProcess("broken").spawnerr.startswith("Exited too quickly")
    eventually(lambda: client.getProcessInfo("broken").bad(), DEADLINE_S, what="broken is FATAL")
    assert client.startProcess("batch").state is ProcessState.RUNNING
    eventually(lambda: client.getProcessInfo("batch").state is ProcessState.EXITED, DEADLINE_S)
    batch = client.getProcessInfo("batch")
    assert batch.exitstatus == 3
    assert batch.bad()
    assert client.readProcessStdoutLog("batch") == client.readProcessLog("batch") == "out\n"
    assert client.readProcessStderrLog("batch", 1, 2) == "rr"
    assert client.getProcessLogSize("batch", "stdout") == 4
    assert client.signalProcess("web", "CONT") is True
    assert refused(lambda: client.signalProcess("batch", "CONT")) == 70
    assert client.stopProcess("web").done()

    programs["more"] = ProgramConfiguration(command="sleep 100000")
    (directory / "more").mkdir()
    wider = SupervisorConvenienceConfiguration(
        port=f"127.0.0.1:{port}",
        username="user",
        password="secret",
        working_dir=directory,
        startretries=0,
        program=programs,
    )
    wider.write()
    (added,) = SupervisorRemoteXMLRPCClient(wider).reloadConfig(start_new=True)
    assert added.running()
    cfg.stop()
    eventually(lambda: not cfg.running(), DEADLINE_S, what="the daemon ends")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

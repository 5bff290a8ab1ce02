"""The daemon of a rig, killed and started again."""

from tests.e2e.harness import Rig


def kill(rig: Rig) -> None:
    """Kill the daemon, and nothing else."""
    assert rig.daemon is not None
    rig.daemon.kill()
    rig.daemon.wait()
    rig.daemon = None
    rig.forget_proxy()


def again(rig: Rig, *arguments: str) -> None:
    """Kill the daemon and start it again."""
    kill(rig)
    rig.start(*arguments)

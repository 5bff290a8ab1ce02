"""From settings to a daemon that runs, and again, until it is over: restarts in one process.

    lock the pid file -> an instance -> the next one -> pid file gone

Nothing of a first instance is touched before the lock says that we are alone.
"""

import os
import sys
import traceback
from typing import NamedTuple

from tmd.config.load import Loaded
from tmd.daemon.boot import Boot
from tmd.daemon.footing import CannotStart
from tmd.daemon.handover import CannotHandOver, State, replace_process
from tmd.daemon.instance import Instance
from tmd.daemon.upgrading import Handed
from tmd.posix import capabilities, signals
from tmd.posix.pidfile import PidFile

__all__ = ["Boot", "run"]

TURN_S = 0.001
"""how long another thread may compute before the loop has its turn, which it gives away with each write to a socket"""


class Succession(NamedTuple):
    """What this process goes on with. `before`: the settings in force so far; `regret`: for the log."""

    state: State
    before: Loaded
    regret: str = ""


def run(boot: Boot, loaded: Loaded, succession: Succession | None = None) -> int:
    """Run until told to stop; restarts in the same process. Returns the exit code; raises `CannotStart`.

    A restart that cannot start from the new configuration goes back to the one before, and says so. `succession`: an
    earlier process has made way for this one.
    """
    if succession is None:
        signals.reset_inherited()  # else whatever has come since the earlier one made way is lost
    signals.hold(signals.HANDLED)
    sys.setswitchinterval(TURN_S)
    held: PidFile | None = None
    good: tuple[Loaded, str] | None = None
    regret = ""
    handover: State | None = None
    if succession is not None:
        handover, regret = succession.state, succession.regret
        held = PidFile(*handover.pidfile)
        good = succession.before, boot.path
        boot.take_over(handover.boot)
        if os.geteuid() != 0:
            capabilities.keep_to_ourselves(capabilities.SPAWNING)  # the exec had to have them handed on
    try:
        while True:
            instance = Instance(boot, loaded, first=good is None, regret=regret, handover=handover)
            try:
                held = instance.lock(held)
                again = instance.run(held)
            except CannotStart as why:
                if good is None:
                    raise
                if good == (loaded, boot.path):
                    instance.last_words(f"cannot start again: {why}")
                    raise
                regret = f"cannot start with the new configuration, going on with the one before: {why}"
                loaded, boot.path = good
                continue
            except BaseException as why:
                instance.last_words(f"a defect has ended the daemon:\n{traceback.format_exc()}")
                if isinstance(why, Exception):
                    raise
                # Foreign code may ask for an exit with status 0, which would look like an ordinary end.
                raise RuntimeError(f"{type(why).__name__} has ended the daemon") from why
            finally:
                instance.close()
            if again is None:
                return instance.exit_code
            good, regret, handover = (loaded, boot.path), "", None
            if isinstance(again, Handed):
                handover = again.state
                regret = _make_way(again)
            else:
                loaded, boot.path = again
    finally:
        if held is not None:
            held.release()


def _make_way(handed: Handed) -> str:
    """Have another process go on in our place. Return why there is none: then it is up to us to go on."""
    state = handed.state
    state.failed, state.refused = True, state.refused + 1
    if not handed.data:
        return "cannot upgrade, going on as before"
    try:
        replace_process(handed.state, handed.data)
    except (OSError, CannotHandOver) as why:
        return f"cannot upgrade, going on as before: {why}"

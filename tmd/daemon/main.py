"""From settings to a daemon that runs, and again, until it is over: restarts in one process.

    lock the pid file -> an instance -> the next one -> pid file gone

Nothing of a first instance is touched before the lock says that we are alone.
"""

import signal
import sys
import traceback

from tmd.config.load import Loaded
from tmd.daemon.footing import CannotStart
from tmd.daemon.instance import Boot, Instance
from tmd.posix import signals
from tmd.posix.pidfile import PidFile

__all__ = ["Boot", "run"]

TURN_S = 0.001
"""how long another thread may compute before the loop has its turn, which it gives away with each write to a socket"""
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run(boot: Boot, loaded: Loaded) -> int:
    """Run until told to stop; restarts in the same process. Returns the exit code; raises `CannotStart`.

    A restart that cannot start from the new configuration goes back to the one before, and says so.
    """
    signals.reset_inherited()
    signals.hold(HANDLED)
    sys.setswitchinterval(TURN_S)
    held: PidFile | None = None
    good: tuple[Loaded, str] | None = None
    regret = ""
    try:
        while True:
            instance = Instance(boot, loaded, first=good is None, regret=regret)
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
                return 0
            good, regret = (loaded, boot.path), ""
            loaded, boot.path = again
    finally:
        if held is not None:
            held.release()

"""What signals to the daemon mean. To programs nothing is passed on: they have groups of their own."""

import os
import signal

from tmd.config.settings import Dialect
from tmd.daemon.boot import Boot
from tmd.daemon.daemon import Daemon
from tmd.daemon.grace import Grace
from tmd.daemon.runtime import Runtime
from tmd.posix.drain import Drain
from tmd.posix.signals import HANDLED
from tmd.wire.faults import RpcFault

LEAVING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Receiver:
    """Acts on signals once it listens. In the foreground, who sends SIGINT sits before a terminal."""

    def __init__(self, runtime: Runtime, surface: Daemon, drain: Drain, grace: Grace, boot: Boot) -> None:
        self._runtime, self._surface, self._drain, self._grace = runtime, surface, drain, grace
        self._foreground, self._write_profile = boot.foreground, boot.write_profile

    def listen(self) -> None:
        """Take signals from now on."""
        for signum in HANDLED:
            self._runtime.loop.on_signal(signum, self._take)

    def _take(self, signum: int) -> None:
        if self._surface.upgrading.held:
            os.kill(os.getpid(), signum)  # it is blocked by now, and waits for the next daemon
        elif signum in LEAVING:
            self._leave(signum)
        elif signum == signal.SIGHUP:
            self._hang_up()
        elif signum == signal.SIGUSR1:
            self._upgrade()
        else:
            self._reopen()

    def _leave(self, signum: int) -> None:
        self._runtime.mainlog.warn(f"received {signal.Signals(signum).name} indicating exit request")
        self._grace.asked(may_hurry=signum == signal.SIGINT and self._foreground)  # Ctrl-C, and Ctrl-C again
        self._surface.shutdown()

    def _hang_up(self) -> None:
        if not self._surface.running:
            self._runtime.mainlog.warn("ignored SIGHUP indicating restart request (shutdown in progress)")
            return
        native = self._runtime.settings.dialect is Dialect.NATIVE
        self._runtime.mainlog.warn(f"received SIGHUP indicating {'reload' if native else 'restart'} request")
        try:
            self._surface.reload()
        except RpcFault:
            return  # the configuration was refused: logged where it was read

    def _upgrade(self) -> None:
        self._runtime.mainlog.warn("received SIGUSR1 indicating upgrade request")
        try:
            self._surface.upgrade()
        except RpcFault as why:
            self._runtime.mainlog.warn(f"ignored SIGUSR1 indicating upgrade request: {why.detail or why.text}")

    def _reopen(self) -> None:
        self._runtime.mainlog.info("received SIGUSR2 indicating log reopen request")
        self._drain.reopen()
        if trouble := self._write_profile():
            self._runtime.mainlog.warn(trouble)
        self._runtime.mainlog.info("supervisord logreopen")

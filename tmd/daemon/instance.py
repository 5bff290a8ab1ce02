"""One run of the daemon: what is built, in which order, and how it goes to pieces at the end.

    limits -> privileges -> loop, drain, log -> sockets -> groups -> turn the crank
    -> replies out, sockets closed -> log flushed

The lock on the pid file is held by who runs it.
"""

import errno
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

import tmd
from tmd.config.load import Loaded
from tmd.config.settings import DaemonSettings, Dialect, ProcessSpec, ServerSpec, Settings
from tmd.core import inputs as i
from tmd.core.alerts import Reporter
from tmd.core.events import text_of
from tmd.daemon.alerts import Alerts
from tmd.daemon.configuration import Configuration
from tmd.daemon.counters import Counters
from tmd.daemon.daemon import Daemon
from tmd.daemon.footing import CannotStart, Footing
from tmd.daemon.gauges import keep_gauges
from tmd.daemon.history import keep_history
from tmd.daemon.launching import Launching
from tmd.daemon.lives import Lives
from tmd.daemon.logbook import Logbook
from tmd.daemon.mainlog import MainLog
from tmd.daemon.plumbing import Plumbing
from tmd.daemon.runtime import Runtime
from tmd.daemon.service import ServiceReports
from tmd.daemon.surface import Channel, DaemonSurface, StartRefused
from tmd.daemon.workers import Workers
from tmd.posix import limits
from tmd.posix.drain import Drain
from tmd.posix.logfiles import LogTarget, open_file
from tmd.posix.loop import Loop
from tmd.posix.notify import Contract
from tmd.posix.pidfile import PidFile
from tmd.posix.sockets import SocketInUse
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.levels import Level
from tmd.wire.names import ProcessId
from tmd.wire.states import DaemonState

REPLIES_S = 1.0
"""how long the end waits for clients to take the replies that are under way"""
ALERTS_S = 2.0
"""how long the end waits for alerts that are under way"""
STANDARD_OUTPUT = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
DRAIN_STOP_S = 2.0
"""how long the end waits for a slow disk to take the last lines"""


class Servers(Protocol):
    """The HTTP listeners, as opened by the floor above."""

    @property
    def open(self) -> Sequence[ServerSpec]:
        """Those that are open: one that nobody asked for may be missing."""

    def drain(self, deadline_s: float, done: Callable[[], None]) -> None:
        """Stop listening, let replies in flight go out, then call `done`."""

    def close(self) -> None:
        """Close whatever is open."""


OpenServers = Callable[[Loop, Sequence[ServerSpec], DaemonSurface], Servers]


class Boot:
    """What does not change over restarts in one process: flags, file, how to read it, how to serve."""

    def __init__(
        self,
        *,
        path: str,
        load: Callable[[str], Loaded],
        open_servers: OpenServers,
        environ: Mapping[str, str],
        foreground: bool,
        ready: Callable[[], None],
        contract: Contract,
    ) -> None:
        self.path, self.load, self.open_servers, self.environ = path, load, open_servers, environ
        self.foreground = foreground
        self.ready = ready
        self.uid = os.geteuid()
        """who we were when we got the environment"""
        self.contract = contract
        """what the service manager wants of us"""
        self.files_limit: int | None = None
        """the soft limit of open files as configured, before we raised our own in need"""
        self.warned: tuple[str, ...] = ()
        """what a configuration was warned of before a restart"""


class Instance:
    """One run between two restarts."""

    def __init__(self, boot: Boot, loaded: Loaded, *, first: bool, regret: str) -> None:
        self._boot, self._loaded, self._first = boot, loaded, first
        self._settings: Settings = loaded.settings
        self._loop = Loop()
        self._footing = Footing(self._settings, foreground=boot.foreground)
        if regret:
            self._footing.notes.append((Level.CRIT, regret))

    def run(self, pidfile: PidFile) -> tuple[Loaded, str] | None:
        """Return what to start again from, or None when it is over."""
        self._footing.take(pidfile, first=self._first)
        return self._supervise(self._settings.daemon)

    def lock(self, held: PidFile | None) -> PidFile:
        """Return the lock on our pid file: the one held already, where it is the same file."""
        return self._footing.lock(held)

    def close(self) -> None:
        """Give back the loop."""
        self._loop.close()

    def last_words(self, text: str) -> None:
        """Leave a line in the log when nothing is left that could write it in the ordinary way."""
        if self._settings.daemon.logfile == "syslog":
            return
        try:
            with open(self._settings.daemon.logfile, "ab") as file:

                def write(_level: Level, line: bytes, _text: str) -> None:
                    file.write(line)

                MainLog(Level.INFO, [write], time.time).critical(text)
        except OSError:
            return  # then there is no place left to say it

    # --- while it runs ----------------------------------------------------------------------------------------

    def _supervise(self, daemon: DaemonSettings) -> tuple[Loaded, str] | None:
        runtime: Runtime
        if daemon.logfile != "syslog":
            _refuse_unwritable(daemon.logfile)
        drain = Drain(
            post=self._loop.post,
            dropped=lambda target, count, reason: runtime.dropped(target, count, reason),  # noqa: PLW0108 - not there yet
            heard=lambda key, transformed: runtime.heard(key, transformed),  # noqa: PLW0108 - not there yet
            failed=lambda text: mainlog.error(f"the log pump failed:\n{text}"),
            identity=daemon.identifier,
        )
        drain.start()
        main_target = None
        if daemon.logfile != "syslog":
            main_target = LogTarget(daemon.logfile, daemon.logfile_maxbytes, daemon.logfile_backups)
            drain.prepare(main_target)
        mainlog = MainLog(daemon.loglevel, self._outlets(drain, main_target, daemon), time.time)
        self._loop.on_error = lambda text: mainlog.error(f"a callback failed:\n{text}")
        logbook = Logbook(self._settings.dialect, daemon.childlogdir, daemon.identifier, mainlog.warn)
        counters = Counters(lambda id_, pid: gauges.spent(id_, pid))  # noqa: PLW0108 - not there yet
        runtime = Runtime(
            settings=self._settings,
            loop=self._loop,
            drain=drain,
            mainlog=mainlog,
            logbook=logbook,
            lives=lambda runtime: self._make_lives(runtime, drain, logbook, mainlog, counters),
            alerts=lambda runtime: self._make_alerts(runtime, drain, mainlog),
            wall=time.time,
            halted=lambda: halted(),  # noqa: PLW0108 - not there yet
        )

        def halted() -> None:
            runtime.waiting.abandon(RpcFault(Fault.SHUTDOWN_STATE))
            runtime.alerts.finish(ALERTS_S, lambda: servers.drain(REPLIES_S, self._loop.stop))

        workers = Workers(self._loop.post)
        configuration = Configuration(self._boot.path, self._loaded, self._boot.load)
        history = keep_history(runtime, self._settings.daemon, workers)
        gauges = keep_gauges(runtime, workers)
        runtime.bus.subscribe(counters.hear)
        service = self._reports(runtime)
        surface = Daemon(
            runtime=runtime,
            service=service,
            configuration=configuration,
            history=history,
            gauges=gauges,
            counters=counters,
            workers=workers,
            main_target=main_target,
            servers=self._settings.servers,
            figures=lambda: self._figures(drain),
        )
        with ExitStack() as ends:  # each has its turn at the end, from the last to the first, whatever another one does
            ends.callback(drain.stop, DRAIN_STOP_S)
            ends.callback(history.close)
            ends.callback(runtime.close)
            ends.callback(workers.close)
            ends.callback(gauges.close)
            ends.callback(service.close)
            for level, text in self._footing.notes:
                mainlog.log(level, text)
            for note in self._loaded.notes:
                mainlog.info(note)
            for warning in self._loaded.warnings:
                if warning not in self._boot.warned:
                    mainlog.warn(warning)
            if not daemon.nocleanup:
                logbook.sweep()
            servers = self._open_servers(surface)
            ends.callback(servers.close)
            surface.opened(servers.open)
            self._announce(surface, mainlog)
            self._listen_to_signals(runtime, surface, drain)
            self._populate(runtime)
            self._boot.ready()
            self._loop.call_soon(service.ready)
            self._serve(surface, mainlog)
        if configuration.next is None or surface.state is not DaemonState.RESTARTING:
            return None
        self._boot.warned = configuration.warnings
        return configuration.next, configuration.path

    def _reports(self, runtime: Runtime) -> ServiceReports:
        service = ServiceReports(
            self._boot.contract,
            self._loop,
            states=lambda: (
                (member.id.namespec, member.process.state)
                for group in runtime.overseer.groups.values()
                for member in group.members.values()
            ),
            debug=runtime.mainlog.debug,
            foreground=self._boot.foreground,
        )
        runtime.bus.subscribe(service.hear)
        return service

    def _serve(self, surface: Daemon, mainlog: MainLog) -> None:
        """Run the loop until it is over; should it fail, stop the programs first: nobody would look after them."""
        try:
            self._loop.run()
        except BaseException as why:
            mainlog.critical(f"the loop has failed ({type(why).__name__}): programs are stopped before the daemon ends")
            surface.shutdown()
            self._loop.run()
            raise

    def _figures(self, drain: Drain) -> dict[str, object]:
        """Return the counters of the loop and of the drain; numbers and structs of numbers."""
        log = drain.figures()
        return {
            "loop_wakeups": int(self._loop.figures["wakeups"]),
            "loop_errors": int(self._loop.figures["errors"]),
            "loop_lag_max_s": self._loop.figures["lag_max_s"],
            "loop_busy_s": self._loop.figures["busy_s"],
            "drain_wakeups": log.wakeups,
            "drain_errors": log.errors,
            "drain_channels": log.channels,
            "log_bytes": log.total_written,
            "log_bytes_dropped": log.total_dropped,
        }

    def _open_servers(self, surface: DaemonSurface) -> Servers:
        try:
            return self._boot.open_servers(self._loop, self._settings.servers, surface)
        except StartRefused as why:
            raise CannotStart(str(why)) from why
        except SocketInUse as why:
            raise CannotStart(
                "Another program is already listening on a port that one of our HTTP servers is configured to use.  "
                f"Shut this program down first before starting supervisord. ({why})"
            ) from why
        except OSError as why:
            if why.errno is None:
                raise CannotStart(str(why)) from why
            name = errno.errorcode.get(why.errno, "unknown")
            raise CannotStart(
                f"Cannot open an HTTP server: socket.error reported errno.{name} ({why.errno}): {why}"
            ) from why

    def _make_lives(
        self, runtime: Runtime, drain: Drain, logbook: Logbook, mainlog: MainLog, counters: Counters
    ) -> Lives:
        def copy(id_: ProcessId, channel: Channel, data: bytes) -> None:
            mainlog.debug(f"'{id_.process}' {channel} output:\n{text_of(data)}")

        if self._boot.files_limit is None:
            self._boot.files_limit = limits.files_limit()
        lives = Lives(
            files_limit=self._boot.files_limit,
            loop=self._loop,
            drain=drain,
            launching=Launching(self._boot.environ, self._boot.uid),
            plumbing=Plumbing(
                logbook,
                strip_ansi=self._settings.daemon.strip_ansi,
                copy=copy,
                tally=counters.tally,
                wall=time.time,
            ),
            ended=runtime.ended,
            ears=runtime.listeners,
            listening=runtime.sockets.take,
            ends_groups=self._settings.dialect is Dialect.NATIVE,
        )
        lives.copy_output(on=self._settings.daemon.loglevel <= Level.DEBG)
        return lives

    def _make_alerts(self, runtime: Runtime, drain: Drain, mainlog: MainLog) -> Alerts:
        def spec(id_: ProcessId) -> ProcessSpec | None:
            member = runtime.overseer.member(id_)
            return member.spec if member is not None else None

        alerts = Alerts(
            host=os.uname().nodename,
            reporter=Reporter(spec, os.getpid(), tmd.__version__),
            loop=self._loop,
            drain=drain,
            mainlog=mainlog,
            wall=time.time,
        )
        alerts.apply(self._settings.alerts)
        return alerts

    def _outlets(
        self, drain: Drain, target: LogTarget | None, daemon: DaemonSettings
    ) -> list[Callable[[Level, bytes, str], object]]:
        outlets: list[Callable[[Level, bytes, str], object]] = []
        if target is not None:
            outlets.append(lambda _level, line, _text: drain.write(target, line))
        else:
            outlets.append(lambda level, _line, text: drain.write_syslog(level.name, text.encode(errors="replace")))
        if self._boot.foreground and not daemon.silent and daemon.logfile not in STANDARD_OUTPUT:
            stdout = LogTarget("/dev/stdout", 0, 0)
            outlets.append(lambda _level, line, _text: drain.write(stdout, line))
        return outlets

    def _announce(self, surface: DaemonSurface, mainlog: MainLog) -> None:
        for server in surface.servers():
            mainlog.info("RPC interface 'supervisor' initialized")
            if server.username is not None:
                continue
            if self._settings.dialect is Dialect.SUPERVISOR:
                mainlog.critical(f"Server '{server.section}' running without any HTTP authentication checking")
            elif server.family == "inet":  # a unix socket is guarded by its mode
                address = f"http://{server.host or '*'}:{server.port}/"
                mainlog.info(f"{address} only shows, for it has no password (set username and password to act there)")
        if not self._boot.foreground and self._first:
            mainlog.info("daemonizing the supervisord process")
        mainlog.info(f"supervisord started with pid {os.getpid()}")

    def _listen_to_signals(self, runtime: Runtime, surface: Daemon, drain: Drain) -> None:
        def leave(signum: int) -> None:
            runtime.mainlog.warn(f"received {signal.Signals(signum).name} indicating exit request")
            surface.shutdown()

        def hang_up(_: int) -> None:
            if not surface.running:
                runtime.mainlog.warn("ignored SIGHUP indicating restart request (shutdown in progress)")
                return
            native = self._settings.dialect is Dialect.NATIVE
            runtime.mainlog.warn(f"received SIGHUP indicating {'reload' if native else 'restart'} request")
            try:
                surface.reload()
            except RpcFault:
                return  # the configuration was refused: logged where it was read

        def ignore(signum: int) -> None:
            runtime.mainlog.info(f"ignored {signal.Signals(signum).name} (it has no meaning here)")

        def reopen(_: int) -> None:
            runtime.mainlog.info("received SIGUSR2 indicating log reopen request")
            drain.reopen()
            runtime.mainlog.info("supervisord logreopen")

        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            self._loop.on_signal(signum, leave)
        self._loop.on_signal(signal.SIGHUP, hang_up)
        self._loop.on_signal(signal.SIGUSR1, ignore)
        self._loop.on_signal(signal.SIGUSR2, reopen)
        self._loop.on_child(runtime.child_event)

    def _populate(self, runtime: Runtime) -> None:
        for group in self._settings.groups:
            runtime.feed(i.AddGroupAsked(group))
        self._loop.call_soon(lambda: runtime.feed(i.DaemonStarted()))


def _refuse_unwritable(path: str) -> None:
    """Find out now, while somebody is looking, that the log cannot be written."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        return  # a device or a pipe: opening it could block or have effects
    try:
        os.close(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK))
    except OSError as why:
        raise CannotStart(f"cannot write log '{path}': {why.strerror}") from why

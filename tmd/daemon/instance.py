"""One run of the daemon: what is built, in which order, and how it goes to pieces at the end.

    limits -> privileges -> loop, drain, log -> sockets -> groups -> turn the crank
    -> replies out, sockets closed -> log flushed

The lock on the pid file is held by who runs it.
"""

import errno
import os
import time
from collections.abc import Callable
from contextlib import ExitStack

from msgspec.structs import replace

import tmd
from tmd.config.load import Loaded
from tmd.config.settings import DaemonSettings, Dialect, ProcessSpec, Settings
from tmd.core import inputs as i
from tmd.core.alerts import Reporter
from tmd.core.events import text_of
from tmd.daemon.adoption import Adoption
from tmd.daemon.alerts import Alerts
from tmd.daemon.boot import Boot, Servers
from tmd.daemon.configuration import Configuration
from tmd.daemon.counters import Counters
from tmd.daemon.daemon import Daemon
from tmd.daemon.essential import Essential
from tmd.daemon.footing import CannotStart, Footing
from tmd.daemon.gauges import keep_gauges
from tmd.daemon.grace import Grace, grace_of
from tmd.daemon.handover import State
from tmd.daemon.history import keep_history
from tmd.daemon.journal import Journal, path_of
from tmd.daemon.launching import Launching
from tmd.daemon.lives import Lives
from tmd.daemon.logbook import Logbook
from tmd.daemon.lookout import Lookout
from tmd.daemon.mainlog import MainLog
from tmd.daemon.plumbing import Plumbing
from tmd.daemon.resuming import Resuming
from tmd.daemon.runtime import Runtime
from tmd.daemon.safe_state import safe_statedir
from tmd.daemon.service import ServiceReports
from tmd.daemon.signals import Receiver
from tmd.daemon.surface import Channel, DaemonSurface, StartRefused
from tmd.daemon.trees import Trees
from tmd.daemon.upgrading import Handed, Parts, Upgrading
from tmd.daemon.wall import WallClock
from tmd.daemon.workers import Workers
from tmd.posix import limits
from tmd.posix.drain import Drain
from tmd.posix.logfiles import LogTarget, is_device_path, open_file
from tmd.posix.loop import TURN_BOUNDS_S, Loop
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
WORKERS_S = 1.0
"""how long the end waits for each thread that is inside something that blocks"""
DRAIN_STOP_S = 2.0
"""how long the end waits for a slow disk to take the last lines"""


class Instance:
    """One run between two restarts."""

    def __init__(self, boot: Boot, loaded: Loaded, *, first: bool, regret: str, handover: State | None = None) -> None:
        self._handover = handover
        self._boot, self._loaded, self._first = boot, loaded, first
        self._settings: Settings = loaded.settings
        self._loop = Loop()
        self._footing = Footing(self._settings, foreground=boot.foreground)
        self.exit_code = 0
        """of the daemon, once it has run"""
        if regret:
            self._footing.notes.append((Level.CRIT, regret))

    def run(self, pidfile: PidFile) -> tuple[Loaded, str] | Handed | None:
        """Return what to start again from, what another process is to go on with, or None when it is over."""
        self._footing.take(pidfile, first=self._first)
        return self._supervise(self._settings.daemon, pidfile)

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

    def _supervise(self, daemon: DaemonSettings, pidfile: PidFile) -> tuple[Loaded, str] | Handed | None:
        runtime: Runtime
        handover = self._handover
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
        drain.wait_for_wake()
        self._loop.on_rest = drain.wake
        main_target = None
        if daemon.logfile != "syslog":
            main_target = LogTarget(daemon.logfile, daemon.logfile_maxbytes, daemon.logfile_backups)
            drain.prepare(main_target)
        mainlog = MainLog(daemon.loglevel, self._outlets(drain, main_target, daemon), time.time)
        mainlog.fold(self._loop.now, self._loop.call_later)
        self._loop.on_error = lambda text: mainlog.error(f"a callback failed:\n{text}")
        wall = WallClock()
        logbook = Logbook(self._settings.dialect, daemon.childlogdir, daemon.identifier, mainlog.warn)
        marks = handover.journal[1:] if handover is not None else ("", 0)
        statedir = safe_statedir(daemon, mainlog.warn)
        journal = Journal(path_of(statedir, daemon.identifier, daemon.pidfile), mainlog.warn, *marks)
        counters = Counters(lambda id_, pid: gauges.spent(id_, pid))  # noqa: PLW0108 - not there yet
        runtime = Runtime(
            settings=self._settings,
            loop=self._loop,
            drain=drain,
            mainlog=mainlog,
            logbook=logbook,
            journal=journal,
            counters=counters,
            lives=lambda runtime: self._make_lives(runtime, drain, logbook, mainlog, counters),
            alerts=lambda runtime: self._make_alerts(runtime, drain, mainlog),
            wall=wall,
            halted=lambda: halted(),  # noqa: PLW0108 - not there yet
        )

        def halted() -> None:
            runtime.waiting.abandon(RpcFault(Fault.SHUTDOWN_STATE))
            replies_s = grace.at_most(REPLIES_S)
            runtime.alerts.finish(grace.at_most(ALERTS_S), lambda: servers.drain(replies_s, self._loop.stop))

        workers = Workers(self._loop.post)
        configuration = Configuration(self._boot.path, self._loaded, self._boot.load)
        history = keep_history(runtime, replace(daemon, statedir=statedir), workers, resumed=handover is not None)
        gauges = keep_gauges(runtime, workers)
        runtime.bus.subscribe(counters.hear, *counters.HEARS)
        essential = Essential(
            spec_of=lambda id_: member.spec if (member := runtime.overseer.member(id_)) else None,
            exit_on=lambda: configuration.applied.daemon.exit_on,
            end=lambda: self._loop.call_soon(surface.shutdown),
        )
        runtime.bus.subscribe(essential.hear, *essential.HEARS)
        grace = Grace(
            self._loop,
            lambda: grace_of(configuration.applied.daemon),
            left=lambda: [*runtime.lives.pids(), *runtime.hooks.pids()],
            send=runtime.lives.signal,
            hurry=lambda: runtime.feed(i.ShutdownAsked(at_once=True)),
            restarting=lambda: surface.state is DaemonState.RESTARTING,
            warn=mainlog.warn,
        )
        runtime.bus.subscribe(grace.hear, *grace.HEARS)
        lookout = Lookout(runtime, wall, pidfile, history.shift)
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
        past = (
            Adoption(runtime, wanted=self._boot.adopt)
            if handover is None
            else Resuming(
                handover,
                runtime=runtime,
                configuration=configuration,
                counters=counters,
                history=history,
                essential=essential,
                requests=surface.requests,
                update=surface.update,
                running=lambda: surface.running,
            )
        )
        upgrading = surface.upgrading = Upgrading(
            Parts(
                boot=self._boot.state,
                pidfile=pidfile,
                runtime=runtime,
                requests=surface.requests,
                configuration=configuration,
                counters=counters,
                history=history,
                essential=essential,
                service=service,
                workers=workers,
            ),
            running=lambda: surface.running,
            before=handover,
        )
        with ExitStack() as ends:  # each has its turn at the end, from the last to the first, whatever another one does
            ends.callback(lambda: drain.stop(grace.at_most(DRAIN_STOP_S)))
            ends.callback(self._give_reason, essential, mainlog)
            ends.callback(mainlog.close)
            ends.callback(runtime.troubles.close)
            ends.callback(lookout.close)
            ends.callback(history.close)
            ends.callback(runtime.close)
            ends.callback(lambda: workers.close(grace.at_most(WORKERS_S)))
            ends.callback(gauges.close)
            ends.callback(service.close)
            for level, text in self._footing.notes:
                mainlog.log(level, text)
            for note in self._loaded.notes:
                mainlog.info(note)
            for warning in self._loaded.warnings:
                if warning not in self._boot.warned:
                    mainlog.warn(warning)
            past.read()
            if not daemon.nocleanup:
                logbook.sweep()
            servers = upgrading.servers = self._open_servers(surface)
            ends.callback(servers.close)
            surface.opened(servers.open)
            if handover is None:
                self._announce(surface, mainlog)
            Receiver(runtime, surface, drain, grace, self._boot).listen()
            self._loop.on_child(runtime.child_event)
            self._populate(runtime, past, servers)
            self._boot.ready()
            self._loop.call_soon(service.ready)
            self._serve(surface, mainlog, journal)
            if upgrading.handed is not None:
                ends.pop_all()  # nothing ends: another process goes on
                return upgrading.handed
        if configuration.next is None or surface.state is not DaemonState.RESTARTING:
            return None
        self._boot.warned = configuration.warnings
        return configuration.next, configuration.path

    def _give_reason(self, essential: Essential, mainlog: MainLog) -> None:
        """Have the daemon end as the program did for whose sake it ends, and name that in the last line of the log."""
        self.exit_code = essential.exit_code
        if essential.last_line:
            mainlog.critical(essential.last_line)

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

    def _serve(self, surface: Daemon, mainlog: MainLog, journal: Journal) -> None:
        """Run the loop until it is over; should it fail, programs go on for as long as the next daemon can know them.

        Else they are stopped first: nobody would look after them.
        """
        try:
            self._loop.run()
        except BaseException as why:
            failed = f"the loop has failed ({type(why).__name__})"
            if journal.kept and self._boot.adopt:
                mainlog.critical(f"{failed}: the daemon ends, its programs go on, and the next tmd takes them back")
                raise
            mainlog.critical(f"{failed}: programs are stopped before the daemon ends")
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
            "loop_turns": dict(zip((*map(str, TURN_BOUNDS_S), "more"), self._loop.turns, strict=True)),
            "drain_wakeups": log.wakeups,
            "drain_errors": log.errors,
            "drain_channels": log.channels,
            "log_bytes": log.total_written,
            "log_bytes_dropped": log.total_dropped,
            "log_bytes_waiting": log.total_waiting,
        }

    def _open_servers(self, surface: DaemonSurface) -> Servers:
        try:
            carried = None if self._handover is None else self._handover.http
            return self._boot.open_servers(self._loop, self._settings.servers, surface, carried)
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
            told=runtime.child_event,
            listening=runtime.sockets.take,
            ends_groups=self._settings.dialect is Dialect.NATIVE,
            trees=Trees(self._loop, mainlog.log, groups=self._settings.daemon.cgroups == "auto"),
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

    def _populate(self, runtime: Runtime, past: Adoption | Resuming, servers: Servers) -> None:
        past.populate(self._settings.groups)
        if isinstance(past, Resuming):
            past.begin(servers)  # now: whoever waits has to wait before anything happens that he waits for
            return

        def begin() -> None:
            runtime.feed(i.DaemonStarted())
            past.begin()

        self._loop.call_soon(begin)


def _refuse_unwritable(path: str) -> None:
    """Find out now, while somebody is looking, that the log cannot be written."""
    if is_device_path(path) or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)):
        return  # a device or a pipe: opening it could block or have effects
    try:
        os.close(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK))
    except OSError as why:
        if why.errno in (errno.ENOSPC, errno.EDQUOT):
            return  # there will be room again: the drain waits for it
        raise CannotStart(f"cannot write log '{path}': {why.strerror}") from why

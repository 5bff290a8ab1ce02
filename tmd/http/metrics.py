"""`/metrics`: the state of everything as numbers, for Prometheus and what reads its formats.

The loop is asked for values only; what takes a while (looking at processes, writing the text) is done by a worker.
Promises that no counter of a process falls while it is there, that a scrape sees states that are not older than half
a second and figures that are not older than one, and that scrapes which come together cost one page.
"""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple

import tmd
from tmd.config.settings import AUTO
from tmd.core.delivery import PoolView
from tmd.core.gauge import EXIT_KINDS, RESTART_REASONS, Counts, Gauge
from tmd.core.traffic import Histogram
from tmd.daemon.sinks import SinkView
from tmd.daemon.surface import DaemonSurface, Operation, ProcessView
from tmd.http.exposition import (
    OPENMETRICS_TYPE,
    PROMETHEUS_TYPE,
    Family,
    Page,
    escape,
    labels,
    number,
    wants_openmetrics,
)
from tmd.http.replies import BARE, Exchange, Reply, error
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.states import SIGNALLABLE_STATES, ProcessState

PATH = "/metrics"
FRESH_S = 0.5
"""a page is given to all who ask for so long after its values were taken, unless something happens"""
NODE_EXPORTER = "names=node_exporter"
"""the query that asks for the four metrics of node_exporter's supervisord collector too"""
_NO_STORE = (("Cache-Control", "no-store"), *BARE)


class Row(NamedTuple):
    """What there is to tell of one process."""

    view: ProcessView
    began: float
    """epoch seconds of the start of the life that goes on, 0 for none"""
    gauge: Gauge | None
    counts: Counts
    log_bytes: tuple[int, int]
    """of stdout and stderr"""


class Facts(NamedTuple):
    """Everything a page is made of, taken in one turn of the loop."""

    rows: list[Row]
    own: Gauge | None
    pools: Sequence[PoolView]
    sinks: Sequence[SinkView]
    figures: dict[str, Any]
    log_losses: dict[str, int]
    replies: dict[int, int]
    rpc: dict[str, Histogram]
    connections: dict[str, dict[str, int]]
    started_at: float
    lag_s: float
    identity: dict[str, str]


class Kind(NamedTuple):
    """Which page somebody asks for."""

    openmetrics: bool
    node_exporter: bool


class Metrics:
    """Answers scrapes, of all listeners: whoever asks while a page is made, or is fresh, gets that very page."""

    def __init__(self, daemon: DaemonSurface) -> None:
        self._daemon = daemon
        self._pages: dict[Kind, Operation[bytes]] = {}
        self._serials: dict[Kind, object] = {}
        """how many notices there were when the values were taken: a page with other states is made anew"""

    def answer(self, exchange: Exchange) -> None:
        """Answer a request for the page."""
        head = exchange.head
        if head.method not in ("GET", "HEAD"):
            exchange.reply(error(405, headers=(("Allow", "GET, HEAD"),)))
            return
        kind = Kind(wants_openmetrics(head.headers.get("accept", "")), NODE_EXPORTER in head.query.split("&"))
        content_type = OPENMETRICS_TYPE if kind.openmetrics else PROMETHEUS_TYPE

        def reply(made: Operation[bytes]) -> None:
            exchange.reply(error(500) if made.value is None else Reply(200, made.value, content_type, _NO_STORE))

        self._page(kind).then(reply)

    def _page(self, kind: Kind) -> Operation[bytes]:
        """Return the page that is there or under way; begin one if there is none."""
        made = self._pages.get(kind)
        if made is not None and (not made.done or self._serials.get(kind) == self._serial()):
            return made
        made = self._pages[kind] = Operation[bytes]()
        made.then(lambda made: self._tell(kind, made))
        asked_at = gathered_at = monotonic()

        def measure() -> None:
            lag_s = monotonic() - asked_at
            self._daemon.gauges.fresh().then(lambda _: self._guarded(made, lambda: write(lag_s)))

        def write(lag_s: float) -> None:
            nonlocal gathered_at
            gathered_at = monotonic()
            self._serials[kind] = self._serial()
            facts = gather(self._daemon, lag_s)
            self._daemon.in_worker(lambda: page(facts, **kind._asdict())).then(settle)

        def settle(work: Operation[bytes]) -> None:
            if work.value is None:
                made.refuse(work.fault or RpcFault(Fault.FAILED))
                return
            left_s = max(0.0, gathered_at + FRESH_S - monotonic())
            self._daemon.call_later(left_s, lambda: self._forget(kind, made))
            made.resolve(work.value)

        self._daemon.call_later(0.0, lambda: self._guarded(made, measure))
        return made

    def _serial(self) -> object:
        return self._daemon.figures().get("notices")

    def _guarded(self, made: Operation[bytes], step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001 - the border of a request: all who wait for the page are to be answered
            made.refuse(RpcFault(Fault.FAILED, traceback.format_exc()))

    def _tell(self, kind: Kind, made: Operation[bytes]) -> None:
        """Say once that there is no page, however many asked; who asks next has it tried again."""
        if made.fault is not None:
            self._daemon.log_error(f"cannot write metrics: {made.fault.text}")
            self._forget(kind, made)

    def _forget(self, kind: Kind, made: Operation[bytes]) -> None:
        if self._pages.get(kind) is made:
            del self._pages[kind]


def gather(daemon: DaemonSurface, lag_s: float) -> Facts:
    """Take all values there are, now."""
    gauges, counters, history = daemon.gauges, daemon.counters, daemon.history
    traffic = counters.traffic
    rows = [
        Row(
            view,
            (history.life_began(view.id) or view.start) if view.pid else 0.0,
            gauges.of(view.id),
            counters.of(view.id),
            (counters.log_bytes(view.id, "stdout"), counters.log_bytes(view.id, "stderr")),
        )
        for view in daemon.views()
    ]
    return Facts(
        rows=rows,
        own=gauges.own(),
        pools=list(daemon.pools()),
        sinks=daemon.alerts.views(),
        figures=daemon.figures(),
        log_losses=_losses_by_name(daemon, rows),
        replies=dict(traffic.replies),
        rpc={method: histogram.copy() for method, histogram in traffic.rpc.items()},
        connections={listener: ask() for listener, ask in traffic.connections.items()},
        started_at=history.started_at,
        lag_s=lag_s,
        identity={
            "version": tmd.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            "dialect": daemon.settings.dialect.value,
        },
    )


def _losses_by_name(daemon: DaemonSurface, rows: Sequence[Row]) -> dict[str, int]:
    """Return what every log has lost, by its path, or by its program where the path is another at each start."""
    names = {path: path for path in (daemon.main_logfile(),) if path}
    for row in rows:
        view, spec = row.view, row.view.spec
        for channel, path, written in (
            ("stdout", view.stdout_logfile, spec.stdout_logfile),
            ("stderr", view.stderr_logfile, spec.stderr_logfile),
        ):
            if path:
                names[path] = f"{view.id.namespec} {channel}" if written == AUTO else path
    found = dict.fromkeys(names.values(), 0)
    for path, count in daemon.counters.log_losses.items():
        name = names.get(path, path)
        found[name] = found.get(name, 0) + count
    return found


def page(facts: Facts, *, openmetrics: bool, node_exporter: bool = False) -> bytes:
    """Return the text."""
    text = Page(openmetrics=openmetrics)
    _of_processes(text, facts.rows)
    _of_logs_and_events(text, facts)
    _of_clients(text, facts)
    _of_the_daemon(text, facts)
    if node_exporter:
        _as_node_exporter(text, facts.rows)
    return text.body()


# --- processes ---------------------------------------------------------------------------------------------------


def _of_processes(text: Page, rows: Sequence[Row]) -> None:
    named = [(_who(row.view), row) for row in rows]

    def each(family: Family, value: Callable[[Row], float | None]) -> None:
        """Write a family with one sample for each process that has a value."""
        name = family.sample
        found = ((who, value(row)) for who, row in named)
        text.lines(family, [f"{name}{{{who}}} {number(figure)}\n" for who, figure in found if figure is not None])

    def several(family: Family, label: str, known: Sequence[str], value: Callable[[Row, str], int]) -> None:
        """Write a family with one sample for each process and each value of one more label."""
        ends = [(key, f',{label}="{key}"}} ') for key in known]
        name = family.sample
        text.lines(family, [f"{name}{{{who}{end}{value(row, key)}\n" for who, row in named for key, end in ends])

    each(_UP, lambda row: int(row.view.state is ProcessState.RUNNING))
    several(_STATE, _STATE.name, ProcessState._member_names_, lambda row, state: int(row.view.state.name == state))
    each(_STARTS, lambda row: row.counts.starts)
    each(_SPAWN_FAILURES, lambda row: row.counts.spawn_failures)
    several(_RESTARTS, "reason", RESTART_REASONS, lambda row, reason: row.counts.restarts.get(reason, 0))
    several(_EXITS, "kind", EXIT_KINDS, lambda row, kind: row.counts.exits.get(kind, 0))
    each(_LAST_EXIT, lambda row: row.counts.last_exit)
    each(_START_TIME, lambda row: row.began or None)
    each(_LEFT_BEHIND, lambda row: row.counts.left_behind)
    each(_CPU, lambda row: round(row.counts.ended_cpu_s + (row.gauge.cpu_s if row.gauge else 0.0), 3))
    each(_MEMORY, lambda row: row.gauge.rss_bytes if row.gauge else None)
    each(_THREADS, lambda row: row.gauge.threads if row.gauge else None)
    each(_FDS, lambda row: row.gauge.fds if row.gauge and row.gauge.fds >= 0 else None)
    each(_PROCESSES, lambda row: row.gauge.processes if row.gauge else None)
    several(_LOG_BYTES, "stream", ("stdout", "stderr"), lambda row, stream: row.log_bytes[stream == "stderr"])


def _who(view: ProcessView) -> str:
    return f'group="{escape(view.id.group)}",process="{escape(view.id.process)}",program="{escape(view.spec.program)}"'


_UP = Family("tmd_process_up", "gauge", "Whether the process is RUNNING.")
_STATE = Family("tmd_process_state", "stateset", "The state of the process.")
_STARTS = Family("tmd_process_starts", "counter", "Times the process was spawned since it was added.")
_SPAWN_FAILURES = Family("tmd_process_spawn_failures", "counter", "Starts that did not come as far as a process.")
_RESTARTS = Family("tmd_process_restarts", "counter", "Times the process was started again, by reason.")
_EXITS = Family("tmd_process_exits", "counter", "Times the process ended, by kind.")
_LAST_EXIT = Family(
    "tmd_process_last_exit_status", "gauge", "Exit code of the last end, 128 + n for signal n; absent where unknown."
)
_LEFT_BEHIND = Family(
    "tmd_process_left_behind", "counter", "Processes it had started and that were still there when it had ended."
)
_START_TIME = Family("tmd_process_start_time_seconds", "gauge", "When the present life began, in epoch seconds.")
_CPU = Family("tmd_process_cpu_seconds", "counter", "Processor time of the whole tree, in all its lives.")
_MEMORY = Family("tmd_process_resident_memory_bytes", "gauge", "Resident memory of the whole tree.")
_THREADS = Family("tmd_process_threads", "gauge", "Threads of the whole tree.")
_FDS = Family("tmd_process_open_fds", "gauge", "Open file descriptors of the whole tree.")
_PROCESSES = Family("tmd_process_tree_processes", "gauge", "Processes of the whole tree.")
_LOG_BYTES = Family("tmd_process_log_bytes", "counter", "Output taken from the process, by stream.")


# --- logs, events, alerts ----------------------------------------------------------------------------------------


def _of_logs_and_events(text: Page, facts: Facts) -> None:
    text.family(_LOG_DROPPED, ((labels(log=log), count) for log, count in facts.log_losses.items()))
    pools = [(labels(pool=pool.name), pool) for pool in facts.pools]
    for family, of_pool in _POOL_FAMILIES:
        text.family(family, [(who, of_pool(pool)) for who, pool in pools])
    sinks = [(labels(sink=sink.name, kind=sink.kind), sink) for sink in facts.sinks]
    for family, of_sink in _SINK_FAMILIES:
        text.family(family, [(who, of_sink(sink)) for who, sink in sinks])


_LOG_DROPPED = Family("tmd_log_dropped_bytes", "counter", "Bytes of a log that could not be kept.")
_POOL_FAMILIES: tuple[tuple[Family, Callable[[PoolView], int]], ...] = (
    (Family("tmd_event_queue_depth", "gauge", "Events that wait for a listener."), lambda pool: pool.waiting),
    (Family("tmd_event_queue_capacity", "gauge", "Events that may wait."), lambda pool: pool.buffer_size),
    (Family("tmd_event_queue_delivered", "counter", "Events a listener accepted."), lambda pool: pool.delivered),
    (Family("tmd_event_queue_rejected", "counter", "Answers that rejected an event."), lambda pool: pool.rejected),
    (Family("tmd_event_queue_dropped", "counter", "Events nobody will ever get."), lambda pool: pool.dropped),
)
_SINK_FAMILIES: tuple[tuple[Family, Callable[[SinkView], int]], ...] = (
    (Family("tmd_alerts_sent", "counter", "Alerts that arrived."), lambda sink: sink.sent),
    (Family("tmd_alerts_failed", "counter", "Alerts that were given up."), lambda sink: sink.failed),
    (Family("tmd_alerts_dropped", "counter", "Alerts that were too many to wait."), lambda sink: sink.dropped),
    (Family("tmd_alerts_waiting", "gauge", "Alerts that wait."), lambda sink: sink.waiting),
)


# --- clients -----------------------------------------------------------------------------------------------------


def _of_clients(text: Page, facts: Facts) -> None:
    text.histograms(_RPC, (("method", method, facts.rpc[method]) for method in sorted(facts.rpc)))
    text.family(_REPLIES, ((labels(status=str(status)), facts.replies[status]) for status in sorted(facts.replies)))
    for family, key in _CONNECTION_FAMILIES:
        found = facts.connections.items()
        text.family(family, ((labels(listener=listener), figures.get(key, 0)) for listener, figures in found))


_RPC = Family("tmd_rpc_duration_seconds", "histogram", "From the arrival of an XML-RPC call to its reply.")
_REPLIES = Family("tmd_http_replies", "counter", "HTTP replies, by status.")
_CONNECTION_FAMILIES = (
    (Family("tmd_http_connections", "gauge", "Connections that are open."), "open"),
    (Family("tmd_http_connections_accepted", "counter", "Connections that were accepted."), "accepted"),
    (Family("tmd_http_connections_evicted", "counter", "Idle connections that had to make room."), "evicted"),
    (Family("tmd_http_connections_refused", "counter", "Connections for which there was no room."), "refused"),
)


# --- the daemon itself -------------------------------------------------------------------------------------------


def _of_the_daemon(text: Page, facts: Facts) -> None:
    text.family(Family("tmd_build", "info", "What answers."), [(labels(**facts.identity), 1)])
    text.one(_STARTED, facts.started_at)
    text.family(_FAULTS, ((labels(kind=kind), count) for kind, count in facts.figures.get("faults", {}).items()))
    text.one(_LAG, round(facts.lag_s, 6))
    if turns := facts.figures.get("loop_turns"):
        text.histograms(_TURNS, [("", "", _of_turns(turns, facts.figures["loop_busy_s"]))])
    for family, key in _LOOP_FAMILIES:
        if key in facts.figures:
            text.one(family, round(facts.figures[key], 6))
    if facts.own is not None:
        for family, of_own in _OWN_FAMILIES:
            text.one(family, of_own(facts.own))


def _of_turns(turns: Mapping[str, int], total_s: float) -> Histogram:
    *bounds, _more = turns
    histogram = Histogram(tuple(map(float, bounds)))
    histogram.counts, histogram.total = list(turns.values()), round(total_s, 6)
    return histogram


_STARTED = Family("tmd_start_time_seconds", "gauge", "When the daemon was started, in epoch seconds.")
_FAULTS = Family("tmd_faults", "counter", "Faults of the machine that the daemon has met, by kind.")
_LAG = Family("tmd_loop_lag_seconds", "gauge", "How long this scrape had to wait for the loop's next turn.")
_TURNS = Family("tmd_loop_turn_duration_seconds", "histogram", "Turns of the loop: what came meanwhile had to wait.")
_LOOP_FAMILIES = (
    (Family("tmd_loop_longest_turn_seconds", "gauge", "The longest turn of the loop so far."), "loop_lag_max_s"),
    (Family("tmd_loop_busy_seconds", "counter", "How long the loop was not waiting."), "loop_busy_s"),
    (Family("tmd_loop_wakeups", "counter", "Turns of the loop."), "loop_wakeups"),
    (
        Family("tmd_log_pump_wakeups", "counter", "Turns of the loop that moves the output of programs."),
        "drain_wakeups",
    ),
    (Family("tmd_loop_errors", "counter", "Callbacks that failed: defects."), "loop_errors"),
    (
        Family("tmd_orphans_reaped", "counter", "Processes left to the daemon that have ended."),
        "orphans_reaped",
    ),
    (
        Family("tmd_orphans_killed", "counter", "Processes left behind by programs that were killed."),
        "orphans_killed",
    ),
    (
        Family("tmd_orphans_survived", "counter", "Processes left behind by programs that would not die."),
        "orphans_survived",
    ),
    (Family("tmd_upgrades", "counter", "Upgrades in place."), "upgrades"),
    (Family("tmd_upgrades_refused", "counter", "Upgrades that were refused or failed."), "upgrades_refused"),
    (Family("tmd_notices", "counter", "What happened to processes and configuration."), "notices"),
    (
        Family("tmd_journal_writes", "counter", "Writes to the journal, from which programs are adopted."),
        "journal_writes",
    ),
    (Family("tmd_journal_bytes", "counter", "Bytes that were written to it."), "journal_bytes"),
    (Family("tmd_journal_failures", "counter", "Writes to it that failed."), "journal_failures"),
)
_OWN_FAMILIES: tuple[tuple[Family, Callable[[Gauge], float]], ...] = (
    (Family("process_cpu_seconds", "counter", "Processor time of the daemon itself."), lambda own: own.cpu_s),
    (Family("process_resident_memory_bytes", "gauge", "Its resident memory."), lambda own: own.rss_bytes),
    (Family("process_open_fds", "gauge", "Its open file descriptors."), lambda own: max(0, own.fds)),
    (Family("process_threads", "gauge", "Its threads."), lambda own: own.threads),
)


# --- names that dashboards know ----------------------------------------------------------------------------------


def _as_node_exporter(text: Page, rows: Sequence[Row]) -> None:
    named = [(labels(group=row.view.id.group, name=row.view.id.process), row.view) for row in rows]
    up = [(who, view) for who, view in named if view.state in SIGNALLABLE_STATES]
    text.family(_NODE_UP, ((who, int(view.state in SIGNALLABLE_STATES)) for who, view in named))
    text.family(_NODE_STATE, ((who, int(view.state)) for who, view in named))
    text.family(_NODE_EXIT_STATUS, ((who, view.exitstatus) for who, view in named))
    text.family(_NODE_START_TIME, ((who, int(view.start)) for who, view in up))


_NODE_UP = Family("node_supervisord_up", "gauge", "As of node_exporter: 1 for STARTING, RUNNING and STOPPING.")
_NODE_STATE = Family("node_supervisord_state", "gauge", "As of node_exporter: the state code.")
_NODE_EXIT_STATUS = Family("node_supervisord_exit_status", "gauge", "As of node_exporter: the last exit status.")
_NODE_START_TIME = Family("node_supervisord_start_time_seconds", "gauge", "As of node_exporter: the last start.")

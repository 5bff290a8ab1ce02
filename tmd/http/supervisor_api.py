"""`supervisor.*`: Supervisor's methods, answered from the daemon's surface.

Order of checks, names and texts are Supervisor's, because clients compare them. Where Supervisor answers with
HTTP 500 or nothing (bytes that are no text, a stopped program's logs), this answers with what was asked for.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tmd.config.plan import Plan
from tmd.daemon.surface import Channel, DaemonSurface, GroupView, Result
from tmd.http.described import config_info, render_all_process_info, render_process_info
from tmd.http.encode import Rendered
from tmd.http.log_files import MAX_READ, encode_tail, read_log, size_to_read, tail_log
from tmd.http.lookup import find, find_group, find_process, in_states, members, status_array, verdict
from tmd.http.rpc import Handler, Pending, shorten
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.methods import API_VERSION, SUPERVISOR_VERSION
from tmd.wire.states import RUNNING_STATES, SIGNALLABLE_STATES, ProcessState

WORKER_BYTES = 1024 * 1024
"""a longer piece of a log is read by a worker"""

_RESTING_STATES = frozenset(ProcessState) - RUNNING_STATES


def supervisor_handlers(daemon: DaemonSurface, most_bytes: int = MAX_READ) -> Mapping[str, Handler]:
    """Return the handlers by full name; those that read logs return `most_bytes` of them at once."""
    api = SupervisorApi(daemon, most_bytes)
    read_stdout, read_stderr = partial(api.read_process_log, "stdout"), partial(api.read_process_log, "stderr")
    tail_stdout, tail_stderr = partial(api.tail_process_log, "stdout"), partial(api.tail_process_log, "stderr")
    handlers: dict[str, Handler] = {
        "getAPIVersion": lambda: API_VERSION,
        "getVersion": lambda: API_VERSION,
        "getSupervisorVersion": lambda: SUPERVISOR_VERSION,
        "getIdentification": lambda: daemon.settings.daemon.identifier,
        "getState": lambda: {"statecode": int(daemon.state), "statename": daemon.state.name},
        "getPID": lambda: daemon.pid,
        "readLog": api.read_main_log,
        "readMainLog": api.read_main_log,
        "clearLog": lambda: Pending(daemon.clear_main_log(), bool),
        "shutdown": _true_after(daemon.shutdown),
        "restart": _true_after(daemon.restart),
        "reloadConfig": lambda: plan_names(daemon.reread()),
        "addProcessGroup": _true_after(daemon.add_group),
        "removeProcessGroup": _true_after(daemon.remove_group),
        "startProcess": api.start,
        "startProcessGroup": api.start_group,
        "startAllProcesses": lambda wait: api.start_groups(daemon.groups(), wait),
        "stopProcess": api.stop,
        "stopProcessGroup": api.stop_group,
        "stopAllProcesses": lambda wait: api.stop_groups(daemon.groups(), wait),
        "signalProcess": api.signal,
        "signalProcessGroup": api.signal_group,
        "signalAllProcesses": lambda wanted: api.signal_groups(daemon.groups(), wanted),
        "getProcessInfo": lambda name: render_process_info(find_process(daemon, name)),
        "getAllProcessInfo": lambda: render_all_process_info(daemon.views()),
        "getAllConfigInfo": api.all_config_info,
        "readProcessStdoutLog": read_stdout,
        "readProcessLog": read_stdout,
        "readProcessStderrLog": read_stderr,
        "tailProcessStdoutLog": tail_stdout,
        "tailProcessLog": tail_stdout,
        "tailProcessStderrLog": tail_stderr,
        "clearProcessLogs": api.clear_logs,
        "clearProcessLog": api.clear_logs,
        "clearAllProcessLogs": api.clear_all_logs,
        "sendProcessStdin": api.send_stdin,
        "sendRemoteCommEvent": _true_after(daemon.remote_event),
    }
    return {f"supervisor.{name}": handler for name, handler in handlers.items()}


def _true_after(action: Callable[..., None]) -> Handler:
    def handler(*arguments: Any) -> bool:
        action(*arguments)
        return True

    return handler


def plan_names(plan: Plan) -> list[list[list[str]]]:
    """Return `[[added, changed, removed]]`."""
    return [[[group.name for group in plan.added], [change.name for change in plan.changed], list(plan.removed)]]


def signal_number(value: Any) -> int:
    """Return the number of a signal given by number or name. BAD_SIGNAL."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        name = value.strip().upper() if isinstance(value, str) else ""
        known = signal.Signals.__members__.get(name if name.startswith("SIG") else f"SIG{name}")
        number = -1 if known is None else int(known)
    if number != 0 and number not in signal.valid_signals():
        raise RpcFault(Fault.BAD_SIGNAL, shorten(str(value)))
    return number


class SupervisorApi:
    """The methods that are more than a line. Arguments are bound and typed already."""

    def __init__(self, daemon: DaemonSurface, most_bytes: int) -> None:
        self._daemon = daemon
        self._most_bytes = most_bytes

    # --- start, stop, signal ----------------------------------------------------------------------------------

    def start(self, name: str, wait: bool) -> Pending:
        """Answer startProcess."""
        found = find(self._daemon, name)
        if isinstance(found, GroupView):
            return self.start_groups([found], wait)
        return Pending(self._daemon.start([found.id], wait=wait), lambda results: verdict(results, shorten(name)))

    def start_group(self, name: str, wait: bool) -> Pending:
        """Answer startProcessGroup."""
        return self.start_groups([find_group(self._daemon, name)], wait)

    def start_groups(self, groups: Sequence[GroupView], wait: bool) -> Pending:
        """Start what does not run; only that appears in the answer."""
        ids = in_states(members(self._daemon, groups), _RESTING_STATES)
        return Pending(self._daemon.start(ids, wait=wait), status_array)

    def stop(self, name: str, wait: bool) -> Pending:
        """Answer stopProcess."""
        found = find(self._daemon, name)
        if isinstance(found, GroupView):
            return self.stop_groups([found], wait)
        return Pending(self._daemon.stop([found.id], wait=wait), lambda results: verdict(results, shorten(name)))

    def stop_group(self, name: str, wait: bool) -> Pending:
        """Answer stopProcessGroup."""
        return self.stop_groups([find_group(self._daemon, name)], wait)

    def stop_groups(self, groups: Sequence[GroupView], wait: bool) -> Pending:
        """Stop what runs; only that appears in the answer."""
        ids = in_states(members(self._daemon, groups), RUNNING_STATES)
        return Pending(self._daemon.stop(ids, wait=wait), status_array)

    def signal(self, name: str, wanted: Any) -> bool | list[dict[str, Any]]:
        """Answer signalProcess."""
        found = find(self._daemon, name)
        if isinstance(found, GroupView):
            return self.signal_groups([found], wanted)
        return verdict(self._daemon.signal([found.id], signal_number(wanted)), shorten(name))

    def signal_group(self, name: str, wanted: Any) -> list[dict[str, Any]]:
        """Answer signalProcessGroup."""
        return self.signal_groups([find_group(self._daemon, name)], wanted)

    def signal_groups(self, groups: Sequence[GroupView], wanted: Any) -> list[dict[str, Any]]:
        """Signal what can be; a bad signal is told for each of them, as Supervisor does."""
        ids = in_states(members(self._daemon, groups), SIGNALLABLE_STATES)
        try:
            number = signal_number(wanted)
        except RpcFault as fault:
            return status_array([Result(id_, Fault(fault.code), fault.detail) for id_ in ids])
        return status_array(self._daemon.signal(ids, number))

    # --- information ------------------------------------------------------------------------------------------

    def all_config_info(self) -> list[dict[str, Any]]:
        """Answer getAllConfigInfo."""
        available = self._daemon.available
        active_groups = {group.spec.name for group in self._daemon.groups()}
        described = []
        for group in sorted((*available.groups, *available.shadowed), key=lambda group: (group.priority, group.name)):
            for spec in group.processes:
                view = self._daemon.view(spec.id)
                active = view if view is not None and view.spec == spec else None
                described.append(config_info(group, spec, active, inuse=group.name in active_groups))
        return sorted(described, key=lambda info: str(info["name"]))

    # --- logs -------------------------------------------------------------------------------------------------

    def read_main_log(self, offset: int, length: int) -> Rendered | Pending:
        """Answer readLog."""
        return self._read(self._daemon.main_logfile(), offset, length)

    def read_process_log(self, channel: Channel, name: str, offset: int, length: int) -> Rendered | Pending:
        """Answer readProcessStdoutLog and its kin."""
        return self._read(self._process_log(name, channel), offset, length)

    def _read(self, path: str | None, offset: int, length: int) -> Rendered | Pending:
        if not path:
            raise RpcFault(Fault.NO_FILE)
        if size_to_read(path, offset, length) > WORKER_BYTES:
            return Pending(self._daemon.in_worker(partial(read_log, path, offset, length, self._most_bytes)), _as_it_is)
        return read_log(path, offset, length, self._most_bytes)

    def tail_process_log(self, channel: Channel, name: str, offset: int, length: int) -> Rendered | Pending:
        """Answer tailProcessStdoutLog and its kin."""
        path = self._process_log(name, channel)
        if not path:
            return encode_tail(b"", 0, False)
        if length > WORKER_BYTES:
            return Pending(self._daemon.in_worker(partial(tail_log, path, offset, length, self._most_bytes)), _as_it_is)
        return tail_log(path, offset, length, self._most_bytes)

    def _process_log(self, name: str, channel: Channel) -> str:
        view = find_process(self._daemon, name)
        return view.stdout_logfile if channel == "stdout" else view.stderr_logfile

    def clear_logs(self, name: str) -> Pending:
        """Answer clearProcessLogs."""
        view = find_process(self._daemon, name)
        return Pending(self._daemon.clear_logs([view.id]), lambda results: verdict(results, shorten(name)))

    def clear_all_logs(self) -> Pending:
        """Answer clearAllProcessLogs."""
        ids = [view.id for view in members(self._daemon, self._daemon.groups())]
        return Pending(self._daemon.clear_logs(ids), status_array)

    # --- talking to processes ---------------------------------------------------------------------------------

    def send_stdin(self, name: str, chars: Any) -> bool:
        """Answer sendProcessStdin."""
        if not isinstance(chars, str | bytes):
            raise RpcFault(Fault.INCORRECT_PARAMETERS, shorten(str(chars)))
        view = find_process(self._daemon, name)
        try:
            self._daemon.send_stdin(view.id, chars.encode() if isinstance(chars, str) else chars)
        except RpcFault as fault:
            if fault.code in (Fault.NOT_RUNNING, Fault.NO_FILE):
                raise RpcFault(fault.code, shorten(name)) from None
            raise
        return True


def _as_it_is(value: Rendered) -> Rendered:
    return value

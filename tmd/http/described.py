"""A process in words and as a struct: what `getProcessInfo` and the pages say about it."""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from tmd.config.settings import AUTO, Autorestart, GroupSpec, ProcessSpec
from tmd.daemon.surface import ProcessView
from tmd.http.encode import Rendered, StructForm, bit, escape
from tmd.wire.states import ProcessState
from tmd.wire.structs import PROCESS_INFO, capped_int

_FORM = StructForm(PROCESS_INFO)
# An enum takes longer to tell its name than a dict to find it.
_STATES = {state: (str(int(state)), state.name) for state in ProcessState}
_WHEN = {when: when.value for when in Autorestart}


def describe(view: ProcessView) -> str:
    """Return the one line about a process."""
    match view.state:
        case ProcessState.RUNNING:
            paused = ", paused" if view.paused else ""
            return f"pid {view.pid}, uptime {uptime(int(view.now) - int(view.start))}{paused}"
        case ProcessState.FATAL | ProcessState.BACKOFF:
            return view.spawnerr or f'unknown error (try "tail {view.id.process}")'
        case ProcessState.STOPPED | ProcessState.EXITED:
            return time.strftime("%b %d %I:%M %p", time.localtime(int(view.stop))) if view.start else "Not started"
        case _:
            return ""


@lru_cache(maxsize=256)  # of a thousand programs most were started in the same few seconds
def uptime(seconds: int) -> str:
    """Return `H:MM:SS`, with days before it from one day on; a clock that was set back counts as none."""
    minutes, second = divmod(max(0, seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    text = f"{hour}:{minute:02}:{second:02}"
    return f"{days} day{'' if days == 1 else 's'}, {text}" if days else text


def render_process_info(view: ProcessView) -> Rendered:
    """Return the struct as XML, keys in the order of `PROCESS_INFO`."""
    return Rendered(_struct(view).encode())


def render_all_process_info(views: Iterable[ProcessView]) -> Rendered:
    """Return an array of these structs."""
    values = "".join([f"<value>{_struct(view)}</value>" for view in views])
    return Rendered(f"<array><data>{values}</data></array>".encode())


def _struct(view: ProcessView) -> str:
    spec, stdout_logfile = view.spec, escape(view.stdout_logfile)
    return _FORM.fill(
        (
            escape(spec.name),
            escape(spec.group),
            str(capped_int(view.start)),
            str(capped_int(view.stop)),
            str(capped_int(view.now)),
            *_STATES[view.state],
            escape(view.spawnerr),
            str(capped_int(view.exitstatus)),
            stdout_logfile,
            stdout_logfile,
            escape(view.stderr_logfile),
            str(view.pid),
            escape(describe(view)),
            bit(view.paused),
            str(view.starts),
            bit(view.stopped_by_hand),
            _WHEN[spec.autorestart],
        )
    )


def config_info(group: GroupSpec, spec: ProcessSpec, active: ProcessView | None, *, inuse: bool) -> dict[str, Any]:
    """Return the struct of `getAllConfigInfo` for one process; `active` is the process of that very spec."""

    def logfile(value: str | None, real: str) -> str:
        if value == AUTO:
            return real or "auto"
        return "none" if value is None else value

    return {
        "autostart": spec.autostart,
        "command": spec.command,
        "directory": "none" if spec.directory is None else spec.directory,
        "exitcodes": list(spec.exitcodes),
        "group": group.name,
        "group_prio": group.priority,
        "inuse": inuse,
        "killasgroup": spec.killasgroup,
        "name": spec.name,
        "process_prio": spec.priority,
        "redirect_stderr": spec.redirect_stderr,
        "serverurl": "none" if spec.serverurl is None else spec.serverurl,
        "startretries": spec.startretries,
        "startsecs": _seconds(spec.startsecs),
        "stderr_capture_maxbytes": spec.stderr_capture_maxbytes,
        "stderr_events_enabled": spec.stderr_events_enabled,
        "stderr_logfile": logfile(spec.stderr_logfile, active.stderr_logfile if active else ""),
        "stderr_logfile_backups": spec.stderr_logfile_backups,
        "stderr_logfile_maxbytes": spec.stderr_logfile_maxbytes,
        "stderr_syslog": spec.stderr_syslog,
        "stdout_capture_maxbytes": spec.stdout_capture_maxbytes,
        "stdout_events_enabled": spec.stdout_events_enabled,
        "stdout_logfile": logfile(spec.stdout_logfile, active.stdout_logfile if active else ""),
        "stdout_logfile_backups": spec.stdout_logfile_backups,
        "stdout_logfile_maxbytes": spec.stdout_logfile_maxbytes,
        "stdout_syslog": spec.stdout_syslog,
        "stopsignal": spec.stopsignal,
        "stopwaitsecs": _seconds(spec.stopwaitsecs),
        "uid": "none" if spec.uid is None else spec.uid,
        "autorestart": spec.autorestart.value,
        "stopasgroup": spec.stopasgroup,
    }


def _seconds(value: float) -> int | float:
    """Return whole seconds as an integer, which is all that clients of Supervisor have ever seen."""
    return int(value) if value == int(value) else value

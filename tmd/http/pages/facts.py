"""From the daemon to what pages show: the one place where pages ask it anything."""

import os
from functools import partial

from tmd.core.ends import between, fold
from tmd.core.why import account, explain, in_short, last_lines
from tmd.daemon.surface import DaemonSurface
from tmd.http.faces import in_order
from tmd.http.feed import Feed
from tmd.http.log_files import open_log
from tmd.http.pages.dashboard import Shown
from tmd.http.pages.program import Life, Program, Tail
from tmd.http.pages.settings import settings_of
from tmd.http.why import local_time, situation_of
from tmd.wire.names import ProcessId

TAIL_BYTES = 16 * 1024
"""of each log, for who runs no script"""
LIFE_LINES = 10
"""of each stream, told with the end of a life"""


def overview(daemon: DaemonSurface, feed: Feed) -> Shown:
    """Return what the dashboard shows; have a sample taken for the next one who looks."""
    feed.touch()
    daemon.gauges.fresh()
    states = {view.id: view.state.name for view in daemon.views()}
    return Shown(in_order(daemon), states, feed.face, daemon.gauges.of)


def program(daemon: DaemonSurface, feed: Feed, id_: ProcessId, *, secrets: bool) -> Program | None:
    """Return what the page about a process shows, None if there is no such process."""
    view = daemon.view(id_)
    face = feed.face(id_)
    if view is None or face is None:
        return None
    clock = partial(local_time, now=view.now)
    situation = situation_of(daemon, view)
    starts = daemon.history.starts
    ends = fold(daemon.history.ends(id_), starts)
    lives = [
        Life(
            how=end.how,
            short=in_short(end, clock),
            said=account(end, situation, clock),
            words=[("stdout", last_lines(end.stdout, LIFE_LINES)), ("stderr", last_lines(end.stderr, LIFE_LINES))],
            restarts=[clock(at) for at in between(end, after, starts)] if after is not None else [],
        )
        for end, after in zip(ends, [None, *ends], strict=False)
    ]
    daemon.gauges.fresh()
    return Program(
        face=face,
        spec=view.spec,
        gauge=daemon.gauges.of(id_),
        said=explain(situation, ends, clock)[:2] if view.pid else explain(situation, ends, clock),
        tails=[_tail("stdout", view.stdout_logfile), _tail("stderr", view.stderr_logfile)],
        lives=lives,
        settings=settings_of(view.spec, daemon.origins, daemon.settings.dialect, secrets=secrets),
    )


def main_tail(daemon: DaemonSurface) -> Tail:
    """Return the end of the daemon's own log."""
    return _tail("main", daemon.main_logfile() or "")


def _tail(stream: str, path: str) -> Tail:
    """Return the last whole lines of a log."""
    if not path:
        return Tail(stream, "", "")
    try:
        fd, size = open_log(path)
    except (OSError, ValueError):  # there are names that no file has
        return Tail(stream, path, "")
    try:
        begin = max(0, size - TAIL_BYTES)
        data = os.pread(fd, TAIL_BYTES, begin)
    except OSError:
        data = b""
    finally:
        os.close(fd)
    if begin:
        data = data[data.find(b"\n") + 1 :]
    return Tail(stream, path, data.decode("utf-8", "replace"))

"""Plumbing: where the output of a program goes, by its settings and by who wants to see it."""

from collections.abc import Callable
from functools import partial

from tmd.config.settings import ProcessSpec
from tmd.core.capture import CaptureTransform
from tmd.core.lines import LineFormat, Stamps
from tmd.daemon.logbook import Logbook
from tmd.daemon.surface import Channel
from tmd.posix.drain import Sinks, Tally
from tmd.wire.names import ProcessId


class Plumbing:
    """`copy(id, channel, data)` sees every chunk of output, on the drain's thread, while `copying` is on.

    `tally(id, channel)`: what counts the output of a stream. `wall` tells epoch seconds.
    """

    def __init__(
        self,
        logbook: Logbook,
        *,
        strip_ansi: bool,
        copy: Callable[[ProcessId, Channel, bytes], None],
        tally: Callable[[ProcessId, Channel], Tally],
        wall: Callable[[], float],
    ) -> None:
        self.logbook = logbook
        self.copying = False
        self._strip_ansi = strip_ansi
        self._copy = copy
        self._tally = tally
        self._stamps = Stamps(wall)

    def wanted(self, spec: ProcessSpec, channel: Channel) -> bool:
        """Tell whether anybody would read a channel."""
        if is_heard(spec, channel):
            return True
        events, capture, syslog = _watching(spec, channel)
        return bool(self.logbook.target(spec.id, channel) or events or capture or syslog or self.copying)

    def sinks(self, spec: ProcessSpec, channel: Channel, pid: int, hook: str = "") -> Sinks:
        """Return where a channel of a process goes; `hook`: which command of the program it is, if not the program."""
        events, capture, syslog = _watching(spec, channel)
        transform = None
        if events or capture or self._strip_ansi:
            transform = partial(
                CaptureTransform, capture_maxbytes=capture, events_enabled=events, strip_ansi=self._strip_ansi
            )
        target = self.logbook.target(spec.id, channel)
        lines = None
        form = "prefix" if spec.log_format == "raw" and channel in spec.prefixed else spec.log_format
        if form != "raw" and target is not None:
            lines = LineFormat(form, spec.program, spec.id, channel, pid, self._stamps, hook)
        return Sinks(
            target=target,
            syslog_tag=spec.name if syslog else None,
            transform=transform,
            copy=partial(self._copy, spec.id, channel) if self.copying else None,
            format=lines,
            tally=self._tally(spec.id, channel),
        )


def is_heard(spec: ProcessSpec, channel: Channel) -> bool:
    """Tell whether a channel carries the answers of an event listener."""
    return channel == "stdout" and spec.kind == "eventlistener"


def _watching(spec: ProcessSpec, channel: Channel) -> tuple[bool, int, bool]:
    if channel == "stdout":
        return spec.stdout_events_enabled, spec.stdout_capture_maxbytes, spec.stdout_syslog
    return spec.stderr_events_enabled, spec.stderr_capture_maxbytes, spec.stderr_syslog

"""What the completion of a command shell asks: the words of a line in, candidates out, one a line.

Promises: an answer within a second or none, no word of complaint whatever is wrong, nothing run that a configuration
names, and no candidate that could do harm on a terminal. The quoting is the shell's own business.
"""

import os
import sys
import threading
from collections.abc import Sequence

from tmctl import exits, named
from tmctl.alerts import SINKS
from tmctl.complete import completions
from tmctl.output import silence
from tmctl.render import Info
from tmctl.session import Session

PATIENCE_S = 1.0
"""whoever presses TAB waits no longer than this"""


def keep_quiet() -> None:
    """Drop all complaints, and end this process when it is not through in time, whatever it is waiting for."""
    silence(sys.stderr)
    watch = threading.Timer(PATIENCE_S, os._exit, (exits.OK,))
    watch.daemon = True
    watch.start()


def offer(session: Session, words: Sequence[str]) -> None:
    """Print what the last of a command's words may become."""

    def infos() -> Sequence[Info]:
        found: Sequence[Info] = session.client.call("supervisor.getAllProcessInfo")
        return found

    def sinks() -> Sequence[str]:
        return [sink["name"] for sink in named.ask(session, SINKS) or ()]

    for candidate in completions(" ".join(words), infos, None, sinks):
        if candidate.isprintable():
            session.output.line(candidate)

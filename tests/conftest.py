"""For all tests: signals as in a terminal.

A shell without job control starts what runs in the background with SIGINT and SIGQUIT ignored, `nohup` with SIGHUP, and
that is inherited: no Ctrl-C or hang-up of a test would reach the program under test.
"""

import signal
from typing import Any

USUAL: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}

for signum, handler in USUAL.items():
    if signal.getsignal(signum) is signal.SIG_IGN:
        signal.signal(signum, handler)

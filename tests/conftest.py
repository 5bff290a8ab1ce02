"""For all tests: signals as in a terminal.

A shell without job control starts what runs in the background with SIGINT and SIGQUIT ignored, and that is inherited:
no Ctrl-C of a test would reach the program under test.
"""

import signal

for signum, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(signum) is signal.SIG_IGN:
        signal.signal(signum, handler)

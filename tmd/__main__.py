"""`tmd` and `python -m tmd`."""

import os
import signal
import sys


def run() -> int:
    """Run `tmd`; a Ctrl-C before there is a daemon to tell ends it at once, also while modules are loaded."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from tmd.cli import main  # noqa: PLC0415 - not before Ctrl-C is quiet

    return main()


if __name__ == "__main__":
    sys.exit(run())

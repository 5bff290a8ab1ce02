"""`tmd` and `python -m tmd`."""

import os
import signal
import sys
import threading


def run() -> int:
    """Run `tmd`; a Ctrl-C before there is a daemon to tell ends it at once, also while modules are loaded."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    if os.getpid() == 1:  # to the first process of a container the kernel sends nothing that is not caught
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    _take_msgspec_alone()
    from tmd.cli import main  # noqa: PLC0415 - not before Ctrl-C is quiet

    code = main()
    if threading.active_count() > 1:
        _end_at_once(code)
    return code


def _take_msgspec_alone() -> None:
    """Import msgspec without `typing_extensions`, which it takes where somebody has installed it.

    It can do without. With it come `inspect`, `ast` and `tokenize`: more than a megabyte in every daemon, and a tenth
    of the time to the first program.
    """
    absent = "typing_extensions" not in sys.modules
    if absent:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # the import system's word for: not there
    import msgspec  # noqa: F401, PLC0415

    if absent:
        del sys.modules["typing_extensions"]


def _end_at_once(code: int) -> None:
    """End without tearing down libraries: a thread that still waits for somebody may be inside of one (TLS crashes)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, full, or None
            continue
    os._exit(code)


if __name__ == "__main__":
    sys.exit(run())

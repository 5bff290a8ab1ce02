"""`tmd` and `python -m tmd`."""

import os
import signal
import sys
import threading
import typing


def run() -> int:
    """Run `tmd`; a Ctrl-C before there is a daemon to tell ends it at once, also while modules are loaded."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    if os.getpid() == 1:  # to the first process of a container the kernel sends nothing that is not caught
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    _take_msgspec_alone()
    from tmd.cli import main  # noqa: PLC0415 - not before Ctrl-C is quiet

    code = main()
    if threading.active_count() > 1 or "tmd.daemon.main" in sys.modules:
        _end_at_once(code)
    return code


def _take_msgspec_alone() -> None:
    """Import msgspec without `typing_extensions`, which it takes where somebody has installed it.

    It can do without. With it come `inspect`, `ast` and `tokenize`: more than a megabyte in every daemon, and a tenth
    of the time to the first program. It also tries whether `ForwardRef` takes an argument that it takes since Python
    3.11: to compile the reference, the interpreter makes a class for each part of a syntax tree, another 0.2 MB.
    """
    absent = "typing_extensions" not in sys.modules
    if absent:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # the import system's word for: not there
    forward_ref = typing.ForwardRef
    typing.ForwardRef = _Uncompiled  # type: ignore[assignment, misc]
    try:
        import msgspec  # noqa: F401, PLC0415
    finally:
        typing.ForwardRef = forward_ref  # type: ignore[misc]
    if absent:
        del sys.modules["typing_extensions"]


class _Uncompiled:
    """What `typing.ForwardRef` takes, and nothing done with it."""

    def __init__(self, arg: str, *, is_argument: bool = True, is_class: bool = False) -> None:
        pass


def _end_at_once(code: int) -> None:
    """End without taking the interpreter apart.

    A thread that still waits for somebody may be inside of a library (TLS crashes). And of a daemon nothing is left
    that would need it, but to free the memory of a thousand programs object by object takes a fifth of their stop.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, full, or None
            continue
    os._exit(code)


if __name__ == "__main__":
    sys.exit(run())

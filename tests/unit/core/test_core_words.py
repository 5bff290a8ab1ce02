"""The wording of facts in the daemon's log."""

import signal

import pytest

from tmd.core.inputs import ExitStatus
from tmd.core.words import SIGCONT, SIGKILL, ending, seconds, signal_name


def test_signals_are_called_what_the_platform_calls_them() -> None:
    for signum in signal.Signals:
        assert signal_name(signum) == signum.name
    assert signal_name(40) == "signal 40"
    assert (SIGKILL, SIGCONT) == (signal.SIGKILL, signal.SIGCONT)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (ExitStatus(code=0), "exit status 0"),
        (ExitStatus(code=3), "exit status 3"),
        (ExitStatus(signal=9), "terminated by SIGKILL"),
        (ExitStatus(signal=11, core=True), "terminated by SIGSEGV (core dumped)"),
        (ExitStatus(signal=40), "terminated by signal 40"),
        (ExitStatus(), "ended while nobody could see how"),
    ],
)
def test_an_end(status: ExitStatus, text: str) -> None:
    assert ending(status) == text


@pytest.mark.parametrize(
    ("duration_s", "text"), [(1, "1"), (1.0, "1"), (2.5, "2.5"), (0, "0"), (-1, "-1"), (86400.0, "86400")]
)
def test_seconds(duration_s: float, text: str) -> None:
    assert seconds(duration_s) == text

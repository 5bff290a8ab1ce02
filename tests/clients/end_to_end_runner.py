"""Run one test method of Supervisor's end-to-end tests, with another executable in the place of `sys.executable`.

    python end_to_end_runner.py UNPACKED METHOD EXECUTABLE

The tests start everything they test as `sys.executable -m supervisor.something`; the executable decides what that is.
They interrupt what they started and let go of it, which would kill it at once; here each gets the time to end.
"""

import importlib
import os
import sys
import unittest
from typing import Any

import pexpect

END_S = 20.0

started: list["Kept"] = []


class Kept(pexpect.spawn):  # type: ignore[misc]  # pexpect has no types
    """A terminal that is kept until the end of the run."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        started.append(self)


def main(unpacked: str, method: str, executable: str) -> int:
    """Return the exit code: 0 when the test passed and all it started came to its end."""
    os.environ["END_TO_END"] = "1"  # without it the module defines no tests
    sys.path.insert(0, unpacked)
    sys.executable = executable
    module = importlib.import_module("supervisor.tests.test_end_to_end")
    pexpect.spawn = Kept
    outcome = unittest.TextTestRunner(verbosity=2).run(module.EndToEndTests(method))
    passed = outcome.wasSuccessful() and outcome.testsRun == 1 and not outcome.skipped
    for terminal in started:
        try:
            terminal.expect(pexpect.EOF, timeout=END_S)
        except pexpect.TIMEOUT:
            print(f"did not end within {END_S} s: {terminal.args}: {terminal.before}", file=sys.stderr)
            passed = False
        terminal.close(force=True)
    return not passed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

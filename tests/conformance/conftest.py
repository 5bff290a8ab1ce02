"""Says at the end how many scenarios look alike, and how many show a difference of the table."""

import pytest

LANES = (
    ("test_tmd_and_its_client_look_like_the_originals", "scenarios look alike on supervisord and on tmd"),
    ("test_what_differs_on_purpose_differs_as_the_table_says", "scenarios differ as docs/differences.toml says"),
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add a line for each lane that was run."""
    for name, said in LANES:
        count = {
            outcome: sum(f"::{name}[" in report.nodeid for report in terminalreporter.getreports(outcome))
            for outcome in ("passed", "failed")
        }
        if any(count.values()):
            terminalreporter.write_line(f"{count['passed']} of {sum(count.values())} {said}")

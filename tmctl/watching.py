"""Commands that watch, `top` and `logs`: their words, and the rooms that run them, imported when they are used."""

from tmctl.session import Request, Session

LOGS_OPTIONS = (
    "-f",
    "-n",
    "-t",
    "-i",
    "--all",
    "--both",
    "--follow",
    "--grep",
    "--ignore-case",
    "--lines",
    "--no-prefix",
    "--since",
    "--stderr",
    "--stdout",
    "--times",
    "--until",
)
LOGS_FORMS = (
    ("logs [NAME...]", "show the last lines of several logs, each with its name; without names, of all"),
    ("logs -f [NAME...]", "follow them; Ctrl-C ends. A name may be GROUP, GROUP:* or have wildcards"),
    ("logs -n LINES", "show so many lines of each (default 15), or all"),
    ("logs --stdout | --stderr", "show one stream (default: both)"),
    ("logs --since TIME", "show what was logged since 10m, 2h, 14:03, 2026-11-21T17:45Z (logs with a log_format)"),
    ("logs --until TIME", "show what was logged until then"),
    ("logs --grep PATTERN [-i]", "show lines that match a regular expression, -i: in any case; status 1 if none does"),
    ("logs -t", "show when each line was logged"),
    ("logs --no-prefix", "show lines as they stand in the log"),
)
TOP_OPTIONS = ("-d", "--once", "--sort")
TOP_FORMS = (
    ("top [NAME...]", "show what processes use, live, and act on them by keys (? shows which)"),
    ("top -d SECONDS", "look so often (default 2)"),
    ("top --sort COLUMN", "sort by name, state, pid, uptime, cpu, memory, threads, fds or restarts"),
    ("top --once", "print one look as text; so it is, too, where no terminal is"),
)


def logs(session: Session, request: Request) -> None:
    """Show the logs of several processes."""
    from tmctl.logs import logs as run  # noqa: PLC0415  a one-shot status has no use for it

    run(session, request)


def top(session: Session, request: Request) -> None:
    """Show what processes use."""
    from tmctl.top import top as run  # noqa: PLC0415

    run(session, request)

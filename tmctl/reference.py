"""Help and reference pages, generated from the tables of flags, commands and exit codes."""

from collections.abc import Iterable

from tmctl.arguments import FLAGS, Flag
from tmctl.commands import COMMANDS, Command
from tmctl.exits import MEANINGS

EXAMPLES: tuple[tuple[str, str], ...] = (
    ("tmctl", "open the shell"),
    ("tmctl status", "what runs"),
    ("tmctl restart web worker:*", "restart a program and a whole group"),
    ("tmctl tail -f web stderr", "follow a log"),
    ("tmctl logs -f web worker", "follow the logs of several programs"),
    ("tmctl top", "see what uses the processor and the memory"),
    ("tmctl reread && tmctl update", "see what changed in the configuration, then apply it"),
    ("tmctl signal HUP web", "have a program reload"),
    ("tmctl status --json", "the same for a program to read"),
    ("tmctl -s http://localhost:9001 -u me status", "another server"),
)

VARIABLES: tuple[tuple[str, str], ...] = (
    ("TMCTL_CONFIG", "like -c"),
    ("TMCTL_SERVERURL", "like -s"),
    ("TMCTL_USERNAME", "like -u"),
    ("TMCTL_PASSWORD", "like -p, but not visible to others"),
    ("NO_COLOR", "no colour, unless --color=always"),
    ("FORCE_COLOR", "colour even when the output is no terminal"),
)


def help_text(flags: Iterable[Flag] = FLAGS) -> str:
    """Return the page of `tmctl --help`."""
    rows = _table((flag.spelled, flag.help) for flag in flags)
    return _page("tmctl", "talk to a tmd (or to a supervisord)", rows)


def help_text_for_supervisors_client() -> str:
    """Return the page under the name `supervisorctl`, with flags written as scripts and people know them from there."""
    rows = [f"{flag.spelled_as_supervisor} -- {flag.help}" for flag in FLAGS]
    return _page("supervisorctl", "control applications run by supervisord or tmd (this is tmctl)", rows)


def _page(program: str, purpose: str, flags: Iterable[str]) -> str:
    names = [(command.name, command.forms[0][1]) for command in COMMANDS]
    examples = [(line.replace("tmctl", program), meaning) for line, meaning in EXAMPLES]
    return "\n".join(
        [
            f"{program} -- {purpose}",
            "",
            f"usage: {program} [flags] [command [words]]",
            "Without a command, a shell opens.",
            "",
            "flags:",
            *flags,
            "",
            f"commands (more with: {program} help COMMAND):",
            *_table(names),
            "",
            "NAME is `program`, `group:process`, `group:*`, or `all`.",
            "",
            "environment:",
            *_table(VARIABLES),
            "",
            "exit codes:",
            *_table((str(code), meaning) for code, meaning in MEANINGS),
            "",
            "examples:",
            *_table(examples),
        ]
    )


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    found = list(rows)
    width = max(len(left) for left, _ in found) + 2
    return [f"  {left:<{width}}{right}" for left, right in found]


def commands_page() -> str:
    """Return `docs/reference/tmctl.md`."""
    parts = [
        "# tmctl",
        "",
        "<!-- generated from tmctl/commands.py; do not edit -->",
        "",
        "`tmctl [flags] [command [words]]` runs one command, or opens a shell when none is given.",
        "Text, order and exit codes are those of Supervisor's `supervisorctl`: what parses the one parses the other.",
        "",
        "## Flags",
        "",
        "| Flag | Meaning |",
        "|---|---|",
        *(f"| `{flag.spelled}` | {_cell(flag.help)} |" for flag in FLAGS),
        "",
        "The server is, in this order: `-s`; `TMCTL_SERVERURL`; what the configuration says (`-c`, `TMCTL_CONFIG`, or"
        " the first file found in the usual places); the default socket.",
        "In a configuration, `serverurl`, `username`, `password`, `prompt` and `history_file` of `[supervisorctl]`"
        " (`ctl:` in YAML) count; without a `serverurl`, a native file's own `socket` or `http` is taken, and"
        " `http://localhost:9001` for a Supervisor file.",
        "",
        "## Names",
        "",
        "`web` is the process `web` of the group `web`; `web:web_00` a process of a group; `web:*` the whole group;"
        " `all`, anywhere among names, means everything.",
        "",
        "## Commands",
        "",
        *(line for command in COMMANDS for line in _command_part(command)),
        "## Exit codes",
        "",
        "| Code | Meaning |",
        "|---|---|",
        *(f"| {code} | {_cell(meaning)} |" for code, meaning in MEANINGS),
        "",
        "The shell itself always ends with 0.",
        "",
        "## Environment",
        "",
        "| Variable | Meaning |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in VARIABLES),
        "",
        "## JSON",
        "",
        "With `--json`, standard output is one document; the exit code is the same as without. Keys that appear:",
        "",
        "| Commands | Keys |",
        "|---|---|",
        *(f"| {commands} | {keys} |" for commands, keys in DOCUMENTS),
        "",
        "## Examples",
        "",
        "```sh",
        *_shell_lines(EXAMPLES),
        "```",
        "",
    ]
    return "\n".join(parts)


DOCUMENTS: tuple[tuple[str, str], ...] = (
    (
        "status",
        "`processes`: `name`, `group`, `process`, `state`, `uptime_s`, `description`, `start`, `stop`, `now`, `pid`,"
        " `exitstatus`, `spawnerr`, `stdout_logfile`, `stderr_logfile`, and whatever else the server tells",
    ),
    ("status --verbose", "also `listener` (null for others): `state`, `for_s`, `waiting`, `buffer_size`, `dropped`"),
    (
        "pools",
        "`pools`: `name`, `events`, `buffer_size`, `waiting`, `delivered`, `rejected`, `redelivered`, `dropped`,"
        " `listeners` (`name`, `state`, `for_s`)",
    ),
    (
        "alerts",
        "`alerts`: `name`, `kind`, `goes_to`, `events`, `programs`, `sent`, `failed`, `dropped`, `waiting`,"
        " `last_error`, `last_error_at`",
    ),
    ("alert-test", "`results`: `name`, `kind`, `goes_to`, `ok`, `said`"),
    ("summary", "`groups`: `name`, `running`, `total`, `states` (state to count)"),
    ("list", "`processes`: names"),
    ("pid", "`pid`; with names `processes`: `name`, `pid`"),
    ("version", "`version`, `server` (`name`, `version`, `dialect`, `config`; null for a supervisord)"),
    ("avail", "`processes`: the server's configuration items, `name` as typed, `process`"),
    (
        "start, stop, restart, signal, pause, resume, clear",
        "`results`: `name`, `ok`, `result` (`started`, `stopped`, ...), `error`, `fault` (80 for success)",
    ),
    ("reread", "`added`, `changed`, `removed`: group names"),
    (
        "update",
        "`added`, `removed`: group names; `changed`: `name` and lists of processes: `added`, `removed`, `restarted`, "
        "`live`, `kept`",
    ),
    ("reload", "`restarted`; when false also `added`, `changed`, `removed` as for update"),
    ("add, remove", "`added` or `removed`: group names"),
    ("shutdown", "`shutdown`"),
    ("tail, maintail", "`text`"),
    (
        "logs",
        "`lines`: `name`, `stream`, `at` (RFC 3339, null where the log does not tell), `text`; with `-f` one such"
        " object a line",
    ),
    (
        "top",
        "`server`, `processes`: `name`, `group`, `process`, `state`, `pid`, `uptime_s`, `cpu_percent`, `cpu_ms`, "
        "`rss_kib`, `threads`, `fds`, `processes`, `starts`, `restarts`, `last_end`; of a supervisord as for status",
    ),
    ("all", "`errors`: the lines that would have been printed"),
)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _command_part(command: Command) -> list[str]:
    lines = [f"### {command.name}", "", "| Typed | Does |", "|---|---|"]
    lines += [f"| `{_cell(form)}` | {_cell(sentence)} |" for form, sentence in command.forms]
    if command.flags:
        lines += ["", f"Flags: {', '.join(f'`{flag}`' for flag in command.flags)}."]
    return [*lines, ""]


def _shell_lines(rows: Iterable[tuple[str, str]]) -> list[str]:
    found = list(rows)
    width = max(len(left) for left, _ in found) + 2
    return [f"{left:<{width}}# {right}" for left, right in found]

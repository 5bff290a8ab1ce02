"""The manual pages, made from the tables of flags, commands, exit codes and options."""

from collections.abc import Iterable

from docs.roff import Page
from tmctl.arguments import FLAGS as CLIENT_FLAGS
from tmctl.arguments import Flag as ClientFlag
from tmctl.commands import COMMANDS
from tmctl.exits import MEANINGS
from tmctl.reference import EXAMPLES as CLIENT_EXAMPLES
from tmctl.reference import VARIABLES as CLIENT_VARIABLES
from tmd import __version__
from tmd.arguments import EXAMPLES as DAEMON_EXAMPLES
from tmd.arguments import FLAGS as DAEMON_FLAGS
from tmd.arguments import Flag as DaemonFlag
from tmd.config.option import Effect, Option, Section
from tmd.config.options import SECTIONS

ISSUED = "2026-11-21"
"""the date on the pages; of the last release, so that the same source always makes the same page"""
SOURCE = f"Taskmaster {__version__}"

SIGNALS = (
    ("TERM, INT, QUIT", "Stop everything in order, then end."),
    (
        "HUP",
        "Native dialect: read the configuration and apply what changed. Supervisor's dialect: restart everything. "
        "A configuration with mistakes is refused, and everything goes on as before.",
    ),
    ("USR2", "Open all log files anew, after an external rotation, and write the profile, if there is to be one."),
    ("USR1", "Upgrade: go on as the code and the configuration that are there now, in the same process."),
)
DAEMON_EXITS = (
    ("0", "a normal end; in the background: the daemon is up and answers"),
    ("1", "a defect of tmd's, with a traceback in the log"),
    ("2", "nothing was started: wrong flags, a broken configuration, a pid file or a socket that is taken"),
)
DAEMON_VARIABLES = (
    ("RUNTIME_DIRECTORY, LOGS_DIRECTORY, STATE_DIRECTORY", "Where sockets, logs and state go, as systemd sets them."),
    ("XDG_RUNTIME_DIR, XDG_STATE_HOME, XDG_CONFIG_HOME", "The same for everybody but root, and the configuration."),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
        "The service manager's: it is told when the daemon is ready, reloads, stops and lives, and how the programs "
        "are. They and `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES` are not passed on to programs.",
    ),
)
FILES = (
    ("/etc/taskmaster/taskmaster.yaml, .ini, .toml", "The configuration, when there is none of Supervisor's."),
    ("~/.config/taskmaster/taskmaster.yaml, .ini, .toml", "The same for everybody but root."),
    ("/run/taskmaster/tmd.sock", "The control socket of root's daemon; the pid file `tmd.pid` is beside it."),
    ("/var/log/taskmaster/", "Logs of root's daemon and its programs."),
    ("/var/lib/taskmaster/", "What outlives root's daemon."),
)  # fmt: skip
SEARCH = (
    "Without `-c` the configuration is the first that exists of: `../etc/supervisord.conf` and `../supervisord.conf` "
    "beside the program, `supervisord.conf`, `etc/supervisord.conf`, `taskmaster.yaml` and `taskmaster.ini` in the "
    "current directory (not for root), `/etc/supervisord.conf`, `/etc/supervisor/supervisord.conf`, and those below."
)


def files() -> dict[str, str]:
    """Return the pages: path from the top of the repository -> text."""
    return {
        "docs/man/tmd.1": daemon_page(),
        "docs/man/tmctl.1": client_page(),
        "docs/man/tmd.conf.5": configuration_page(),
    }


def daemon_page() -> str:
    """Return tmd(1)."""
    page = Page("tmd", 1, ISSUED, SOURCE, "run programs, keep them alive, answer for them")
    page.section("SYNOPSIS").synopsis("tmd", "[OPTIONS] [CONFIG]")
    page.section("DESCRIPTION").paragraph(
        "`tmd` starts the programs that its configuration names, starts them again when they end, keeps their output "
        "in rotated logs, and answers questions about them over a socket; `tmctl` asks them.",
        "It is a drop-in for Supervisor's `supervisord`: it reads the same configurations and speaks the same XML-RPC.",
    )
    page.paragraph(
        "It goes to the background and returns once it answers; what is wrong is said before that.",
        "Under a service manager it stays in the foreground (`-n`).",
    )
    page.paragraph(SEARCH)
    page.section("OPTIONS")
    beating = [flag for flag in DAEMON_FLAGS if flag.kind in ("setting", "switch")]
    page.entries(_flag_rows(flag for flag in DAEMON_FLAGS if flag not in beating))
    page.subsection("These beat the file:").entries(_flag_rows(beating))
    page.section("SIGNALS").entries((f"SIG{names.replace(', ', ', SIG')}", text) for names, text in SIGNALS)
    page.section("EXIT STATUS").entries((code, _sentence(meaning)) for code, meaning in DAEMON_EXITS)
    page.section("ENVIRONMENT").entries(DAEMON_VARIABLES)
    page.section("FILES").entries(FILES)
    page.section("EXAMPLES")
    for words, meaning in DAEMON_EXAMPLES:
        page.paragraph(f"{_sentence(meaning)[:-1]}:").example(f"tmd {words}")
    return page.see_also(("tmctl", 1), ("tmd.conf", 5), ("systemd.service", 5)).text()


def client_page() -> str:
    """Return tmctl(1)."""
    page = Page("tmctl", 1, ISSUED, SOURCE, "talk to a tmd or a supervisord")
    page.section("SYNOPSIS").synopsis("tmctl", "[FLAGS] [COMMAND [WORDS]]")
    page.section("DESCRIPTION").paragraph(
        "`tmctl` runs one command, or opens a shell when none is given.",
        "Text, order and exit codes are those of Supervisor's `supervisorctl`.",
    )
    page.paragraph(
        "The server is, in this order: `-s`; `TMCTL_SERVERURL`; what the configuration says (`-c`, `TMCTL_CONFIG`, or "
        "the first file found in the usual places); the default socket."
    )
    page.paragraph(
        "A `NAME` is `web` (the process `web` of the group `web`), `web:web_00` (a process of a group), `web:*` (a "
        "whole group) or `all`."
    )
    page.section("OPTIONS").entries(_flag_rows(CLIENT_FLAGS))
    page.section("COMMANDS")
    for command in COMMANDS:
        for form, meaning in command.forms:
            page.entry(form, _sentence(meaning))
        if command.flags:
            page.paragraph(f"Flags of `{command.name}`: {', '.join(f'`{flag}`' for flag in command.flags)}.")
    page.section("EXIT STATUS").entries((str(code), _sentence(meaning)) for code, meaning in MEANINGS)
    page.paragraph("The shell itself always ends with 0.")
    page.section("ENVIRONMENT").entries((name, _sentence(meaning)) for name, meaning in CLIENT_VARIABLES)
    page.section("FILES").entry(
        "~/.local/state/taskmaster/tmctl_history", "What was typed in the shell, unless `-r` names another file."
    )
    page.paragraph("The configurations that are looked for are those of `tmd`.")
    page.section("EXAMPLES")
    for words, meaning in CLIENT_EXAMPLES:
        page.paragraph(f"{_sentence(meaning)[:-1]}:").example(words)
    return page.see_also(("tmd", 1), ("tmd.conf", 5)).text()


def configuration_page() -> str:
    """Return tmd.conf(5)."""
    page = Page("tmd.conf", 5, ISSUED, SOURCE, "configuration of tmd")
    page.section("DESCRIPTION").paragraph(
        "A configuration is INI, YAML, JSON or TOML.",
        "`tmd --check-config` says everything that is wrong with one, `tmd --sample` prints one to start from, and "
        "`tmd --explain` says what this page says of an option.",
    )
    page.paragraph(
        "A file with a `[supervisord]` section is in Supervisor's dialect: Supervisor's defaults, and unknown options "
        "are warnings.",
        "Everything else is in the native dialect: unknown options are errors, other names of options and fractions "
        "of a second are understood, relative paths count from the directory of the file.",
    )
    page.paragraph(
        "`%(here)s`, `%(ENV_NAME)s`, and in programs `%(program_name)s`, `%(group_name)s` and `%(host_node_name)s` are "
        "filled in; in options marked with * also `%(process_num)s` and `%(numprocs)s`.",
        "A percent sign is written `%%`.",
    )
    program = next(section for section in SECTIONS if section.key == "program")
    page.section("SECTIONS")
    for section in SECTIONS:
        _configuration_section(page, section, program)
    page.section("EXAMPLES")
    page.paragraph("As YAML:").example(
        "taskmaster:\n  loglevel: info\nprograms:\n  web:\n    command: /usr/bin/web --port 80%(process_num)02d\n"
        "    numprocs: 3\n    user: www-data\n    autorestart: unexpected\n    exitcodes: [0, 2]"
    )
    page.paragraph("The same as INI:").example(
        "[taskmaster]\nloglevel = info\n\n[program:web]\ncommand = /usr/bin/web --port 80%(process_num)02d\n"
        "numprocs = 3\nuser = www-data\nautorestart = unexpected\nexitcodes = 0,2"
    )
    return page.see_also(("tmd", 1), ("tmctl", 1)).text()


def _configuration_section(page: Page, section: Section, program: Section) -> None:
    page.subsection(section.ini).paragraph(f"In YAML: `{section.nested}`.", section.doc)
    shared = [o for o in section.options if section is not program and any(o is each for each in program.options)]
    if shared:
        page.paragraph(f"It has every option of `{program.ini}`, and:")
    for option in section.options:
        if option not in shared:
            page.entry(_option_tag(option), *_option_text(option))


def _option_tag(option: Option) -> str:
    return f"{option.name}{'*' if option.per_process else ''}"


def _option_text(option: Option) -> Iterable[str]:
    yield option.doc
    kind = option.kind
    yield f"{kind.word.capitalize() if not kind.hint.startswith(kind.word) else 'Value'}: {kind.hint}."
    ours, theirs = option.shown_default(native=True), option.shown_default(native=False)
    if option.native_only:
        yield f"Native dialect only{f'; default: {ours}' if ours else ''}."
    elif ours == theirs and ours:
        yield f"Default: {ours}."
    elif ours != theirs:
        yield f"Default: {theirs or 'none'}; in the native dialect {ours or 'none'}."
    if option.synonyms:
        yield f"Native dialect: also {', '.join(f'`{name}`' for name in option.synonyms)}."
    if option.effect is not Effect.RESTART:
        yield f"A change applies {option.effect.value}."


def _flag_rows(flags: Iterable[DaemonFlag | ClientFlag]) -> Iterable[tuple[str, str]]:
    for flag in flags:
        spellings = ", ".join([*(f"-{letter}" for letter in flag.letters), f"--{flag.long}"])
        yield f"{spellings} {flag.value}".rstrip(), _sentence(flag.help)


def _sentence(text: str) -> str:
    """Return a text of a table as a sentence."""
    first = text[:1].upper() if not text.startswith(("`", "tm")) else text[:1]
    return f"{first}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")

"""What is generated from the list of options: samples, the reference page, `explain`. The JSON schema: `schema`.

Pure: every function returns a text or a value, and whoever wants a file writes it.
"""

from collections.abc import Iterator

from tmd.config.alert_options import alert_samples
from tmd.config.option import Effect, Option, Section
from tmd.config.options import SECTIONS
from tmd.config.supervisor_sample import supervisor_sample
from tmd.tree.shape import did_you_mean

SCHEMA_FILE = "schema.json"
"""as it is called beside the samples in docs/reference"""
_BY_KEY = {section.key: section for section in SECTIONS}
_ALERTS = next(option for option in _BY_KEY["daemon"].options if option.name == "alerts")
_COLUMN = 44


def sample(kind: str) -> str:
    """Return a configuration to start from: it loads as it is, and every option stands in it as a comment.

    Kinds are `ini`, `yaml` and `supervisor`; raises ValueError for another.
    """
    match kind:
        case "ini":
            return _sample_ini()
        case "yaml":
            return _sample_yaml()
        case "supervisor":
            return supervisor_sample()
        case _:
            raise ValueError(f"cannot make a sample of kind {kind!r} (ini, yaml or supervisor)")


def _commented(option: Option, *, mark: str, join: str, indent: str = "") -> str:
    """Return one option as a comment line; what it says is its default, or an example where there is none."""
    default = option.default_in(native=True)
    value = option.example or ("" if default is None else option.kind.show(default))
    # a name with a dot has a plain synonym
    name = option.synonyms[0] if "." in option.name else option.name
    return f"{f'{indent}{mark}{name}{join}{value}':<{_COLUMN}} {_note(option)}".rstrip()


def _note(option: Option) -> str:
    return f"# {option.doc}" + (f" In {option.unit}." if option.unit else "")


_PROGRAM = _BY_KEY["program"].options


def _is_shared(section: Section, option: Option) -> bool:
    """Tell whether an option of another kind of section is that of a program, and said with it."""
    return section.key != "program" and any(option is each for each in _PROGRAM)


def _own(key: str) -> Iterator[Option]:
    """Return the options of a section that have to be said with it."""
    return (option for option in _BY_KEY[key].options if not _is_shared(_BY_KEY[key], option))


def _own_of_daemon() -> Iterator[Option]:
    """Return the options of the daemon's section but for the alerts, which have lines of their own."""
    return (option for option in _own("daemon") if option.name != "alerts")


def _ini_lines(key: str) -> Iterator[str]:
    options = _own_of_daemon() if key == "daemon" else _own(key)
    return (_commented(option, mark=";", join=" = ") for option in options)


def _ini_alerts() -> Iterator[str]:
    yield "; places that are told what happens, as many as are wanted"
    for name, options in alert_samples():
        yield f";[alert:{name}]"
        yield from (_commented(option, mark=";", join=" = ") for option in options)
        yield ""


def _ini_sections_of_processes() -> list[str]:
    """Return the sections beside programs, each a comment with an example of its own."""
    command = next(option for option in _PROGRAM if option.name == "command")
    lines: list[str] = []
    for key, title, name, example in _EXAMPLES:
        line = _commented(command._replace(example=example), mark=";", join=" = ")
        lines += [f"; {title}; it has all options of a program, too", f";[{key}:{name}]", line]
        lines += [*_ini_lines({"eventlistener": "listener", "fcgi-program": "fcgi"}[key]), ""]
    return lines


_EXAMPLES = (
    ("eventlistener", "processes that are told of events", "mailer", "/usr/local/bin/mail-on-crash"),
    ("fcgi-program", "processes that share a listening socket", "app", "/usr/local/bin/app.fcgi"),
)


def _sample_ini() -> str:
    lines = [
        "; A configuration of tmd. What is commented out says the default, or an example.",
        "; A comment begins with ; or # at the start of a line or after a blank. A percent sign is written %%.",
        "",
        "[taskmaster]",
        *_ini_lines("daemon"),
        "",
        "[program:ticker]",
        "command = sh -c 'while echo tick; do sleep 1; done'",
        *(line for line in _ini_lines("program") if not line.startswith(";command ")),
        "",
        ";[group:pair]",
        *_ini_lines("group"),
        "",
        *_ini_sections_of_processes(),
        *_ini_alerts(),
        "; methods of somebody else's, in this daemon, and commands of somebody else's, in tmctl",
        ";[rpcinterface:NAME]",
        *_ini_lines("extension"),
        "",
        ";[ctlplugin:NAME]",
        *_ini_lines("ctlplugin"),
        "",
        ";[ctl]",
        *_ini_lines("ctl"),
        "",
        ";[include]",
        *_ini_lines("include"),
    ]
    return _text(lines)


def _sample_yaml() -> str:
    def line(option: Option, indent: str, mark: str = "# ") -> str:
        # a plain word of YAML cannot begin with a percent sign or an asterisk
        example = f'"{option.example}"' if option.example.startswith(("%", "*")) else option.example
        return _commented(option._replace(example=example), mark=mark, join=": ", indent=indent)

    def options(key: str, indent: str, *, but: str = "") -> Iterator[str]:
        return (line(option, indent) for option in _own(key) if option.name != but)

    def alerts() -> Iterator[str]:
        yield f"{'  # alerts:':<{_COLUMN}} # {_ALERTS.doc}"
        for _, (first, *others) in alert_samples():
            yield line(first, "  ", "#   - ")
            yield from (line(option, "  ", "#     ") for option in others)

    lines = [
        f"# yaml-language-server: $schema={SCHEMA_FILE}",
        "# A configuration of tmd. What is commented out says the default, or an example.",
        "# A percent sign is written %%.",
        "",
        "taskmaster:",
        *(line(option, "  ") for option in _own_of_daemon()),
        *alerts(),
        "",
        "programs:",
        "  ticker:",
        "    command: sh -c 'while echo tick; do sleep 1; done'",
        *options("program", "    ", but="command"),
        "",
        "# groups:",
        "#   pair:",
        *options("group", "    "),
        "",
        "# eventlisteners:",
        "#   mailer:  # it has all options of a program, too",
        "    # command: /usr/local/bin/mail-on-crash",
        *options("listener", "    "),
        "",
        "# fcgi-programs:",
        "#   app:  # it has all options of a program, too",
        "    # command: /usr/local/bin/app.fcgi",
        *options("fcgi", "    "),
        "",
        "# rpcinterfaces:",
        "#   NAME:",
        *options("extension", "    "),
        "",
        "# ctlplugins:",
        "#   NAME:",
        *options("ctlplugin", "    "),
        "",
        "# ctl:",
        *options("ctl", "  "),
    ]
    return _text(lines)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def reference_markdown() -> str:
    """Return the reference page of all options."""
    lines = [
        "# Settings",
        "",
        "Generated from the list of options in `tmd/config/options.py` and `tmd/config/program_options.py`;",
        "run `python docs/generate.py` after a change.",
        "",
        "A file with a `[supervisord]` section is in Supervisor's dialect: Supervisor's defaults, and unknown options",
        "are warnings. Everything else (YAML, JSON, TOML, INI with `[taskmaster]` or with nothing but programs)",
        "is in the native dialect: unknown options are errors, synonyms and fractions of a second are understood,",
        "relative paths count from the directory of the file. `%(here)s`, `%(ENV_NAME)s`, and in programs",
        "`%(program_name)s`, `%(group_name)s` and `%(host_node_name)s` are filled in; options marked with *",
        "may also use `%(process_num)s` and `%(numprocs)s`. A percent sign is written `%%`.",
        "Supervisor ignores the options that it does not have: a file with them still works there.",
    ]
    for section in SECTIONS:
        lines += ["", f"## `{section.ini}`, `{section.nested}`", "", section.doc, ""]
        if any(_is_shared(section, option) for option in section.options):
            lines += [f"Every option of `{_BY_KEY['program'].ini}`, and:", ""]
        lines += ["| Option | Value | Default | What it is | A change applies |", "|---|---|---|---|---|"]
        lines += [_row(section, option) for option in _own(section.key)]
    return _text(lines)


def _row(section: Section, option: Option) -> str:
    name = f"`{option.name}`{'*' if option.per_process else ''}"
    if option.synonyms:
        name += f" ({', '.join(f'`{synonym}`' for synonym in option.synonyms)})"
    if option.native_only:
        name += ", native only"
    elif option.kind.supervisor is None and section.key != "alert":
        name += ", not in Supervisor"
    kind = option.kind
    value = kind.hint if kind.hint.startswith(kind.word) else f"{kind.word}: {kind.hint}"
    cells = (name, value, _both_defaults(option), option.doc, _applies(section, option))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _both_defaults(option: Option) -> str:
    ours, theirs = option.shown_default(native=True), option.shown_default(native=False)
    if ours == theirs or option.native_only:
        return f"`{ours}`" if ours and " " not in ours else ours
    return f"{theirs or 'none'}; native: {ours or 'none'}"


def _applies(section: Section, option: Option) -> str:
    if option.effect is not Effect.RESTART:
        return str(option.effect.value)
    if section.key in ("program", "listener", "fcgi") or option.name in ("uid", "gid", "environment"):
        return "update restarts the program"
    return "when the daemon is restarted"


def explain(key: str) -> str:
    """Return what there is to know about an option: `startsecs`, `cmd`, `program.priority`; raises ValueError."""
    found = list(_found(key))
    if not found:
        names = tuple(
            {word for each in SECTIONS for option in each.options for word in (option.name, *option.synonyms)}
        )
        hint = did_you_mean(key.rpartition(".")[2], names) or "all are in the output of --sample yaml"
        raise ValueError(f"cannot explain {key!r}: there is no such option ({hint})")
    return "\n\n".join(_explained(sections, option) for sections, option in found)


def _found(key: str) -> Iterator[tuple[list[Section], Option]]:
    """Yield the options meant by a key, each with the sections that have it."""
    for name, wanted in ((key, ""), (key.rpartition(".")[2], key.rpartition(".")[0])):
        kind = wanted.partition(":")[0].partition(".")[0]
        told: list[Option] = []
        for section in SECTIONS:
            for option in section.options:
                if name not in (option.name, *option.synonyms) or any(option is each for each in told):
                    continue
                sections = [each for each in SECTIONS if any(option is other for other in each.options)]
                if not wanted or any(kind in _section_names(each) for each in sections):
                    told.append(option)
                    yield sections, option
        if told:
            return


def _section_names(section: Section) -> tuple[str, ...]:
    ini = (part.strip(" []").partition(":")[0] for part in section.ini.split("/"))
    return (section.key, section.nested, section.nested.partition(".")[0], *ini)


def _explained(sections: list[Section], option: Option) -> str:
    section = sections[0]
    places = ", ".join(f"{each.ini}, {each.nested}" for each in sections)
    lines = [f"{option.name}: {option.doc}", f"  in: {places}"]
    lines.append(f"  value: {option.kind.word} ({option.kind.hint})")
    if option.synonyms:
        lines.append(f"  also written: {', '.join(option.synonyms)} (native dialect)")
    if option.nested:
        lines.append(f"  or a mapping of: {', '.join(option.nested)}")
    lines.append(f"  default: {_both_defaults(option).replace('`', '') or 'none'}")
    lines.append(f"  a change applies: {_applies(section, option)}")
    if option.per_process:
        lines.append("  may use %(process_num)s and %(numprocs)s")
    return "\n".join(lines)

"""The completions for fish, from version 3.1 on."""

from collections.abc import Iterable, Sequence

from docs.completions.flags import Flag, client_flags, daemon_flags, filled
from tmctl.commands import COMMANDS


def files() -> dict[str, str]:
    """Return path from the top of the repository -> text."""
    return {
        "etc/completions/tmctl.fish": _file(_TMCTL, "tmctl", client_flags()),
        "etc/completions/tmd.fish": _file(_TMD, "tmd", daemon_flags()),
    }


def _file(template: str, program: str, flags: Sequence[Flag]) -> str:
    return filled(template, flags, {"FLAGS": _flags(program, flags), "DESCRIBED": _commands()})


_TMCTL = r"""
# fish completion of tmctl
# @HEAD@

# How many of the words given are tmctl and its own flags.
function __tmctl_flags
    set -l count 1
    set -l at 2
    while test $at -le (count $argv)
        set -l word $argv[$at]
        string match -qr -- '^-.' $word; or break
        set at (math $at + 1)
        test $word = --; and break
        if contains -- $word (string split ' | ' -- '@LONGS@')
            or string match -qr -- '^-[^-@LETTERS@]*[@LETTERS@]$' $word
            set at (math $at + 1)
        end
    end
    math $at - 1
end

function __tmctl_needs_command
    set -l words (commandline -opc)
    test (__tmctl_flags $words) -ge (count $words)
end

# What tmctl itself says may follow; fish quotes what it inserts.
function __tmctl_words
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    string match -q -- '-*' $current; or set current ''
    set words (string replace -r '^~/' "$HOME/" -- $words)
    set -l program $words[1]
    type -q -- $program; or set program tmctl
    command $program @COMPLETE@ $words[2..-1] $current 2>/dev/null </dev/null
end

complete -c tmctl -f
@FLAGS@
@DESCRIBED@
complete -c tmctl -n 'not __tmctl_needs_command' -a '(__tmctl_words)'
"""

_TMD = r"""
# fish completion of tmd
# @HEAD@

@FLAGS@
complete -c tmd -n 'contains -- --sample (commandline -opc)' -f -a '@SAMPLES@'
"""


def _flags(program: str, flags: Iterable[Flag]) -> str:
    return "\n".join(_flag(program, flag) for flag in flags)


def _flag(program: str, flag: Flag) -> str:
    parts = [f"complete -c {program}"]
    if program == "tmctl":
        parts.append("-n __tmctl_needs_command")
    parts += [f"-s {_quoted(letter)}" for letter in flag.letters]
    parts.append(f"-l {flag.long}")
    match flag.value:
        case None:
            pass
        case "nothing":
            parts.append("-x")
        case "files":
            parts.append("-r -F")
        case "directories":
            parts.append("-x -a '(__fish_complete_directories)'")
        case "users":
            parts.append("-x -a '(__fish_complete_users)'")
        case words:
            parts.append(f"-x -a '{' '.join(words)}'")
    return " ".join([*parts, f"-d {_quoted(flag.help)}"])


def _commands() -> str:
    return "\n".join(
        f"complete -c tmctl -n __tmctl_needs_command -a {command.name} -d {_quoted(command.forms[0][1])}"
        for command in COMMANDS
    )


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"

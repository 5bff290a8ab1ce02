"""The completions for zsh."""

from collections.abc import Iterable, Sequence

from docs.completions.flags import Flag, client_flags, daemon_flags, filled
from tmctl.commands import COMMANDS


def files() -> dict[str, str]:
    """Return path from the top of the repository -> text."""
    return {
        "etc/completions/_tmctl": _file(_TMCTL, client_flags()),
        "etc/completions/_tmd": _file(_TMD, daemon_flags()),
    }


def _file(template: str, flags: Sequence[Flag]) -> str:
    return filled(template, flags, {"FLAGS": _flags(flags), "DESCRIBED": _commands()})


_TMCTL = r"""
#compdef tmctl
# zsh completion of tmctl
# @HEAD@

# What `tmctl` itself says may follow. compadd quotes what it is given, and nothing here evaluates it.
_tmctl_words() {
    local -a typed=("${(@)${(@Q)line_typed}/#\~\//$HOME/}") candidates
    local program=$typed[1] asked=
    [[ $PREFIX == -* ]] && asked=${(Q)PREFIX}
    (( $+commands[$program] )) || [[ $program == */* && -x $program ]] || program=tmctl
    candidates=("${(@f)$("$program" @COMPLETE@ "${(@)typed[2,-1]}" "$asked" 2>/dev/null </dev/null)}")
    candidates=("${(@)candidates:#}")
    (( ${#candidates} )) && compadd -- "${(@)candidates}"
}

_tmctl() {
    local curcontext=$curcontext state line ret=1
    local -a line_typed=("${(@)words[1,CURRENT-1]}") commands_known
    typeset -A opt_args
    _arguments -C -s -S -A '-*' \
@FLAGS@
        '1: :->command' \
        '*:: :->words' && ret=0
    case $state in
        command)
            commands_known=(
@DESCRIBED@
            )
            _describe -t commands command commands_known && ret=0
            ;;
        words) _tmctl_words && ret=0 ;;
    esac
    return ret
}

_tmctl "$@"
"""

_TMD = r"""
#compdef tmd
# zsh completion of tmd
# @HEAD@

_tmd() {
    local -a samples=(@SAMPLES@)
    if (( ${words[(I)--sample]} )) && [[ $PREFIX != -* ]]; then
        compadd -- $samples
        return
    fi
    _arguments -s -S \
@FLAGS@
        '1:configuration:_files'
}

_tmd "$@"
"""


def _flags(flags: Iterable[Flag]) -> str:
    """Return the specifications of flags for `_arguments`, one a line."""
    return "\n".join(f"        {specification} \\" for flag in flags for specification in _flag(flag))


def _flag(flag: Flag) -> list[str]:
    text = _quoted(flag.help, also="[]")
    match flag.value:
        case None:
            value = ""
        case "nothing":
            value = f":{flag.value_name.lower()}: "
        case "files":
            value = f":{flag.value_name.lower()}:_files"
        case "directories":
            value = f":{flag.value_name.lower()}:_files -/"
        case "users":
            value = f":{flag.value_name.lower()}:_users"
        case words:
            value = f":{flag.value_name.lower()}:({' '.join(words)})"
    others = f"({' '.join(flag.spellings)})"
    equals, plus = ("=", "+") if flag.value is not None else ("", "")
    long = f"'{others}--{flag.long}{equals}[{text}]{value}'"
    return [long, *(f"'{others}-{letter}{plus}[{text}]{value}'" for letter in flag.letters)]


def _commands() -> str:
    return "\n".join(f"{'':16}'{one.name}:{_quoted(one.forms[0][1])}'" for one in COMMANDS)


def _quoted(text: str, also: str = "") -> str:
    """Return a description for use within single quotes."""
    for character in ("\\", *also, ":"):
        text = text.replace(character, f"\\{character}")
    return text.replace("'", "'\\''")

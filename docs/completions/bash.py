"""The completions for bash, from version 4 on; they need nothing of the package bash-completion."""

from collections.abc import Iterable, Sequence

from docs.completions.flags import Flag, client_flags, daemon_flags, filled


def files() -> dict[str, str]:
    """Return path from the top of the repository -> text."""
    return {
        "etc/completions/tmctl.bash": _file(_TMCTL, client_flags()),
        "etc/completions/tmd.bash": _file(_TMD, daemon_flags()),
    }


def _file(template: str, flags: Sequence[Flag]) -> str:
    return filled(template, flags, {"COMMON": _COMMON.strip(), "VALUES": _values(flags)})


_COMMON = r"""
# Take the line before the cursor apart as the shell would, but evaluate nothing. `words` are the finished words without
# their quotes, `cur` is the unfinished one, `raw` the same as typed, `quote` the quote that is open in it.
_taskmaster_split() {
    local line=${COMP_LINE:0:COMP_POINT} char begun=''
    local -i at
    words=() cur='' raw='' quote=''
    for ((at = 0; at < ${#line}; at++)); do
        char=${line:at:1}
        if [[ -z $quote && $char == [[:blank:]] ]]; then
            [[ $begun ]] && words+=("$cur")
            cur='' raw='' begun=''
            continue
        fi
        begun=1 raw+=$char
        if [[ $quote && $char == "$quote" ]]; then
            quote=''
        elif [[ -z $quote && $char == [\'\"] ]]; then
            quote=$char
        elif [[ $char == \\ && $quote != \' && $((at + 1)) -lt ${#line} ]]; then
            at+=1 char=${line:at:1}
            raw+=$char
            [[ $quote && $char != [\"\\\$\`] ]] && cur+=\\
            cur+=$char
        else
            cur+=$char
        fi
    done
}

# Offer those of the lines of standard input that begin with `cur`, quoted for where they will stand.
_taskmaster_offer() {
    local candidate quoted breaks
    while IFS= read -r candidate; do
        [[ $candidate == "$cur"* ]] || continue
        case $quote in
            \') quoted=${candidate//\'/\'\\\'\'} ;;
            \")
                quoted=${candidate//\\/\\\\}
                quoted=${quoted//\"/\\\"}
                quoted=${quoted//\$/\\\$}
                quoted=${quoted//\`/\\\`}
                ;;
            *)
                printf -v quoted %q "$candidate"
                # What readline takes for separators ends the part that it does not replace.
                breaks=${raw//\\?/}
                breaks=${breaks//[!:=@]/}
                while [[ $breaks ]]; do
                    [[ $COMP_WORDBREAKS == *"${breaks:0:1}"* ]] && quoted=${quoted#*"${breaks:0:1}"}
                    breaks=${breaks:1}
                done
                ;;
        esac
        COMPREPLY+=("$quoted")
    done
}

# Offer words that are known beforehand.
_taskmaster_offer_words() {
    _taskmaster_offer < <(printf '%s\n' "$@")
}

# Offer what compgen makes of `cur` (files, directories, users); readline does the quoting.
_taskmaster_offer_paths() {
    local candidate
    compopt -o filenames 2>/dev/null
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(compgen "$1" -- "$cur")
}
"""

_TMCTL = r"""
# bash completion of tmctl                                                                        -*- shell-script -*-
# @HEAD@

@COMMON@

_tmctl_value() {
    case $1 in
@VALUES@
    esac
}

_tmctl() {
    local words cur raw quote word rest program
    local -i at=1
    COMPREPLY=()
    _taskmaster_split
    # The flags before the command.
    while ((at < ${#words[@]})); do
        word=${words[at]}
        [[ $word == -?* ]] || break
        at+=1
        [[ $word == -- ]] && break
        case $word in
            @LONGS@) rest=value ;;
            --*) rest= ;;
            *)
                rest=${word#-}
                while [[ $rest && $rest != [@LETTERS@]* ]]; do rest=${rest#?}; done
                [[ $rest == ? ]] && rest=value || rest=
                ;;
        esac
        if [[ $rest == value ]]; then
            if ((at == ${#words[@]})); then
                _tmctl_value "$word"
                return
            fi
            at+=1
        fi
    done
    if ((at == ${#words[@]})); then
        case $cur in
            --*=*)
                word=${cur%%=*} cur=${cur#*=}
                _tmctl_value "$word"
                ;;
            -*) _taskmaster_offer_words @SPELLINGS@ ;;
            *) _taskmaster_offer_words @COMMANDS@ ;;
        esac
        return
    fi
    words=("${words[@]/#\~\//$HOME/}")
    program=${words[0]}
    [[ $(type -t -- "$program") == file ]] || program=tmctl
    # What was typed is what tmctl is asked with.
    _taskmaster_offer < <(
        "$program" @COMPLETE@ "${words[@]:1}" "$cur" 2>/dev/null </dev/null
    )
}

complete -F _tmctl tmctl
"""

_TMD = r"""
# bash completion of tmd                                                                          -*- shell-script -*-
# @HEAD@

@COMMON@

_tmd_value() {
    case $1 in
@VALUES@
    esac
}

_tmd() {
    local words cur raw quote word last
    COMPREPLY=()
    _taskmaster_split
    last=
    ((${#words[@]} > 1)) && last=${words[${#words[@]} - 1]}
    for word in "${words[@]}"; do
        [[ $word == --sample && $cur != -* ]] && {
            _taskmaster_offer_words @SAMPLES@
            return
        }
    done
    case $last in
        @LONGS@ | -[@LETTERS@])
            _tmd_value "$last"
            return
            ;;
    esac
    case $cur in
        --*=*)
            word=${cur%%=*} cur=${cur#*=}
            _tmd_value "$word"
            ;;
        -*) _taskmaster_offer_words @SPELLINGS@ ;;
        *) _taskmaster_offer_paths -f ;;
    esac
}

complete -F _tmd tmd
"""


def _values(flags: Iterable[Flag]) -> str:
    """Return the branches of a `case` that offers the values of flags."""
    lines = []
    for flag in flags:
        match flag.value:
            case None | "nothing":
                continue
            case "files":
                action = "_taskmaster_offer_paths -f"
            case "directories":
                action = "_taskmaster_offer_paths -d"
            case "users":
                action = "_taskmaster_offer < <(compgen -u)"
            case words:
                action = f"_taskmaster_offer_words {' '.join(words)}"
        lines.append(f"        {' | '.join(flag.spellings)}) {action} ;;")
    return "\n".join(lines)

"""Real shells in a terminal: type, press TAB, see what stands on the line and what is offered.

Each is set up as its users set it up, with the completions where it looks for them. `DUMP` is bound to a function that
prints the line as the shell has it between `<<` and `>>`, and empties it.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pexpect

from tests.packaging import tools
from tests.packaging.tools import ROOT, Tool
from tests.support import end_terminal, eventually

Name = Literal["bash", "zsh", "fish"]
COMPLETIONS = ROOT / "etc" / "completions"
DUMP = "\x18\x19"
"""Ctrl-X Ctrl-Y"""
PROMPT = "ready> "
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\(B|\][^\x07]*\x07)")

_BASH_RC = """
PS1='ready> '
HISTFILE=
bind 'set enable-bracketed-paste off' 'set bell-style none' 'set show-all-if-ambiguous on' 'set page-completions off'
bind 'set completion-query-items 0'
source {completions}/tmctl.bash
source {completions}/tmd.bash
dump() {{ printf '<<%s>>\\n' "$READLINE_LINE"; READLINE_LINE= READLINE_POINT=0; }}
bind -x '"\\C-x\\C-y": dump'
"""

_ZSH_RC = """
{functions}
fpath=({completions} $fpath)
autoload -Uz compinit && compinit -u -D
PS1='ready> ' LISTMAX=1000 HISTFILE=
unset zle_bracketed_paste
setopt no_beep no_always_last_prompt
dump() {{ zle -I; print -r -- "<<$BUFFER>>"; BUFFER=; }}
zle -N dump
bindkey -e
bindkey '^X^Y' dump
"""

_FISH_CONFIG = """
function fish_prompt; echo 'ready> '; end
function fish_greeting; end
function fish_right_prompt; end
set -g fish_autosuggestion_enabled 0
function dump; echo '<<'(commandline)'>>'; commandline ''; commandline -f repaint; end
bind \\cx\\cy dump
"""


class Shell:
    """One shell at its prompt."""

    def __init__(self, terminal: "pexpect.spawn[str]") -> None:
        self._terminal = terminal
        terminal.expect_exact(PROMPT)

    def line_after(self, typed: str) -> str:
        """Type something (with TABs) and return the line as it stands then; it is not run."""
        self._terminal.send(typed + DUMP)
        self._terminal.expect(r"<<(.*?)>>\s*\r?\n")
        found = self._terminal.match
        assert isinstance(found, re.Match)
        line = str(found[1])
        self._terminal.expect_exact(PROMPT)
        return line

    def offers(self, typed: str, *words: str) -> None:
        """Type something that is ambiguous, and TAB; wait until all the words are shown."""
        self._terminal.send(typed + "\t")
        shown = ""

        def all_there() -> bool:
            nonlocal shown
            try:
                shown += self._terminal.read_nonblocking(65536, timeout=0)
            except pexpect.TIMEOUT:
                return False
            plain = ESCAPES.sub("", shown)
            return all(word in plain for word in words)

        try:
            eventually(all_there, 20)
        except AssertionError:
            raise AssertionError(f"{typed!r} does not offer all of {words}: {shown!r}") from None
        self._terminal.send("\x15" + DUMP)
        self._terminal.expect_exact(">>")
        self._terminal.expect_exact(PROMPT)

    def run(self, typed: str) -> str:
        """Type a line with TABs, and RETURN; return what is shown until the next prompt."""
        self._terminal.send(f"{typed}\r")
        self._terminal.expect_exact("\n")
        self._terminal.expect_exact(PROMPT)
        return str(self._terminal.before)


@contextmanager
def shell(name: Name, directory: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """Start a shell in a directory; `environment` has to name a HOME of its own."""
    home = Path(environment["HOME"])
    found, words = _prepared(name, home)
    bin_directory = Path(sys.executable).parent
    terminal = pexpect.spawn(
        found.path,
        words,
        cwd=str(directory),
        env={
            **environment,
            **found.environment,
            "PATH": f"{bin_directory}:{os.environ['PATH']}",
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "ZDOTDIR": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local"),
        },
        encoding="utf-8",
        timeout=30,
        dimensions=(50, 200),
    )
    try:
        yield Shell(terminal)
    finally:
        end_terminal(terminal)


def _prepared(name: Name, home: Path) -> tuple[Tool, list[str]]:
    """Write the files a shell reads at its start; return the shell and its arguments."""
    match name:
        case "bash":
            (home / "rc").write_text(_BASH_RC.format(completions=COMPLETIONS))
            return tools.bash(), ["--noprofile", "--rcfile", str(home / "rc"), "-i"]
        case "zsh":
            found = tools.zsh()
            functions = f"fpath=({found.root}/usr/share/zsh/functions/**/*(/))" if found.root else ""
            (home / ".zshrc").write_text(_ZSH_RC.format(completions=COMPLETIONS, functions=functions))
            return found, ["-d", "-i"]
        case "fish":
            config = home / ".config" / "fish"
            (config / "completions").mkdir(parents=True, exist_ok=True)
            (config / "config.fish").write_text(_FISH_CONFIG)
            for file in COMPLETIONS.glob("*.fish"):
                shutil.copy(file, config / "completions")
            return tools.fish(), ["-i"]

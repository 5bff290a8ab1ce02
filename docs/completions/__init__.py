"""The completions for bash, zsh and fish, made from the tables of flags, commands and options.

What is fixed (flags, commands, options of the configuration) stands in the files; what lives (names of processes and
of sinks) is asked of `tmctl` when TAB is pressed. What it answers is never given to anything that evaluates text.
"""

from docs.completions import bash, fish, zsh


def files() -> dict[str, str]:
    """Return all files: path from the top of the repository -> text."""
    return {**bash.files(), **zsh.files(), **fish.files()}

"""Programs with hooks for the stories, and what the hooks noted."""

from typing import Any, NamedTuple

from tests.e2e.harness import Rig, program

HOOK = program("hook.py")
HOOKS = ("prestart", "poststart", "prestop", "poststop")


class Noted(NamedTuple):
    """One line of tests/programs/hook.py; `-` for a variable that was not there."""

    what: str
    process: str
    hook: str
    reason: str
    state: str
    pid: str
    code: str
    signal: str
    tries: str


def noted(rig: Rig, name: str = "order") -> list[Noted]:
    """Return what hooks noted, in the order of time."""
    return [Noted(*line.split()) for line in rig.text(name).splitlines()]


def turns(rig: Rig, process: str = "web", name: str = "order") -> list[str]:
    """Return `hook reason` of each hook that ended, of one process."""
    return [f"{line.hook} {line.reason}" for line in noted(rig, name) if line.what == "end" and line.process == process]


def begun(rig: Rig, hook: str, name: str = "order") -> int:
    """Return how often a hook began."""
    return sum(line.what == "begin" and line.hook == hook for line in noted(rig, name))


def section(name: str = "web", *, command: str = "", timeout_s: float = 20.0, **options: Any) -> str:
    """Return a native program; hooks given as words for tests/programs/hook.py, or whole commands after a `!`."""
    lines = [
        f"  {name}:",
        f"    command: {command or program('slow_stop.py') + ' 0'}",
        f"    hook_timeout: {timeout_s}",
    ]
    given = {"startsecs": 0.1, "stdout_logfile": "'{dir}/out'", "stderr_logfile": "'{dir}/err'"} | options
    for option, value in given.items():
        if option in HOOKS:
            text = str(value)
            command = text[1:] if text.startswith("!") else f"{HOOK} {{dir}}/order {text}"
            lines.append(f'    {option}: "{command}"')
        else:
            lines.append(f"    {option}: {value}")
    return "\n".join(lines) + "\n"


ALL: dict[str, Any] = dict.fromkeys(HOOKS, "")
"""all four, which only note"""

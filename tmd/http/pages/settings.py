"""The settings of a program in force, as text, each with the place in a file that says so."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from tmd.config.program_options import FCGI, LISTENER, PROGRAM
from tmd.config.settings import Dialect, EnvironmentFile, ProcessSpec
from tmd.core.words import signal_name
from tmd.tree.node import Origin

_LEFT_OUT = frozenset(
    {
        *("kind", "name", "group", "program", "process_num", "socket", "environment_own", "restore_signals"),
        *("uid", "gid", "user_environment"),
    }
)
_SECTIONS = {"program": "programs", "eventlistener": "eventlisteners", "fcgi-program": "fcgi-programs"}


class Setting(NamedTuple):
    """One option. `origin`: empty for a default."""

    name: str
    value: str | Mapping[str, str]
    """of variables: name -> value, empty where it is not shown"""
    origin: str
    doc: str = ""


def settings_of(
    spec: ProcessSpec, origins: Mapping[str, Origin], dialect: Dialect, *, secrets: bool
) -> Sequence[Setting]:
    """Return the options of a process; `secrets`: show the values of variables, too."""
    docs = {option.name: option.doc for option in (*FCGI, *LISTENER, *PROGRAM)}
    shown = []
    for name in spec.__struct_fields__:
        if name in _LEFT_OUT:
            continue
        value: str | Mapping[str, str]
        if name == "environment":
            value = spec.environment if secrets else dict.fromkeys(spec.environment, "")
        else:
            value = _as_text(name, getattr(spec, name))
        shown.append(Setting(name, value, _origin(name, spec, origins, dialect), docs.get(name, "")))
    return shown


def _origin(name: str, spec: ProcessSpec, origins: Mapping[str, Origin], dialect: Dialect) -> str:
    if dialect is Dialect.NATIVE:
        own, for_all = f"{_SECTIONS[spec.kind]}.{spec.program}", "taskmaster"
    else:
        own, for_all = f"{spec.kind}:{spec.program}", "supervisord"
    keys = [f"{own}.{name}"]
    if name == "environment":
        keys.append(f"{for_all}.{name}")
    elif name == "user" and dialect is Dialect.NATIVE:
        keys += [f"{own}.uid", f"{for_all}.uid"]
    found = [origins[key] for key in keys if key in origins]
    return ", ".join(f"{origin.file}:{origin.line}" if origin.line else origin.file for origin in found)


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if name == "stopsignal":
        return signal_name(value)
    if name == "umask":
        return f"{value:03o}"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(_as_text(name, each) for each in value) or "none"
    if isinstance(value, EnvironmentFile):
        return f"{'-' if value.optional else ''}{value.path}"
    return str(value)

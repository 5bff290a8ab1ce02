"""What ends a daemon because of a program, as it is written: `fatal:any`, `exit:web`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tmd.config.kinds import Kind, show_list
from tmd.config.native_kinds import Context, Unfit, each_fit, strings
from tmd.config.reader import Reader, Setup
from tmd.config.settings import GroupSpec, ProcessSpec
from tmd.tree.node import Node
from tmd.tree.problems import Problem
from tmd.tree.shape import did_you_mean

ANY = "any"

_REASON = re.compile(r"(fatal|exit):\s*(\S.*)", re.IGNORECASE)
_SCHEMA: dict[str, Any] = {
    "type": ["array", "string", "null"],
    "items": {"type": "string", "pattern": r"^\s*([Ff][Aa][Tt][Aa][Ll]|[Ee][Xx][Ii][Tt]):\s*\S|%\("},
    "pattern": r"^\s*$|[Tt]\s*:|[Ll]\s*:|%\(",
}


def _reason(text: str) -> str:
    found = _REASON.fullmatch(text.strip())
    if found is None:
        raise Unfit(f"cannot read {text[:80]!r} as a reason to end")
    return f"{found[1].lower()}:{found[2]}"


def _reasons(node: Node, context: Context) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each_fit(_reason, strings(node, context))))


EXIT_ON = Kind(
    "list", "fatal: or exit: and a program, a group or any, e.g. fatal:any", None, _reasons, show_list, _SCHEMA
)


def names_of(spec: ProcessSpec) -> tuple[str, ...]:
    """Return all by which a process may be meant."""
    return (ANY, spec.program, spec.group, f"{spec.group}:*", f"{spec.group}:{spec.name}", spec.id.namespec)


def check_exit_on(reasons: Sequence[str], reader: Reader, groups: Iterable[GroupSpec], setup: Setup) -> None:
    """Warn of each name that means no process there is: it may be a typing error."""
    if not reasons:
        return
    known = {ANY, *(name for group in groups for spec in group.processes for name in names_of(spec))}
    for name in dict.fromkeys(reason.partition(":")[2] for reason in reasons):
        if name not in known:
            reason, hint = f"there is no program {name!r}", did_you_mean(name, tuple(sorted(known)))
            setup.findings.warn(str(Problem(*reader.place("exit_on"), reason, hint)))

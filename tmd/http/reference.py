"""The reference page of the RPC methods, made from the table; not loaded by the daemon."""

from tmd.wire.faults import Fault
from tmd.wire.methods import METHODS, Method, Param
from tmd.wire.structs import STRUCTS

_INTRODUCTION = """# RPC methods

XML-RPC by POST to `/RPC2`, over the unix socket or TCP. Methods of `supervisor.` and `system.` are those of
Supervisor 4.3, but for `system.getProduct`; methods of `taskmaster.` are our own. [Extensions](../extensions.md) add
theirs. This page is made from the table in `tmd/wire/methods.py`.

Access *read* changes nothing; *control* does. A method that *waits* may answer later than at once; hanging up
abandons the answer, not what was asked for.

Every `supervisor.` method but sendRemoteCommEvent is refused with SHUTDOWN_STATE once the daemon is stopping, and so
is what changes something in `taskmaster.`. Wrong arguments give INCORRECT_PARAMETERS, unknown methods UNKNOWN_METHOD.
"""


def methods_page() -> str:
    """Return `docs/reference/methods.md`."""
    parts = [_INTRODUCTION]
    for namespace in ("supervisor", "system", "taskmaster"):
        parts.append(f"## {namespace}\n")
        parts.extend(_method(method) for method in METHODS.values() if method.name.startswith(f"{namespace}."))
    parts.append("## Structs\n")
    parts.extend(_struct(name) for name in STRUCTS)
    parts.append("## Faults\n")
    parts.append("| Code | Name |\n|---:|---|\n" + "".join(f"| {fault:d} | {fault.name} |\n" for fault in Fault))
    return "\n".join(parts)


def _method(method: Method) -> str:
    params = ", ".join(_param(param) for param in method.params)
    facts = [method.access, *(["waits"] if method.waits else [])]
    if method.struct:
        facts.append(f"{'array of ' if method.result == 'array' else ''}*{method.struct}*")
    return f"### {method.name}({params}) → {method.result}\n\n{', '.join(facts)}\n\n{method.doc}\n"


def _param(param: Param) -> str:
    default = ""
    if param.optional:
        default = {True: " = true", False: " = false", (): " = []", "": ' = ""'}.get(
            param.default, f" = {param.default}"
        )
    return f"{param.type} {param.name}{default}"


def _struct(name: str) -> str:
    rows = "".join(f"| {field.name} | {field.type} | {field.doc} |\n" for field in STRUCTS[name])
    return f"### {name}\n\n| Key | Type | Meaning |\n|---|---|---|\n{rows}"

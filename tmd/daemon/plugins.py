"""Objects of other people's modules, named in a configuration as `module:attribute`."""

import importlib
import re
import traceback
from typing import Any

_SPEC = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+))?")
MAX_TEXT = 300
"""characters of an exception's own text that are repeated"""


class CannotResolve(Exception):
    """There is nothing usable at a place; the text says why, `reason` without the place."""

    def __init__(self, spec: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"cannot resolve '{spec}': {reason}")


def resolve(spec: str) -> Any:
    """Return what `module:attribute` names; the attribute may have dots, and without a colon it is the module.

    The module is imported, in the daemon, with all that this brings about.
    """
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        raise CannotResolve(spec, "it does not read module:attribute")
    module, attributes = match.groups()
    try:
        found: Any = importlib.import_module(module)
        for attribute in filter(None, (attributes or "").split(".")):
            found = getattr(found, attribute)
    except BaseException as why:  # a border: a foreign module may do anything while it is imported, even exit
        raise CannotResolve(spec, f"{told(why)}{_place(why)}") from why
    return found


def told(why: BaseException) -> str:
    """Return `Type: text` of an exception in one line, whatever its own `__str__` does."""
    try:
        text = " ".join(str(why).split())
    except BaseException:  # noqa: BLE001 - a border: the text of a foreign exception is foreign code, too
        text = "(it cannot say what)"
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}..."
    return f"{type(why).__name__}: {text}" if text else type(why).__name__


def _place(why: BaseException) -> str:
    """Return where in foreign code it happened, nothing when that is not known."""
    frames = [frame for frame in traceback.extract_tb(why.__traceback__) if not _is_machinery(frame.filename)]
    return f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or filename in (__file__, importlib.__file__)

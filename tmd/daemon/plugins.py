"""Objects of other people's modules, named in a configuration as `module:attribute`."""

import importlib
from typing import Any


class CannotResolve(Exception):
    """There is nothing usable at a place; the text says why."""


def resolve(spec: str) -> Any:
    """Return what `module:attribute` names; the attribute may have dots, and without a colon it is the module.

    The module is imported, in the daemon, with all that this brings about.
    """
    module, _, attributes = spec.strip().partition(":")
    try:
        found: Any = importlib.import_module(module)
        for attribute in attributes.split(".") if attributes else ():
            found = getattr(found, attribute)
    except Exception as why:  # a border: whatever a foreign module raises while it is imported
        raise CannotResolve(f"cannot resolve '{spec}': {type(why).__name__}: {why}") from why
    return found

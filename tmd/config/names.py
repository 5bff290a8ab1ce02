"""What something can be called so that people can write it and clients can ask for it.

Supervisor's dialect has its own, fewer rules; of it is known here only what no client could ever say.
"""

import re

_NO_CLIENT_SAYS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""XML 1.0 cannot carry these"""


def unfit(name: str) -> str | None:
    """Return what to mind in a name that cannot be one, None for a good name."""
    if not name.strip() or any(character in " :/" for character in name):
        return "no blanks, no : and no / in a name"
    return None if name.isprintable() else "only what can be printed can be in a name"


def unsayable(name: str) -> bool:
    """Tell whether no client can ever ask for something of this name."""
    return _NO_CLIENT_SAYS.search(name) is not None

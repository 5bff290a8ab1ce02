"""`%(name)s` in values, by the rules of either dialect.

Supervisor's dialect applies Python's `%` operator, all of it. The native dialect knows `%(name)s`, with a number
format where wanted (`%(process_num)02d`), and `%%`; anything else after a percent sign is an error with the way out.
"""

import re
from collections.abc import Mapping

Names = Mapping[str, str | int]

_NATIVE = re.compile(
    r"%(?:(?P<percent>%)|\((?P<name>[^()]*)\)(?P<format>[-0 ]?[0-9]{0,3}[sd])|(?P<bad>.|\Z))", re.DOTALL
)
_HUGE_WIDTH = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(?:[0-9]{5,}|[0-9]*\.[0-9]{5,})")


class CannotExpand(ValueError):
    """A text that cannot be expanded; `hint` is what to write instead."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


def expand_supervisor(text: str, names: Names, option: str) -> str:
    """Return the text expanded as Supervisor does; raises CannotExpand with Supervisor's words."""
    if "%" not in text:
        return text
    if _HUGE_WIDTH.search(text):
        raise CannotExpand(f"Format string {text!r} for {option!r} is badly formatted: width too big")
    try:
        return text % names
    except KeyError as error:
        known = ", ".join(sorted(names))
        raise CannotExpand(
            f"Format string {text!r} for {option!r} contains names ({error}) which cannot be expanded. "
            f"Available names: {known}",
            _missing_hint(str(error.args[0]), names),
        ) from None
    except (ValueError, TypeError, OverflowError) as error:
        reason = f"Format string {text!r} for {option!r} is badly formatted: {error}"
        raise CannotExpand(reason, "write %% for one percent sign") from None


def expand_native(text: str, names: Names) -> str:
    """Return the text with known names filled in, each once; raises CannotExpand."""
    if "%" not in text:
        return text

    def fill(match: re.Match[str]) -> str:
        if match["percent"]:
            return "%"
        name = match["name"]
        if name is None:
            whole = f"{text[: match.start()]}%{text[match.start() :]}"
            raise CannotExpand(f"cannot expand {text!r}: a lone percent sign", f"write %% for one: {whole}")
        if name not in names:
            raise CannotExpand(f"cannot expand {text!r}: no value for {name!r}", _missing_hint(name, names))
        value = names[name]
        form = match["format"]
        if form.endswith("d") and not isinstance(value, int):
            raise CannotExpand(f"cannot expand {text!r}: {name!r} is not a number", f"write %({name})s")
        return f"%{form}" % value

    return _NATIVE.sub(fill, text)


def _missing_hint(name: str, names: Names) -> str:
    if name.startswith("ENV_"):
        return f"the environment has no variable {name[4:]!r}"
    own = sorted(known for known in names if not known.startswith("ENV_"))
    return f"known here: {', '.join(own)} and ENV_NAME"

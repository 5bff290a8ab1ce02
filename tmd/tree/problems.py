"""What is wrong with a configuration, each problem with its place, and the exception that carries all of them."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tmd.tree.node import Origin
from tmd.wire.visible import visible_line


class Problem(NamedTuple):
    """One thing to mend."""

    origin: Origin
    where: str
    """the option: `programs.web.startsecs`; empty when it is about the file or a line"""
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        subject = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        # a name that somebody wrote, in whatever part of it, must not move the terminal of who reads this
        return visible_line(f"{self.origin}: {subject}{self.reason}{hint}".replace("\n", "\\n"))


_KNOWN_FROM_THE_PLACE = re.compile(r" in section '[^']*' \(file: '[^']*'\)$")
_EVERY_NAME = re.compile(r"\. Available names: .*?(?=$| in section ')")


def _shortened(problem: Problem) -> Problem:
    """Leave out of Supervisor's words what the place says, and the list of all variables of the environment."""
    return problem._replace(reason=_EVERY_NAME.sub("", _KNOWN_FROM_THE_PLACE.sub("", problem.reason)))


class ConfigRefused(Exception):
    """A configuration that cannot be used. `problems` are in order of place, `files` in order of reading."""

    def __init__(self, problems: Iterable[Problem], *, supervisor_text: str = "", files: Sequence[str] = ()) -> None:
        found = tuple(problems)
        ranks = {file: rank for rank, file in enumerate(files)}
        for problem in found:
            ranks.setdefault(problem.origin.file, len(ranks))
        self.problems = tuple(
            sorted(found, key=lambda each: (ranks[each.origin.file], each.origin.line, each.origin.column))
        )
        self.supervisor_text = supervisor_text or (str(self.problems[0]) if found else "")
        """What to print after `Error: `: in Supervisor's dialect the problem it would name, in its words; in the
        native dialect the first problem with its place."""
        super().__init__(self.text)

    @property
    def more(self) -> tuple[str, ...]:
        """What adds to `supervisor_text`, a line for each problem: first the rest of that one, then the others."""
        told = next((each for each in self.problems if self.supervisor_text in (each.reason, str(each))), None)
        lines = [str(_shortened(each)) for each in self.problems if each is not told]
        if told is None or self.supervisor_text == str(told):
            return tuple(lines)
        place = f"{told.origin}: {told.where}".removesuffix(": ") if told.origin.line else ""
        hint = f"({told.hint})" if told.hint else ""
        rest = " ".join(filter(None, (place, hint)))
        return (rest, *lines) if rest else tuple(lines)

    @property
    def text(self) -> str:
        """All problems, one per line."""
        return "\n".join(str(problem) for problem in self.problems)

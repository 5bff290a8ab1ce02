"""What is told of a configuration that is refused, and that it is told once."""

import pytest

from tmd.tree.node import Origin
from tmd.tree.problems import ConfigRefused, Problem

IN_A = " in section 'program:a' (file: 's.conf')"
NUMBER = Problem(Origin("s.conf", 6, 1), "program:a.startsecs", f"invalid literal: 'abc'{IN_A}", "e.g. 3")
NAMES = Problem(
    Origin("s.conf", 5, 1),
    "program:a.command",
    f"'%(x)s' contains names ('x') which cannot be expanded. Available names: ENV_A, ENV_B, here{IN_A}",
    "did you mean 'here'?",
)
SHORT = "s.conf:6:1: program:a.startsecs: invalid literal: 'abc' (e.g. 3)"
MISSING = Problem(Origin("/nope"), "", "could not find config file /nope")


@pytest.mark.parametrize(
    ("problems", "told", "more"),
    [
        ([MISSING], MISSING.reason, ()),
        ([MISSING._replace(hint="is it a link?")], MISSING.reason, ("(is it a link?)",)),
        ([NUMBER], NUMBER.reason, ("s.conf:6:1: program:a.startsecs (e.g. 3)",)),
        ([NUMBER._replace(hint="")], NUMBER.reason, ("s.conf:6:1: program:a.startsecs",)),
        ([NAMES], NAMES.reason, ("s.conf:5:1: program:a.command (did you mean 'here'?)",)),
        (
            [NAMES, NUMBER],
            NUMBER.reason,
            (
                "s.conf:6:1: program:a.startsecs (e.g. 3)",
                "s.conf:5:1: program:a.command: '%(x)s' contains names ('x') which cannot be expanded"
                " (did you mean 'here'?)",
            ),
        ),
        ([NUMBER], "Source contains parsing errors", (SHORT,)),
        ([MISSING, NUMBER], "", (SHORT,)),
    ],
)
def test_below_the_first_line_stands_only_what_adds_to_it(
    problems: list[Problem], told: str, more: tuple[str, ...]
) -> None:
    refusal = ConfigRefused(problems, supervisor_text=told)
    assert refusal.supervisor_text == (told or str(problems[0]))
    assert refusal.more == more


def test_the_whole_text_leaves_nothing_out() -> None:
    assert ConfigRefused([NUMBER, NAMES]).text == f"{NAMES}\n{NUMBER}"

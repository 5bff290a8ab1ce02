"""Who hears what: nobody misses a notice, though most are called for a few types only."""

import ast
import inspect
import textwrap
import typing
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import pytest

from tmd.core import alerts as core_alerts
from tmd.core import events as core_events
from tmd.core import notices as n
from tmd.core.ends import Course
from tmd.daemon import alerts, counters, essential, fcgi, grace, history, hooks, instance, ledger, listeners, runtime
from tmd.daemon.bus import Bus, Told

NOTICES = {kind.__name__: kind for kind in typing.get_args(n.Notice)}


def named_in(*functions: Callable[..., Any]) -> set[str]:
    """Return the notices that the source of functions speaks of."""
    found: set[str] = set()
    for function in functions:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "n":
                found.add(node.attr)
            elif isinstance(node, ast.Name):
                found.add(node.id)
    return found & set(NOTICES)


def names(kinds: Sequence[type[n.Notice]]) -> set[str]:
    assert len(set(kinds)) == len(kinds), "somebody is named twice"
    return {kind.__name__ for kind in kinds}


@pytest.mark.parametrize(
    ("hearer", "functions"),
    [
        (ledger.Ledger, [ledger.Ledger.hear]),
        (fcgi.ListeningSockets, [fcgi.ListeningSockets.hear]),
        (hooks.Hooks, [hooks.Hooks.hear]),
        (counters.Counters, [counters.Counters.hear]),
        (essential.Essential, [essential.Essential.hear]),
        (grace.Grace, [grace.Grace.hear]),
        (
            alerts.Alerts,
            [
                alerts.Alerts.hear,
                core_alerts.Reporter.follow,
                core_alerts.Reporter.report,
                core_alerts.Reporter._of_process,
            ],
        ),
        (
            listeners.Listeners,
            [listeners.Listeners.hear, listeners.Listeners._keep_pools, core_events.event_of],
        ),
    ],
)
def test_what_somebody_has_an_answer_to_is_what_he_hears(hearer: Any, functions: list[Callable[..., Any]]) -> None:
    assert names(hearer.HEARS) == named_in(*functions)


def test_the_history_hears_of_all_that_an_end_is_made_of() -> None:
    made_of = named_in(history.History.hear, Course.hear)
    assert names(history.History.HEARS) == made_of
    assert names(history._OF_A_LIFE) == made_of - named_in(history.History.hear)
    with_rules = [node for node in made_of if "status" in NOTICES[node].__struct_fields__]
    assert names(history._ENDS) == set(with_rules)


def test_what_pools_are_made_of_is_told_to_them_first() -> None:
    assert names(listeners._OF_POOLS) == named_in(listeners.Listeners._keep_pools)


def test_events_are_made_of_eventful_notices_only() -> None:
    assert names(core_events.EVENTFUL) == named_in(core_events.event_of)


def subscriptions(module: ModuleType) -> list[ast.Call]:
    tree = ast.parse(inspect.getsource(module))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "subscribe"
    ]


def test_the_house_is_kept_when_it_has_to_be() -> None:
    (call,) = [call for call in subscriptions(runtime) if "_keep_house" in ast.unparse(call)]
    wanted = {ast.unparse(kind).removeprefix("n.") for kind in call.args[1:]}
    assert wanted == named_in(runtime.Runtime._keep_house)


@pytest.mark.parametrize("module", [runtime, instance, history])
def test_who_says_what_he_hears_is_subscribed_to_that_and_nothing_else(module: ModuleType) -> None:
    calls = [ast.unparse(call).partition("subscribe")[2] for call in subscriptions(module)]
    assert calls
    for call in calls:
        if "HEARS" in call:
            who = call.removeprefix("(").partition(".hear,")[0]
            assert call == f"({who}.hear, *{who}.HEARS)"


def bus() -> Bus:
    return Bus(lambda: 5.0, lambda: 1000.0, pytest.fail)


def test_who_names_types_hears_these_in_the_order_of_subscription() -> None:
    heard: list[str] = []

    def ear(name: str) -> Callable[[Told], None]:
        return lambda told: heard.append(f"{name}{told.serial}")

    here = bus()
    here.subscribe(ear("all"))
    here.subscribe(ear("groups"), n.GroupAdded, n.GroupRemoved)
    here.subscribe(ear("added"), n.GroupAdded)
    for notice in (n.GroupAdded("a"), n.GroupChanged("a"), n.GroupRemoved("a")):
        here.publish(notice)
    assert heard == ["all1", "groups1", "added1", "all2", "all3", "groups3"]


def test_who_comes_and_goes_between_two_notices_of_a_type_is_known_at_the_second() -> None:
    heard: list[str] = []
    here = bus()
    here.publish(n.GroupAdded("a"))
    leave = here.subscribe(lambda told: heard.append("first"), n.GroupAdded)
    here.subscribe(lambda told: heard.append("second"))
    here.publish(n.GroupAdded("a"))
    leave()
    leave()
    here.publish(n.GroupAdded("a"))
    assert heard == ["first", "second", "second"]


def test_who_comes_while_a_notice_is_told_hears_the_next() -> None:
    heard: list[int] = []
    here = bus()

    def invite(told: Told) -> None:
        if told.serial == 1:
            here.subscribe(lambda told: heard.append(told.serial), n.GroupAdded)

    here.subscribe(invite)
    here.publish(n.GroupAdded("a"))
    here.publish(n.GroupAdded("b"))
    assert heard == [2]

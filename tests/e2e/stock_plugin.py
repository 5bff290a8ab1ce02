"""Plug-ins built on the base class that Supervisor's client has for them."""

from typing import Any

from supervisor.supervisorctl import ControllerPluginBase

from tests.unit.tmctl.example_plugin import Wildcards


class Cache(ControllerPluginBase):  # type: ignore[misc]
    """Asks a namespace of its own, as the plug-ins that come with an RPC interface do."""

    def __init__(self, controller: Any, **config: str) -> None:
        self.ctl = controller
        self.cache = controller.get_server_proxy("system")

    def do_cache_count(self, args: str) -> None:
        if args:
            self.help_cache_count()
            return
        self.ctl.output(f"{len(self.cache.listMethods()) > 10}")

    def help_cache_count(self) -> None:
        self.ctl.output("cache_count\tcount the methods")


class StockWildcards(Wildcards, ControllerPluginBase):  # type: ignore[misc]
    """The example with what Supervisor's client needs to show its help."""


def make_wildcards(controller: Any, **config: str) -> StockWildcards:
    return StockWildcards(controller, **config)


def make(controller: Any, **config: str) -> Cache:
    return Cache(controller, **config)

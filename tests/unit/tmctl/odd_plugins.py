"""Plug-ins that misbehave in ways of their own."""

import sys
from typing import Any


class Odd:
    """Has commands that cannot even be looked at."""

    @property
    def do_broken(self) -> Any:
        raise RuntimeError("not today")

    @property
    def help_broken(self) -> Any:
        raise RuntimeError("no help either")

    @property
    def complete_broken(self) -> Any:
        raise RuntimeError("nor this")

    def do_abort(self, text: str) -> None:
        class Abort(BaseException):
            pass

        raise Abort(text)


class Unlookable:
    """Cannot be looked through."""

    def __dir__(self) -> Any:
        raise RuntimeError("look away")


def make(controller: Any) -> Odd:
    return Odd()


def make_unlookable(controller: Any) -> Unlookable:
    return Unlookable()


def leave(controller: Any) -> None:
    sys.exit(3)


def leave_in_silence(controller: Any) -> None:
    sys.exit()


def give_up(controller: Any) -> None:
    controller.handle_error("I give up", fatal=True, code=9)


def abort(controller: Any) -> None:
    raise GeneratorExit("over")

"""Extensions as other people write them: factories that the tests name in settings."""

import datetime
import functools
from typing import Any

from tmd.http.extensions import NOT_DONE_YET, Fault, RpcFault
from tmd.http.extensions import Operation as OurOperation

MADE: list[Any] = []
"""every extension that was made, the last one last"""


class Echo:
    """Says what it was given."""

    def __init__(self, supervisord: Any, **options: str) -> None:
        self.supervisord = supervisord
        self.options = options
        self.helper = print
        self.bound: Any = MADE.append
        self.asked = 0
        self.operation: OurOperation[Any] = OurOperation()
        MADE.append(self)

    @property
    def exploding(self) -> Any:
        raise AssertionError("looked at")

    def echo(self, *values: Any) -> Any:
        """Return the arguments.

        @param string first   something
        @param int    second  more
        @return array all of it
        """
        return list(values)

    def undocumented(self, value: str) -> str:
        return value

    def _secret(self) -> str:
        return "secret"

    @classmethod
    def of_the_class(cls) -> str:
        return cls.__name__

    def option(self, name: str) -> str:
        return self.options[name]

    def give(self, what: str) -> Any:
        return {
            "none": None,
            "huge": 2**31,
            "bytes": b"\x00\xff",
            "moment": datetime.datetime(2026, 1, 2, 3, 4, 5),
            "object": object(),
            "keys": {1: 2},
            "set": {1},
            "class": NOT_DONE_YET,
            "nested": {"a": [1, {"b": (b"x", 2.5)}]},
            "generator": iter("a"),
        }[what]

    def fail(self, how: str) -> Any:
        raise {
            "ours": RpcFault(Fault.BAD_NAME, "x"),
            "theirs": RPCError(230, "NOT_IN_WHITELIST: x"),
            "library": LibraryFault(7, "seven"),
            "type": TypeError("inside"),
            "value": ValueError("broken"),
            "codeless": RPCError("many", "x"),
            "unnamed": RpcFault(77, "x"),
            "unmade": Unmade(),
            "exit": SystemExit(0),
            "interrupt": KeyboardInterrupt(),
            "generator": GeneratorExit(),
            "mute": Mute(),
        }[how]

    def later(self, times: int, end: Any = True) -> Any:
        def result() -> Any:
            self.asked += 1
            if self.asked <= times:
                return NOT_DONE_YET
            if end == "fault":
                raise RPCError(230, "late")
            if end == "error":
                raise TypeError("late")
            if end == "exit":
                raise SystemExit("late")
            return end

        result.delay = 0.005  # type: ignore[attr-defined]
        return result

    def operate(self) -> Any:
        return self.operation

    def through(self, method: str, *arguments: Any) -> Any:
        """@return array"""
        return self.supervisord.call(method, *arguments)

    @staticmethod
    def static() -> int:
        return 1

    partial = functools.partial(print)


class RPCError(Exception):
    """Supervisor's, by its looks."""

    def __init__(self, code: Any, text: str) -> None:
        self.code, self.text = code, text


class Unmade(RpcFault):
    def __init__(self) -> None:
        self.reason = "our constructor was never called"


class Mute(BaseException):
    def __str__(self) -> str:
        raise SystemExit("no text")


class LibraryFault(Exception):
    def __init__(self, code: int, text: str) -> None:
        self.faultCode, self.faultString = code, text


LibraryFault.__name__ = "Fault"


class Additional:
    def __init__(self, supervisord: Any) -> None:
        self.supervisord = supervisord

    def getPID(self) -> int:
        return 1

    def getMore(self) -> str:
        return "more"


def explode(supervisord: Any, **options: str) -> Any:
    raise ValueError("no\n  good")


def leave(supervisord: Any, **options: str) -> Any:
    raise SystemExit(3)


def interrupt(supervisord: Any, **options: str) -> Any:
    raise KeyboardInterrupt


def nothing(supervisord: Any, **options: str) -> None:
    return None


def end(supervisord: Any, method: str) -> Any:
    supervisord.call(method)


class _Unlisted(type):
    def __dir__(cls) -> list[str]:
        raise SystemExit("not to be looked at")


class Unlisted(metaclass=_Unlisted):
    def __init__(self, supervisord: Any) -> None:
        self.supervisord = supervisord


not_callable = 42

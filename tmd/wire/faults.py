"""XML-RPC faults: Supervisor's numbers and the form of their texts."""

from enum import IntEnum

from tmd.wire.structs import MAX_INT, MIN_INT


class Fault(IntEnum):
    """Fault codes; `SUCCESS` appears only as the `status` of an item in a status array."""

    UNKNOWN_METHOD = 1
    INCORRECT_PARAMETERS = 2
    BAD_ARGUMENTS = 3
    SIGNATURE_UNSUPPORTED = 4
    SHUTDOWN_STATE = 6
    BAD_NAME = 10
    BAD_SIGNAL = 11
    NO_FILE = 20
    NOT_EXECUTABLE = 21
    FAILED = 30
    ABNORMAL_TERMINATION = 40
    SPAWN_ERROR = 50
    ALREADY_STARTED = 60
    NOT_RUNNING = 70
    SUCCESS = 80
    ALREADY_ADDED = 90
    STILL_RUNNING = 91
    CANT_REREAD = 92


GOES_ON = "(it goes on running)"
"""ends the reason of a stop or restart that was given up before anything was stopped"""

_NAMED: dict[int, Fault] = {int(fault): fault for fault in Fault}


class RpcFault(Exception):
    """A refused or failed call: `code` and the text that follows the fault's name.

    `text` is what goes out as `faultString`: `NAME`, or `NAME: detail` where there is one, an empty one too.
    A code may be any number of 32 bits, else ValueError; one that is not ours has the name UNKNOWN.
    """

    def __init__(self, code: int, detail: str | None = None) -> None:
        if not isinstance(code, int) or not MIN_INT <= code <= MAX_INT:
            raise ValueError(f"cannot make a fault: its code must be a number of 32 bits, got {code!r}")
        self.code: int = _NAMED.get(code, code)
        self.detail = detail
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The `faultString`."""
        name = self.code.name if isinstance(self.code, Fault) else "UNKNOWN"
        return name if self.detail is None else f"{name}: {self.detail}"

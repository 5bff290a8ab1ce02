"""XML-RPC faults: Supervisor's numbers and the form of their texts."""

from enum import IntEnum


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


class RpcFault(Exception):
    """A refused or failed call: `code` and the text that follows the fault's name.

    `text` is what goes out as `faultString`: `NAME`, or `NAME: detail` where there is one, an empty one too.
    """

    def __init__(self, code: Fault, detail: str | None = None) -> None:
        self.code = code
        self.detail = detail
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The `faultString`."""
        return self.code.name if self.detail is None else f"{self.code.name}: {self.detail}"

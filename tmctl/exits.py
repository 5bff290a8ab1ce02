"""The exit codes of `tmctl`: those of the Linux Standard Base, used as Supervisor's client uses them.

Promises: one number, one meaning per command. Knows nothing about commands.
"""

OK = 0
GENERIC = 1
"""the server refused, or a name is unknown"""
BAD_ARGUMENTS = 2
"""wrong command line; `start` without a name; `start` of an unknown group"""
NO_NAMESPACE = 3
"""the server answers, but does not know the methods a supervisor has"""
REFUSED = 4
"""nobody listens at the server's address"""
API_MISMATCH = 5
"""the server speaks another version of the interface"""
NOT_RUNNING = 7
"""the socket does not exist, or a program named is dead"""

STATUS_NOT_RUNNING = 3
"""`status`: at least one process shown is at rest"""
STATUS_UNKNOWN = 4
"""`status`: a name is unknown, or the server cannot be asked"""

READER_GONE = 141
"""whoever read our output closed it (128 + SIGPIPE)"""
INTERRUPTED = 130
"""Ctrl-C (128 + SIGINT)"""

MEANINGS: tuple[tuple[int, str], ...] = (
    (0, "done"),
    (1, "the server refused, a name is unknown, or another error; `logs --grep`: no line matches"),
    (2, "wrong command line, broken configuration; `start` without a name or of an unknown group"),
    (3, "`status`, `summary`: something shown is at rest; others: the server lacks Supervisor's methods"),
    (4, "nobody listens at the server's address; `status`, `summary`: unknown name or no server"),
    (5, "the server speaks another version of the interface"),
    (7, "the server's socket does not exist, or a program that was named is dead"),
    (130, "interrupted by Ctrl-C"),
    (141, "the reader of the output went away"),
)

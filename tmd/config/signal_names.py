"""Signals by name, with Linux's numbers; a table, because the floors up to here know no operating system."""

_FROM_ONE = [
    "HUP",
    "INT",
    "QUIT",
    "ILL",
    "TRAP",
    "ABRT",
    "BUS",
    "FPE",
    "KILL",
    "USR1",
    "SEGV",
    "USR2",
    "PIPE",
    "ALRM",
    "TERM",
    "STKFLT",
    "CHLD",
    "CONT",
    "STOP",
    "TSTP",
    "TTIN",
    "TTOU",
    "URG",
    "XCPU",
    "XFSZ",
    "VTALRM",
    "PROF",
    "WINCH",
    "IO",
    "PWR",
    "SYS",
]
SIGNALS: dict[str, int] = {
    **{name: number for number, name in enumerate(_FROM_ONE, 1)},
    "IOT": 6,
    "CLD": 17,
    "POLL": 29,
    "RTMIN": 34,
    "RTMAX": 64,
}
"""Name without SIG -> number."""
PSEUDO_SIGNALS = {"_DFL": 0, "_IGN": 1, "_BLOCK": 0, "_UNBLOCK": 1, "_SETMASK": 2}
"""Names that Supervisor takes for signals, as Python has constants SIG_DFL and so on."""
_USUAL = {number: name for name, number in reversed(SIGNALS.items())}


def signal_name(number: int) -> str:
    """Return the usual name of a signal without SIG, or its number."""
    return _USUAL.get(number) or str(number)

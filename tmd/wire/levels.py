"""Severities of the daemon's own log, with the four-letter names its lines carry."""

from enum import IntEnum


class Level(IntEnum):
    """Supervisor's seven levels."""

    CRIT = 50
    ERRO = 40
    WARN = 30
    INFO = 20
    DEBG = 10
    TRAC = 5
    BLAT = 3


LEVEL_WORDS: dict[str, Level] = {
    "critical": Level.CRIT,
    "error": Level.ERRO,
    "warn": Level.WARN,
    "info": Level.INFO,
    "debug": Level.DEBG,
    "trace": Level.TRAC,
    "blather": Level.BLAT,
}
"""The words a configuration uses for them."""

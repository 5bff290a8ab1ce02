"""Alerts: what operators are told, and who wants to hear it."""

from typing import Any

import msgspec


class Alert(msgspec.Struct, frozen=True):
    """One thing an operator may want to know. `at`: epoch seconds; `payload`: plain values, ready for JSON."""

    event: str
    """one of `tmd.wire.alerts.ALERT_EVENTS`, or `test`"""
    at: float
    payload: dict[str, Any]

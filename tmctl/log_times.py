"""Points in time as people type them: `10m`, `2h`, `14:03`, `2026-11-21T17:45Z`.

Pure: now is handed in, as epoch seconds. What has no zone is local time.
"""

import re
from datetime import UTC, datetime, timedelta

FORMS = "10m, 2h30m, 1d, 14:03, 2026-11-21, 2026-11-21T17:45Z"

_SPAN = re.compile(
    r"(?:(\d+(?:\.\d+)?)w)?(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?"
)
_UNITS_S = (604800.0, 86400.0, 3600.0, 60.0, 1.0)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?")


def parse_time(text: str, now: float) -> float:
    """Return epoch seconds; ValueError, with the reason, for what is no time.

    A span counts back from now. A time of day is the last one there was: today's, else yesterday's.
    """
    text = text.strip()
    span = _SPAN.fullmatch(text)
    if text and span is not None and not text.isdigit():
        return now - sum(float(part) * unit for part, unit in zip(span.groups(), _UNITS_S, strict=True) if part)
    try:
        clock = _CLOCK.fullmatch(text)
        if clock is None:
            return datetime.fromisoformat(text.upper()).timestamp()
        here = datetime.fromtimestamp(now)
        moment = here.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no time ({FORMS})") from None
    if moment > here:
        moment -= timedelta(days=1)
    return moment.timestamp()


def stamp(at: float) -> str:
    """Return a time as logs write it: RFC 3339 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"

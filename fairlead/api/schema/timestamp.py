"""Times as the API writes them: RFC 3339 in UTC with as many digits of the fraction as are needed."""

from __future__ import annotations

from datetime import UTC, datetime

NEVER = "0001-01-01T00:00:00Z"
SECOND = 1_000_000_000


def rfc3339(nanoseconds: int) -> str:
    """ "2026-11-21T08:04:45.17049217Z" for ns since the epoch; 0 is `NEVER`."""
    if nanoseconds == 0:
        return NEVER
    seconds, fraction = divmod(nanoseconds, SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"

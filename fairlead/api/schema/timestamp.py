"""Times as the API writes them: RFC 3339 in UTC with as many digits of the fraction as are needed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from fairlead.model.errors import Invalid

NEVER = "0001-01-01T00:00:00Z"
SECOND = 1_000_000_000

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {"ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}


@lru_cache(1024)
def rfc3339(nanoseconds: int) -> str:
    """ "2026-11-21T08:04:45.17049217Z" for ns since the epoch; 0 is `NEVER`."""
    if nanoseconds == 0:
        return NEVER
    seconds, fraction = divmod(nanoseconds, SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"


def rfc3339_padded(nanoseconds: int) -> str:
    """With all nine digits of the fraction, as log lines have them."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC).strftime('%Y-%m-%dT%H:%M:%S')}.{fraction:09d}Z"


def parse_moment(text: str, now: int) -> int:
    """`since`/`until`: Unix seconds with a fraction, RFC 3339, or a duration before now; "" is 0. Raises Invalid."""
    if not text:
        return 0
    whole, _, fraction = text.partition(".")
    if whole.lstrip("-").isdigit() and (not fraction or fraction.isdigit()):
        return max(0, int(whole) * SECOND + int(fraction.ljust(9, "0")[:9] or 0))
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return now - sum(int(float(number) * _UNITS[unit]) for number, unit in parts)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f'invalid value: "{text}" is neither a timestamp nor a duration') from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000

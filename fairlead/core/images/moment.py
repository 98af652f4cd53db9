"""Points in time as image documents write them (RFC 3339 with up to nine decimals), and as ns since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_NS = 10**9
_FORM = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)")


def rfc3339(nanoseconds: int) -> str:
    """In UTC with nine decimals."""
    seconds, fraction = divmod(nanoseconds, _NS)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{fraction:09d}Z"


def nanoseconds(text: str) -> int:
    """0 for what is no date: an image may say anything, or nothing, about when it was made."""
    found = _FORM.fullmatch(text)
    if found is None:
        return 0
    zone = "+00:00" if found[4] in "Zz" else found[4]
    try:
        whole = datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}")
    except ValueError:
        return 0
    return int(whole.timestamp()) * _NS + int((found[3] or "0").ljust(9, "0"))

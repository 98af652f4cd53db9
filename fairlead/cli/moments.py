"""Moments as people write them, for `--since` and `--until`."""

from __future__ import annotations

import re
import time
from datetime import datetime

from fairlead.cli.faults import Fault
from fairlead.cli.format.units import parse_duration

_UNIX = re.compile(r"\d+(\.\d{1,9})?")


def timestamp(written: str) -> str:
    """Seconds since the epoch for "1h30m" (ago), "2026-11-21T08:05:47Z", "2026-11-21" or a timestamp; "" for none."""
    if not written or _UNIX.fullmatch(written):
        return written
    try:
        return f"{time.time() - parse_duration(written):.9f}"
    except ValueError:
        pass
    try:
        return f"{datetime.fromisoformat(written.replace('Z', '+00:00')).timestamp():.9f}"
    except ValueError as error:
        raise Fault(f'invalid value for time: failed to parse value as time or duration: "{written}"') from error


def local_nanoseconds(nanoseconds: int) -> str:
    """As docker prints the time of an event: 2026-11-21T08:05:47.123456789Z, or with the zone's offset."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds).astimezone()
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}" + f"{offset[:3]}:{offset[3:]}"

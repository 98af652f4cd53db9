"""Durations and sizes as docker's people are used to read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")

MINUTE, HOUR, DAY = 60, 3600, 86400
_FRACTION = re.compile(r"\.(\d+)")


def ago(seconds: float) -> str:
    """About how long: "Less than a second", "3 minutes", "About an hour", "2 weeks"."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < MINUTE:
        return f"{whole} seconds"
    if whole < 2 * MINUTE:
        return "About a minute"
    if whole < HOUR:
        return f"{whole // MINUTE} minutes"
    hours = int(seconds / HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, size, name in (
        (48, 1, "hours"),
        (24 * 14, 24, "days"),
        (24 * 60, 168, "weeks"),
        (24 * 730, 720, "months"),
    ):
        if hours < limit:
            return f"{hours // size} {name}"
    return f"{int(seconds / DAY / 365)} years"


def size(count: float, digits: int = 4, units: tuple[str, ...] = DECIMAL) -> str:
    """With `digits` significant digits: "1.234MB"; with `BINARY` units "1.177MiB"."""
    base = 1000.0 if units is DECIMAL else 1024.0
    at = 0
    while count >= base and at < len(units) - 1:
        count /= base
        at += 1
    return f"{count:.{digits}g}{units[at]}"


def parse_time(text: str) -> datetime | None:
    """A time of the API (RFC 3339, up to nanoseconds); None for none ("" or year 1)."""
    if not text or text.startswith("0001-"):
        return None
    text = _FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), text)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def since(moment: datetime, now: datetime | None = None) -> str:
    return f"{ago(((now or datetime.now(UTC)) - moment).total_seconds())} ago"


def go_time(moment: datetime) -> str:
    """As Go prints a time: 2026-11-21 08:05:47 +0000 UTC."""
    local = moment.astimezone()
    fraction = f".{local.microsecond:06d}".rstrip("0") if local.microsecond else ""
    return local.strftime(f"%Y-%m-%d %H:%M:%S{fraction} %z %Z")


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)


def parse_size(written: str) -> int:
    """Bytes of "64m", "1.5g", "512"; units are powers of 1024. Raises ValueError."""
    found = _SIZE.fullmatch(written.strip())
    if not found:
        raise ValueError(f"invalid size: '{written}'")
    return int(float(found[1]) * 1024 ** " kmgtp".index(found[2].lower() or " "))


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(written: str) -> float:
    """Seconds of Go's "1h2m3s". Raises ValueError."""
    parts = _DURATION.findall(written)
    if not written or _DURATION.sub("", written):
        raise ValueError(f'time: invalid duration "{written}"')
    return sum(float(count) * _SECONDS[unit] for count, unit in parts)

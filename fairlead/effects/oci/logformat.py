"""conmon's log format (Kubernetes' CRI one), read without I/O.

A line is `2026-11-21T11:46:07.123456789+00:00 stdout F text`: time, stream, F for a complete line or P for a piece of
one that goes on, and the output itself, which may hold any byte but a newline.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Iterable, Iterator

from fairlead.model.runtime import STDERR, STDOUT, LogEntry, LogQuery

_STREAMS = {b"stdout": STDOUT, b"stderr": STDERR}
_SECOND = 1_000_000_000


def parse(line: bytes) -> LogEntry | None:
    """One line without its newline; None for one that conmon did not write."""
    parts = line.split(b" ", 3)
    if len(parts) != 4 or parts[1] not in _STREAMS or parts[2] not in (b"F", b"P"):
        return None
    time = parse_time(parts[0])
    return None if time is None else LogEntry(time, _STREAMS[parts[1]], parts[3], parts[2] == b"F")


def parse_time(text: bytes) -> int | None:
    """RFC 3339 with nanoseconds and an offset, as ns since the epoch."""
    try:
        numbers = (
            int(text[0:4]),
            int(text[5:7]),
            int(text[8:10]),
            int(text[11:13]),
            int(text[14:16]),
            int(text[17:19]),
        )
        seconds = timegm((*numbers, 0, 0, 0))
        fraction, offset = _fraction_and_offset(text[19:])
    except ValueError:
        return None
    return (seconds - offset) * _SECOND + fraction


def _fraction_and_offset(rest: bytes) -> tuple[int, int]:
    """`.123456789+01:00` as nanoseconds and seconds east of Greenwich."""
    digits = b""
    if rest[:1] == b".":
        end = 1
        while end < len(rest) and rest[end : end + 1].isdigit():
            end += 1
        digits, rest = rest[1:end], rest[end:]
    fraction = int(digits.ljust(9, b"0")[:9]) if digits else 0
    if rest in (b"Z", b""):
        return fraction, 0
    sign = -1 if rest[:1] == b"-" else 1
    hours, _, minutes = rest[1:].partition(b":")
    return fraction, sign * (int(hours) * 3600 + int(minutes or b"0") * 60)


def select(entries: Iterable[LogEntry], query: LogQuery) -> Iterator[LogEntry]:
    """Those of the wanted streams and time."""
    for entry in entries:
        if not (query.stdout if entry.stream == STDOUT else query.stderr):
            continue
        if entry.time < query.since or (query.until and entry.time > query.until):
            continue
        yield entry


def last_lines(entries: list[LogEntry], count: int) -> list[LogEntry]:
    """The last `count` lines, whole: a line may lie in several pieces."""
    seen = 0
    for index in range(len(entries) - 1, -1, -1):
        if entries[index].complete or index == len(entries) - 1:
            if seen == count:
                return entries[index + 1 :]
            seen += 1
    return entries if count else []

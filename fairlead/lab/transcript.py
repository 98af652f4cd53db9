"""What was done to a lab and what it said, for whoever reads a failure."""

from __future__ import annotations

import time
from collections import deque

_ENTRIES = 2000
_LONGEST = 4000
"""Characters kept of one answer."""


class Transcript:
    """The last entries, each with the seconds since the lab was opened."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._entries: deque[str] = deque(maxlen=_ENTRIES)

    def add(self, done: str, said: str = "") -> None:
        """`done` as on a prompt, with `said` below it."""
        if len(said) > _LONGEST:
            said = f"{said[:_LONGEST]}\n... {len(said) - _LONGEST} more characters"
        at = time.monotonic() - self._started
        self._entries.append("\n".join([f"{at:9.3f} {done}", *(f"          {line}" for line in said.splitlines())]))

    def __str__(self) -> str:
        return "".join(f"{entry}\n" for entry in self._entries)

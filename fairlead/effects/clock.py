"""Time and randomness of the machine."""

from __future__ import annotations

import secrets
import time

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class SystemClock:
    def now(self) -> int:
        """Wall clock, ns since the epoch."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds, for deadlines."""
        return time.monotonic()


class SystemEntropy:
    def local_id(self) -> str:
        """64 hex digits. Never all decimal: a hostname made of the first 12 must not read as a number."""
        while (drawn := secrets.token_hex(32))[:12].isdecimal():
            continue
        return drawn

    def swarm_id(self) -> str:
        """25 characters of [0-9a-z]."""
        return "".join(secrets.choice(_BASE36) for _ in range(25))

    def number(self, below: int) -> int:
        return secrets.randbelow(below)

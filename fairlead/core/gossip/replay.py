"""Replay protection: every packet of a session is accepted once.

A peer's window is the highest counter seen and a bit for each of the 64 before it, as in IPsec (RFC 4303, 3.4.3); one
integer holds both. Which session is a member's current one is in its membership record, so packets recorded in an
earlier life are refused before they get here.
"""

from __future__ import annotations

WINDOW = 64
_MASK = (1 << WINDOW) - 1


class ReplayGuard:
    """Windows by member name. Bounded by the number of members: `forget` with the member or its session."""

    __slots__ = ("_windows",)

    def __init__(self) -> None:
        self._windows: dict[str, int] = {}

    def accept(self, name: str, counter: int) -> bool:
        """Whether this is the first packet of the member's session with this counter. Older than the window: no."""
        state = self._windows.get(name)
        if state is None:
            self._windows[name] = counter << WINDOW | 1
            return True
        ahead = counter - (state >> WINDOW)
        if ahead > 0:
            seen = ((state & _MASK) << ahead | 1) & _MASK if ahead < WINDOW else 1
            self._windows[name] = counter << WINDOW | seen
            return True
        if ahead <= -WINDOW or state >> -ahead & 1:
            return False
        self._windows[name] = state | 1 << -ahead
        return True

    def forget(self, name: str) -> None:
        self._windows.pop(name, None)

    def __len__(self) -> int:
        return len(self._windows)

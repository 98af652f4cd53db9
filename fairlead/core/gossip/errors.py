"""Two blames: what a peer did wrong, and what our own caller did wrong."""

from __future__ import annotations


class PeerError(Exception):
    """A peer sent something that is not acceptable. It is counted, never raised out of the machine.

    `reason` is one of a fixed set of words, so that counters stay bounded whatever peers send.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class GossipError(ValueError):
    """Our own caller asked for something impossible. The text names it and says what would be right."""

"""Whether the managers know for certain that this node lives.

They give a node up when it was silent for so long, and then have its tasks run elsewhere. A process that was stopped
for a while does not know that it was: what it was told before may be another node's affair by now. So nothing is begun
unless a sign of life was taken note of lately, counted from before it was sent.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.core.swarm.dispatch import BEATS, RECONNECT
from fairlead.engine.ports import Clock

NEVER = float("-inf")


class Signs:
    """`every` is how often they want one, in seconds; `renewed` is called when one was noted after a while of none."""

    def __init__(self, clock: Clock, every: float) -> None:
        self._clock = clock
        self._sent = NEVER
        self.every = every
        self.renewed: Callable[[], None] = lambda: None

    def now(self) -> float:
        """To be noted before a sign is sent."""
        return self._clock.monotonic()

    def noted(self, sent: float) -> None:
        """The managers took note of the sign that was sent then."""
        was_fresh, self._sent = self.fresh, sent
        if not was_fresh:
            self.renewed()

    @property
    def fresh(self) -> bool:
        """Can no manager have given this node up?"""
        return self.now() - self._sent < RECONNECT * BEATS * self.every

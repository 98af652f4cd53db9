"""What verbs on the swarm's objects need of the node that they are called at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fairlead.engine.swarm.standing import Standing

if TYPE_CHECKING:
    from fairlead.core.swarm.snapshot import Snapshot
    from fairlead.engine.swarm.mirror import Mirror


class Manager(Protocol):
    """Asked anew by each verb: the node may have been promoted, demoted or cut off since the last."""

    @property
    def standing(self) -> Standing: ...

    @property
    def mirror(self) -> Mirror:
        """The managers' store. Raises Unavailable (503), in Docker's words, where this node is no manager at work, and
        Failed (500) while no majority of managers answers."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """What the store holds. Raises as `mirror`."""
        ...

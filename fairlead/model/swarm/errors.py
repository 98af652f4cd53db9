"""Refusals that only members of a swarm give each other, or that its store gives."""

from __future__ import annotations

from fairlead.model.errors import Conflict, Unavailable


class Elsewhere(Unavailable):
    """This manager does not lead (421 between nodes). The text is the leader's HOST:PORT, "" while none is known."""


class Outdated(Conflict):
    """The object is not what the writer had read, or its name is taken meanwhile: read again and decide anew."""


class NameTaken(Outdated):
    """Another object of the kind has the name."""


class Untouched(Unavailable):
    """The store cannot decide now, and changed nothing: it may be asked again."""


class Deposed(Unavailable):
    """The writer does not lead any more; nothing was written."""


class Stale(Unavailable):
    """The history asked for is gone; read everything anew."""


class Locked(Unavailable):
    """The node's keys are sealed: `docker swarm unlock`."""

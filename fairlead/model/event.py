"""Events as `docker events` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is "container", "network", "image", "volume", "daemon", ...; `time` ns since the epoch.

    `actor` is the object's id and `attributes` its name, image, labels and what the action adds.
    """

    kind: str
    action: str
    actor: str
    time: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    scope: str = "local"

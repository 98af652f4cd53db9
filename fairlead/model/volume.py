"""Named volumes: directories (or mounts) of this host that outlive containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

LOCAL = "local"
ANONYMOUS_LABEL = "com.docker.volume.anonymous"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Volume:
    """`id` is its name. `options` are the local driver's: "type", "o", "device" describe a mount(8) made while in use.

    `created` is ns since the epoch, `mountpoint` the absolute path of its data.
    """

    id: str
    mountpoint: str
    created: int
    driver: str = LOCAL
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.id

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS_LABEL in self.labels


def is_volume_name(text: str) -> bool:
    """Docker's rule: two characters at least, the first a letter or digit."""
    return _NAME.fullmatch(text) is not None

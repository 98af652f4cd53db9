"""Identifiers as Docker's users know them: their shapes, short forms and how a reference is resolved.

Local ids are 64 lowercase hex digits, shown as their first 12. Swarm-scope ids are 25 characters
of [0-9a-z]. Ids are drawn by the engine; this module only knows what they look like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORT = 12
_HEX_ID = re.compile(r"[0-9a-f]{64}")
_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def short(object_id: str) -> str:
    """The first 12 characters, as `docker ps` and `docker network ls` print them."""
    return object_id[:SHORT]


def is_local_id(text: str) -> bool:
    return _HEX_ID.fullmatch(text) is not None


def is_container_name(text: str) -> bool:
    """Docker's rule for container names: two characters at least, the first a letter or digit."""
    return _CONTAINER_NAME.fullmatch(text) is not None


def with_prefix(prefix: str, known: Iterable[str]) -> list[str]:
    """All known ids that start with `prefix` (none for an empty prefix)."""
    return [known_id for known_id in known if prefix and known_id.startswith(prefix)]

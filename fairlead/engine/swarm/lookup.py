"""Objects of the swarm by what users call them: a whole id, a name, or the beginning of an id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from fairlead.model.errors import Invalid, NotFound

T = TypeVar("T")


def find(kind: str, reference: str, known: Mapping[str, T], name: Callable[[T], str]) -> T:
    """Raises NotFound, or Invalid when several are meant, in Docker's words. `known` is by id."""
    if (found := known.get(reference)) is not None:
        return found
    for candidates in (
        [thing for thing in known.values() if reference and name(thing) == reference],
        [thing for id_, thing in known.items() if reference and id_.startswith(reference)],
    ):
        if len(candidates) > 1:
            raise Invalid(f"{kind} {reference} is ambiguous ({len(candidates)} matches found)")
        if candidates:
            return candidates[0]
    raise NotFound(f"{kind} {reference} not found")

"""Which images `docker images` means."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from fairlead.model.errors import Invalid
from fairlead.model.reference import Reference

LIST_FILTERS = frozenset({"before", "dangling", "label", "label!", "reference", "since", "until"})
_TRUE, _FALSE = ("1", "true"), ("0", "false")


def wants_dangling(filters: Mapping[str, Sequence[str]]) -> bool | None:
    """True: nameless only, False: named only, None: both. Raises `Invalid`."""
    values = {value.lower() for value in filters.get("dangling", ())}
    if unknown := [value for value in values if value not in _TRUE + _FALSE]:
        raise Invalid(f"invalid filter 'dangling=[{unknown[0]}]'")
    if not values or (values & set(_TRUE) and values & set(_FALSE)):
        return None
    return bool(values & set(_TRUE))


def fitting(references: Sequence[Reference], patterns: Sequence[str]) -> list[Reference]:
    """The references that fit one of the patterns: shell patterns for the familiar name, with or without its tag."""
    return [reference for reference in references if any(_fits(reference, pattern) for pattern in patterns)]


def _fits(reference: Reference, pattern: str) -> bool:
    return any(_matches(name, pattern) for name in (reference.familiar, reference.familiar_repository))


def _matches(name: str, pattern: str) -> bool:
    """As path.Match of Go: a star does not reach over a slash."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))

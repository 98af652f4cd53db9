"""Refusals on the wire: a status for each class, and back."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

from fairlead.model.errors import (
    Conflict,
    Failed,
    Invalid,
    NotAllowed,
    NotFound,
    Refusal,
    Unauthorized,
    Unavailable,
    Unsupported,
)
from fairlead.model.swarm.errors import Elsewhere, Locked, Outdated, Stale

STATUS: Mapping[type[Refusal], int] = {
    Invalid: 400,
    Unauthorized: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    Stale: 410,
    Outdated: 412,
    Elsewhere: 421,
    Locked: 423,
    Failed: 500,
    Unsupported: 501,
    Unavailable: 503,
}
_CLASS = {status: kind for kind, status in STATUS.items()}


def status_of(refusal: Refusal) -> int:
    """Of the nearest class that has one; what no class before it has is a failure."""
    return next((STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS), STATUS[Failed])


def refusal_of(status: int, text: str) -> Refusal:
    """An answer with an unknown status is a failure of the other end."""
    return _CLASS.get(status, Failed)(text)


def trailer(refusal: Refusal) -> bytes:
    """The value of the trailer that ends a stream."""
    return f"{status_of(refusal)} {quote(refusal.message)}".encode()


def parse_trailer(value: bytes) -> Refusal:
    status, _, text = value.decode("ascii", "replace").partition(" ")
    return refusal_of(int(status) if status.isdecimal() else 0, unquote(text))

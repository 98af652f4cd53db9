"""Reading the daemon's JSON without trusting its shape: what is not there, or of another type, is empty."""

from __future__ import annotations

from collections.abc import Mapping

Json = dict[str, object]


def get(document: object, *path: str) -> object:
    """The value at `path`, or None."""
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def text(document: object, *path: str) -> str:
    value = get(document, *path)
    return value if isinstance(value, str) else "" if value is None else str(value)


def number(document: object, *path: str) -> int:
    value = get(document, *path)
    return int(value) if isinstance(value, int | float) else 0


def flag(document: object, *path: str) -> bool:
    return get(document, *path) is True


def objects(document: object, *path: str) -> list[Json]:
    value = get(document, *path)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(document: object, *path: str) -> list[str]:
    value = get(document, *path)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def mapping(document: object, *path: str) -> Json:
    value = get(document, *path)
    return value if isinstance(value, dict) else {}

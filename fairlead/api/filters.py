"""The `filters` parameter of list, prune and event requests.

Docker's clients write it in two forms, `{"name": ["x"]}` and the older `{"name": {"x": true}}`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from fairlead.model.errors import Invalid

Filters = dict[str, list[str]]

_decode = msgspec.json.Decoder(dict[str, list[str] | dict[str, bool] | None] | None).decode


def parse_filters(query: Mapping[str, str]) -> Filters:
    """Values by filter name; a value that the old form sets to false is not wanted. Raises `Invalid`."""
    text = query.get("filters", "")
    if not text:
        return {}
    try:
        decoded = _decode(text)
    except msgspec.DecodeError as error:
        raise Invalid("invalid filter") from error
    return {name: _values(values) for name, values in (decoded or {}).items() if values is not None}


def _values(values: list[str] | dict[str, bool]) -> list[str]:
    return values if isinstance(values, list) else [value for value, wanted in values.items() if wanted]


def reject_unknown(filters: Filters, allowed: Collection[str]) -> None:
    """Raise `Invalid` for the first filter that is not in `allowed`."""
    for name in filters:
        if name not in allowed:
            raise Invalid(f"invalid filter '{name}'")

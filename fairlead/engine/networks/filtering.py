"""Which networks `network ls` and `network prune` mean."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.core.filters import Filters, labelled, similar
from fairlead.model.errors import Failed, Invalid
from fairlead.model.network import Network

LIST_FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
PRUNE_FILTERS = frozenset({"label", "label!", "until"})
_TYPES = ("custom", "builtin")


def check(filters: Filters, known: frozenset[str]) -> None:
    """Refuse filters that do not exist, and values that a filter cannot have."""
    for name in filters:
        if name not in known:
            raise Invalid(f"invalid filter '{name}'")
    for wanted in filters.get("type", ()):
        if wanted not in _TYPES:
            raise Failed(f"invalid filter: 'type'='{wanted}'")
    for wanted in filters.get("dangling", ()):
        if wanted.lower() not in ("true", "false", "1", "0"):
            raise Invalid(f"invalid filter 'dangling=[{wanted}]'")


def matches(network: Network, filters: Filters, in_use: bool) -> bool:
    """Whether a network passes every filter; several values of one filter are alternatives, labels add up."""
    return (
        _any(filters, "driver", lambda wanted: wanted == network.driver)
        and _any(filters, "scope", lambda wanted: wanted == network.scope)
        and _any(filters, "type", lambda wanted: (wanted == "builtin") == network.predefined)
        and _any(filters, "name", lambda wanted: similar(wanted, network.name))
        and _any(filters, "id", lambda wanted: similar(wanted, network.id))
        and _any(filters, "dangling", lambda wanted: (wanted.lower() in ("true", "1")) == _dangling(network, in_use))
        and labelled(network.labels, filters)
    )


def _any(filters: Filters, name: str, matching: Callable[[str], bool]) -> bool:
    values = filters.get(name)
    return not values or any(matching(value) for value in values)


def _dangling(network: Network, in_use: bool) -> bool:
    return not network.predefined and not in_use

"""What the filters of the swarm's lists have in common, by SwarmKit's rules: names and ids are meant by how they begin,
labels by key or by key and value; values of one filter are alternatives, labels add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.model.errors import Invalid

Filters = Mapping[str, Sequence[str]]


def check(filters: Filters, known: frozenset[str]) -> None:
    for name in filters:
        if name not in known:
            raise Invalid(f"invalid filter '{name}'")


def begins(filters: Filters, name: str, actual: str) -> bool:
    wanted = filters.get(name)
    return not wanted or actual.startswith(tuple(wanted))


def among(filters: Filters, name: str, actual: str) -> bool:
    wanted = filters.get(name)
    return not wanted or actual in wanted


def labelled(filters: Filters, labels: Mapping[str, str]) -> bool:
    return all(_has(labels, wanted) for wanted in filters.get("label", ()))


def _has(labels: Mapping[str, str], wanted: str) -> bool:
    key, _, value = wanted.partition("=")
    return key in labels and (not value or labels[key] == value)


def truth(filters: Filters, name: str) -> bool | None:
    """A filter that is yes or no; None when it is not given. Raises Invalid."""
    values = {_TRUTHS.get(value.lower()) for value in filters.get(name, ())}
    if not values:
        return None
    if None in values or len(values) > 1:
        raise Invalid(f"invalid filter '{name}=[{' '.join(filters[name])}]'")
    return values.pop()


_TRUTHS = {"1": True, "true": True, "0": False, "false": False}

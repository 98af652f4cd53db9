"""Which networks `network ls` and `network prune` mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from fairlead.model.errors import Failed, Invalid
from fairlead.model.network import Network

Filters = Mapping[str, Sequence[str]]

LIST_FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
PRUNE_FILTERS = frozenset({"label", "label!", "until"})
_TYPES = ("custom", "builtin")
_SECOND = 1_000_000_000
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m(?!s)|s|ms|us|µs|ns)")
_UNITS = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}


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
        and _any(filters, "name", lambda wanted: _similar(wanted, network.name))
        and _any(filters, "id", lambda wanted: _similar(wanted, network.id))
        and _any(filters, "dangling", lambda wanted: (wanted.lower() in ("true", "1")) == _dangling(network, in_use))
        and labelled(network.labels, filters)
    )


def labelled(labels: Mapping[str, str], filters: Filters) -> bool:
    """Every `label` ("key" or "key=value") is there, and no `label!` is."""
    return all(_has_label(labels, wanted) for wanted in filters.get("label", ())) and not any(
        _has_label(labels, unwanted) for unwanted in filters.get("label!", ())
    )


def created_before(filters: Filters, now: int) -> int | None:
    """The moment that `until` means in ns since the epoch: a timestamp, a date or a duration before now."""
    values = filters.get("until", ())
    if not values:
        return None
    if len(values) > 1:
        raise Invalid("more than one until filter specified")
    return _moment(values[0], now)


def _moment(text: str, now: int) -> int:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return int(float(text) * _SECOND)
    if text and not _DURATION.sub("", text):
        return now - int(sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text)))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f'invalid value for "until": "{text}": neither a duration (10m) nor a time stamp') from None
    return int(moment.astimezone().timestamp() * _SECOND)


def _any(filters: Filters, name: str, matching: Callable[[str], bool]) -> bool:
    values = filters.get(name)
    return not values or any(matching(value) for value in values)


def _similar(wanted: str, actual: str) -> bool:
    """Docker's rule: a part of it, or a regular expression that finds something in it."""
    if wanted in actual:
        return True
    try:
        return re.search(wanted, actual) is not None
    except re.error:
        return False


def _dangling(network: Network, in_use: bool) -> bool:
    return not network.predefined and not in_use


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, separator, value = wanted.partition("=")
    return key in labels and (not separator or labels[key] == value)

"""Filters that lists and prunes of several nouns have in common: by label, by name and by age."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from fairlead.model.errors import Invalid

Filters = Mapping[str, Sequence[str]]

_SECOND = 1_000_000_000
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m(?!s)|s|ms|us|µs|ns)")
_UNITS = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}


def labelled(labels: Mapping[str, str], filters: Filters) -> bool:
    """Every `label` ("key" or "key=value") is there, and no `label!` is."""
    return all(has_label(labels, wanted) for wanted in filters.get("label", ())) and not any(
        has_label(labels, unwanted) for unwanted in filters.get("label!", ())
    )


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Is there a label of this key ("key"), or of this key and value ("key=value")?"""
    key, separator, value = wanted.partition("=")
    return key in labels and (not separator or labels[key] == value)


def similar(wanted: str, actual: str) -> bool:
    """Docker's rule: a part of it, or a regular expression that finds something in it."""
    if wanted in actual:
        return True
    try:
        return re.search(wanted, actual) is not None
    except re.error:
        return False


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

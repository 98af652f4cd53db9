"""`network ls --filter` and `network prune --filter`."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.engine.networks import filtering
from fairlead.model.errors import Failed, Invalid
from tests.engine import builders

PETS = builders.network("pets", labels={"colour": "red"})
BRIDGE = builders.network("bridge")


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, True),
        ({"driver": ["bridge"]}, True),
        ({"driver": ["macvlan"]}, False),
        ({"driver": ["macvlan", "bridge"]}, True),
        ({"name": ["et"]}, True),
        ({"name": ["^pets$"]}, True),
        ({"name": ["^et"]}, False),
        ({"name": ["["]}, False),
        ({"id": [PETS.id[:6]]}, True),
        ({"type": ["custom"]}, True),
        ({"type": ["builtin"]}, False),
        ({"scope": ["foo"]}, False),
        ({"label": ["colour"]}, True),
        ({"label": ["colour=red", "size"]}, False),
        ({"label!": ["colour=blue"]}, True),
        ({"label!": ["colour"]}, False),
        ({"dangling": ["true"]}, True),
        ({"dangling": ["0"]}, False),
    ],
)
def test_filters_on_an_unused_network(filters: dict[str, list[str]], passes: bool) -> None:
    assert filtering.matches(PETS, filters, in_use=False) is passes


def test_neither_predefined_nor_used_networks_dangle() -> None:
    assert not filtering.matches(BRIDGE, {"dangling": ["true"]}, in_use=False)
    assert not filtering.matches(PETS, {"dangling": ["true"]}, in_use=True)


@pytest.mark.parametrize(
    ("filters", "refusal", "words"),
    [
        ({"foo": ["bar"]}, Invalid, "invalid filter 'foo'"),
        ({"type": ["foo"]}, Failed, "invalid filter: 'type'='foo'"),
        ({"dangling": ["maybe"]}, Invalid, "invalid filter 'dangling=\\[maybe\\]'"),
    ],
)
def test_refused(filters: dict[str, list[str]], refusal: Any, words: str) -> None:
    with pytest.raises(refusal, match=words):
        filtering.check(filters, filtering.LIST_FILTERS)


@pytest.mark.parametrize(
    ("text", "moment"),
    [("10m", 400), ("1h30m", -4400), ("500ms", 999), ("900", 900), ("1970-01-01T00:15:00Z", 900)],
)
def test_until(text: str, moment: int) -> None:
    now = 1000 * 10**9
    assert (filtering.created_before({"until": [text]}, now) or 0) // 10**9 == moment


def test_until_that_is_no_time() -> None:
    with pytest.raises(Invalid, match='invalid value for "until": "soon"'):
        filtering.created_before({"until": ["soon"]}, 0)

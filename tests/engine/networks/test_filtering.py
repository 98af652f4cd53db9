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

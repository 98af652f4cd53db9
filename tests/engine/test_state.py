"""References are resolved as Docker does: full id, then name, then a unique prefix of an id."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.engine import records
from fairlead.engine.state import State
from fairlead.model.errors import Invalid, NotFound
from tests.engine import builders


@pytest.fixture
def state() -> State:
    filled = State()
    for name in ("aa", "ab", "zz"):
        filled.put_container(builders.container(name))
        filled.put_network(builders.network(name))
    return filled


@pytest.mark.parametrize("reference", ["zz", "/zz", builders.hexed("zz"), builders.hexed("zz")[:5]])
def test_a_container_is_found_by_name_id_and_prefix(state: State, reference: str) -> None:
    assert state.container(reference).name == "zz"


@pytest.mark.parametrize(
    ("reference", "refusal", "words"),
    [
        ("missing", NotFound, "No such container: missing"),
        ("61", Invalid, "multiple IDs found with provided prefix: 61"),
        ("", Invalid, 'invalid name or ID supplied: ""'),
    ],
)
def test_no_container(state: State, reference: str, refusal: type[Exception], words: str) -> None:
    with pytest.raises(refusal, match=words):
        state.container(reference)


def test_networks_in_the_words_of_docker(state: State) -> None:
    with pytest.raises(NotFound, match="network missing not found"):
        state.network("missing")
    with pytest.raises(Invalid, match="2 matches found based on ID prefix: network 61 is ambiguous"):
        state.network("61")


def test_a_name_beats_a_prefix(state: State) -> None:
    state.put_container(builders.container(builders.hexed("aa")[:4]))
    assert state.container(builders.hexed("aa")[:4]).name == builders.hexed("aa")[:4]


def test_a_renamed_container_leaves_its_old_name(state: State) -> None:
    old = state.container("zz")
    state.put_container(replace(old, name="yy"))
    assert state.container("yy").id == old.id
    assert state.find_container("zz") is None
    state.drop_container(old.id)
    assert state.find_container("yy") is None


def test_endpoints_are_found_from_both_ends_and_claimed_ones_are_users() -> None:
    state = State()
    web, pets = builders.container("web"), builders.network("pets")
    second, first = (
        builders.endpoint(web, pets, order=1),
        replace(builders.endpoint(web, pets), id="f" * 64, order=0),
    )
    state.put_endpoint(second)
    state.put_endpoint(first)
    assert state.endpoints_of(web.id) == [first, second]
    claimed = replace(first, id="e" * 64)
    state.claimed_endpoints[claimed.id] = claimed
    assert state.users_of(pets.id) == [second, first, claimed]
    for endpoint in (first, second):
        state.drop_endpoint(endpoint.id)
    state.drop_endpoint(first.id)
    assert state.endpoints_on(pets.id) == []


def test_what_was_stored_is_there_again() -> None:
    web, pets = builders.container("web"), builders.network("pets")
    there = builders.endpoint(web, pets)
    documents: dict[str, dict[str, bytes]] = {}
    for change in map(records.put, (web, pets, there)):
        documents.setdefault(change.kind, {})[change.id] = change.value
    state = State()
    state.load(documents)
    assert (state.container("web"), state.network("pets"), state.endpoints_of(web.id)) == (web, pets, [there])

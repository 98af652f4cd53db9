"""That something does not exist: said by the store, never by a manager that has not heard of it."""

from __future__ import annotations

import pytest

from fairlead.model.errors import Failed, NotFound
from tests.effects.etcd.house import Manager
from tests.engine.swarm.verbs.seats import Place
from tests.engine.swarm.verbs.test_services import spec


async def test_what_was_made_elsewhere_a_moment_ago_is_found(swarm: Place, other: Place) -> None:
    for number in range(20):
        await other.services.create(spec(f"web{number}"))
        found = await swarm.last_word(lambda number=number: swarm.services.get(f"web{number}"))  # type: ignore[misc]
        assert found.spec.name == f"web{number}"


async def test_what_does_not_exist_is_not_found(swarm: Place) -> None:
    with pytest.raises(NotFound, match="service missing not found"):
        await swarm.last_word(lambda: swarm.services.get("missing"))


async def test_who_is_cut_off_does_not_say_that_something_does_not_exist(swarm: Place, alone: Manager) -> None:
    await swarm.services.create(spec("web"))
    alone.pause()
    assert (await swarm.last_word(lambda: swarm.services.get("web"))).spec.name == "web"
    with pytest.raises(Failed, match="The swarm does not have a leader"):
        await swarm.last_word(lambda: swarm.services.get("missing"))
    alone.resume()

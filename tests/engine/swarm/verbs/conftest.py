"""One manager's store on a real etcd, and other managers' eyes on the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fairlead.effects.clock import SystemClock
from fairlead.engine.swarm import writing
from fairlead.engine.swarm.mirror import Mirror
from tests.effects.etcd.conftest import alone, host, house
from tests.effects.etcd.house import Manager
from tests.engine.swarm.verbs.seats import Place

__all__ = ["alone", "host", "house"]


@pytest.fixture
async def mirror(alone: Manager) -> AsyncIterator[Mirror]:
    mirror = Mirror(alone.store, SystemClock())
    await mirror.start()
    yield mirror
    await mirror.close()


@pytest.fixture
async def other(alone: Manager) -> AsyncIterator[Place]:
    """A second manager's place over the same store."""
    mirror = Mirror(alone.store, SystemClock())
    await mirror.start()
    yield Place(mirror)
    await mirror.close()


@pytest.fixture(autouse=True)
def _nobody_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is allocated here, and nobody needs to wait for it."""
    monkeypatch.setattr(writing, "SETTLING", 0.0)


@pytest.fixture
def swarm(mirror: Mirror) -> Place:
    return Place(mirror)

"""A leader's court for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.effects.etcd.conftest import alone, host, house
from tests.effects.etcd.house import Manager
from tests.engine.swarm.leading.court import Court, holding_court

__all__ = ["alone", "host", "house"]


@pytest.fixture
async def court(alone: Manager) -> AsyncIterator[Court]:
    async with holding_court(alone.store) as court:
        yield court

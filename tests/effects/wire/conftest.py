from collections.abc import AsyncIterator

import pytest

from tests.effects.wire.dns_world import DnsWorld


@pytest.fixture
async def world() -> AsyncIterator[DnsWorld]:
    world = DnsWorld()
    try:
        world.populate()
        yield world
    finally:
        world.close()

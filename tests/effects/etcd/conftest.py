"""The test's thread lives in a network namespace of its own, with the managers' bridge."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from tests.effects.etcd.house import House, Manager


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if os.geteuid() != 0 and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture
def host() -> Iterator[None]:
    descriptor = netns.make_namespace()
    try:
        with netns.entered_descriptor(descriptor):
            yield
    finally:
        os.close(descriptor)


@pytest.fixture
async def house(host: None, tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def alone(house: House) -> Manager:
    """The only manager of a swarm."""
    return (await house.managed_by(1))[0]


@pytest.fixture
async def three(house: House) -> list[Manager]:
    return await house.managed_by(3)

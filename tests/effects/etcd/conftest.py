"""The test's thread lives in a network namespace of its own, with the managers' bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.effects.etcd.house import House, Manager
from tests.support.spaces import host_namespace, skip_without_root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_root(items, Path(__file__).parent)


@pytest.fixture
def host() -> Iterator[None]:
    with host_namespace():
        yield


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

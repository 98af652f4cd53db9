"""Every test of this folder has a host of its own: a network namespace with an uplink to nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from tests.effects.kernel.conftest import run
from tests.engine.networking.house import House
from tests.support.spaces import host_namespace, skip_without_root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_without_root(items, Path(__file__).parent)


@pytest.fixture
def host() -> Iterator[None]:
    with host_namespace():
        run("ip", "link", "set", "lo", "up")
        yield


@pytest.fixture
async def house(host: None, tmp_path: Path) -> AsyncIterator[House]:
    async with living(House(tmp_path)) as made:
        yield made


@asynccontextmanager
async def living(made: House) -> AsyncIterator[House]:
    """It starts, and goes with all it has."""
    await made.start()
    try:
        yield made
    finally:
        try:
            await made.close()
        finally:
            _unmount(made.config.netns_dir)


def _unmount(directory: Path) -> None:
    """Whatever a failed test has left."""
    for path in directory.iterdir():
        netns.forget_namespace(path)
    netns.unmount(directory)

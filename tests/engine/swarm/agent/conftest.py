"""A node of its own for each test that asks for one, in a namespace of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from fairlead.lab import cgroups
from tests.effects.kernel.conftest import run
from tests.engine.swarm.agent.member import Member
from tests.support.machines import missing_requirements


@pytest.fixture
def own_host(tmp_path: Path) -> Iterator[Path]:
    """The thread of the test, and every thread and process it starts, lives in a fresh network namespace."""
    if missing := missing_requirements():
        pytest.skip(missing)
    descriptor = netns.make_namespace()
    try:
        with netns.entered_descriptor(descriptor):
            run("ip", "link", "set", "lo", "up")
            yield tmp_path
    finally:
        os.close(descriptor)
        _leave_nothing(tmp_path)


@pytest.fixture
async def member(own_host: Path) -> AsyncIterator[Member]:
    made = Member(own_host)
    await made.start()
    try:
        await made.provide()
        yield made
    finally:
        await made.close()


def _leave_nothing(root: Path) -> None:
    """Whatever a failed test has left."""
    names = root / "exec" / "netns"
    if names.is_dir():
        for path in names.iterdir():
            netns.forget_namespace(path)
        netns.unmount(names)
    cgroups.remove_of(root)

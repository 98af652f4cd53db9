"""One host for the plays that need no stage of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fairlead.lab.machine import Machine
from tests.labs.ear import Ear, listening
from tests.labs.test_plays import stage_set
from tests.support import images
from tests.support.machines import laboratory


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with laboratory(stage_set(["node1"])) as lab:
        images.provide(lab.host("node1"), "busybox", "nginx")
        yield lab.host("node1")


@pytest.fixture
def ear(machine: Machine) -> Iterator[Ear]:
    with listening(machine.directory / "ear.sock", machine.socket) as ear:
        yield ear

"""What Docker refuses, Fairlead refuses with the same status and words, and nothing is left behind.

Each play of errors/ is a list of commands as dockerd 28 answered them; where Fairlead answers otherwise on purpose,
the line above says why. Commands that the docker CLI refuses by itself are not among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fairlead.lab.machine import Machine
from tests.labs.ear import Ear, listening
from tests.labs.play import parse
from tests.labs.stage import Stage
from tests.labs.test_plays import pytestmark as pytestmark
from tests.labs.test_plays import stage_set
from tests.support import images
from tests.support.machines import laboratory, wait_for

PLAYS = sorted((Path(__file__).parent / "errors").glob("*.play"))
CLEAR = "docker ps -aq | xargs -r docker rm -f; docker network prune -f; docker volume prune -af"
LEFT = "ip -br link | cut -d' ' -f1; ip route | sed 's/ linkdown//'; ip rule; nft list table inet fairlead"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with laboratory(stage_set({"node1"})) as lab:
        images.provide(lab.host("node1"), "busybox", "nginx")
        yield lab.host("node1")


@pytest.fixture
def ear(machine: Machine) -> Iterator[Ear]:
    with listening(machine.directory / "ear.sock", machine.socket) as ear:
        yield ear


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.stem)
def test_refusals_are_dockers_and_leave_nothing(play: Path, machine: Machine, ear: Ear) -> None:
    before = _left(machine)
    wrong = Stage([machine], ear).perform(play.name, parse(play.read_text()))
    machine.sh(CLEAR, check=False)
    assert not wrong, "\n" + "\n".join(wrong)
    with suppress(AssertionError):
        wait_for(lambda: _left(machine) == before)
    assert _left(machine) == before


def _left(machine: Machine) -> str:
    return machine.sh(LEFT, check=False).stdout

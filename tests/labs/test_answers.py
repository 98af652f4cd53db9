"""Commands and their answers, status by status, through the docker CLI, and nothing of them left behind.

`errors/` is what dockerd 28 refused and how; where Fairlead answers otherwise on purpose, the line above says why.
Commands that the CLI refuses by itself are not among them. `options/` are the flags of `docker run` and its relatives,
each used so that its effect is seen.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from fairlead.lab.machine import Machine
from tests.labs.ear import Ear
from tests.labs.play import parse
from tests.labs.stage import Stage
from tests.labs.test_plays import pytestmark as pytestmark
from tests.support.machines import wait_for

PLAYS = sorted(play for folder in ("errors", "options") for play in (Path(__file__).parent / folder).glob("*.play"))
CLEAR = "docker ps -aq | xargs -r docker rm -fv; docker network prune -f; docker volume prune -af"
LEFT = "ip -br link | cut -d' ' -f1; ip route | sed 's/ linkdown//'; ip rule; nft list table inet fairlead"


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: f"{play.parent.name}-{play.stem}")
def test_answers_are_dockers_and_nothing_is_left(play: Path, machine: Machine, ear: Ear) -> None:
    before = _left(machine)
    wrong = Stage([machine], ear).perform(play.name, parse(play.read_text()))
    machine.sh(CLEAR, check=False)
    assert not wrong, "\n" + "\n".join(wrong)
    with suppress(AssertionError):
        wait_for(lambda: _left(machine) == before)
    assert _left(machine) == before


def _left(machine: Machine) -> str:
    return machine.sh(LEFT, check=False).stdout

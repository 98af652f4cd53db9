"""The documents' labs, command for command through the docker CLI, on the hosts that they name.

outside (192.168.50.1, 203.0.113.80) ── lan 192.168.50.0/24 ─┬─ node1 (192.168.50.13, Fairlead)
                                                             └─ node2 (192.168.50.14, Fairlead) ...
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from fairlead.lab import topology
from tests.labs.play import cast, parse
from tests.labs.stage import Stage
from tests.support import images
from tests.support.machines import laboratory, missing_requirements

PLAYS = sorted((Path(__file__).parent / "plays").glob("*.play"))
LAN = """
[switches.lan]
subnet = "192.168.50.0/24"
[routers.outside]
links = [{ switch = "lan" }]
"""
HOST = """
[hosts.{name}]
links = [{{ switch = "lan", address = "192.168.50.{last}/24" }}]
"""


def stage_set(hosts: Sequence[str]) -> topology.Topology:
    return topology.parse(LAN + "".join(HOST.format(name=name, last=13 + place) for place, name in enumerate(hosts)))


def _why_not() -> str:
    if missing := missing_requirements():
        return missing
    said = subprocess.run(
        [shutil.which("docker") or "", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return "" if said.startswith("Docker version 28") else f"the plays were recorded with docker CLI 28, here is {said}"


pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(_why_not()), reason=_why_not())]


def props(text: str) -> list[str]:
    """The images that a play names."""
    return [name for name in images.STAND_INS if name.partition(":")[0] in text]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.stem)
def test_the_lab_answers_as_the_documents_show(play: Path) -> None:
    text = play.read_text()
    with laboratory(stage_set(cast(text))) as lab:
        for machine in lab.hosts():
            images.provide(machine, *props(text))
        wrong = Stage(lab.hosts()).perform(play.name, parse(text))
        assert not wrong, "\n" + "\n".join(wrong)

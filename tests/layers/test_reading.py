"""What a daemon reads before it answers: modules are most of the time that this takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

SWARMS_ALONE = (
    "cryptography",
    "fairlead.api.routes.services",
    "fairlead.core.discovery",
    "fairlead.core.gossip",
    "fairlead.core.swarm",
    "fairlead.daemon_swarm",
    "fairlead.effects.etcd",
    "fairlead.effects.pki",
    "fairlead.effects.wire.gossip",
    "fairlead.effects.wire.nodes",
    "fairlead.engine.discovery",
    "fairlead.engine.swarm.membership",
)
NEVER = ("fairlead.cli.commands", "fairlead.lab", "fairlead.sim", "aiohttp", "pyroute2", "rich")


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after it."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(said.stdout.split())


@pytest.fixture(scope="module")
def read_by_the_daemon() -> set[str]:
    return modules_after("import fairlead.daemon")


@pytest.mark.parametrize("name", [*SWARMS_ALONE, *NEVER])
def test_a_daemon_in_no_swarm_does_not_read(name: str, read_by_the_daemon: set[str]) -> None:
    found = {module for module in read_by_the_daemon if f"{module}.".startswith(f"{name}.")}
    assert not found


@pytest.mark.parametrize("name", SWARMS_ALONE[:5])
def test_what_is_left_out_is_there_for_a_swarm(name: str) -> None:
    assert name in modules_after("import fairlead.daemon_swarm, fairlead.effects.pki.authority")

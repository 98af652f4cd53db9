"""Hosts for tests: one machine behind a router to an outside, or several, removed whatever happens.

outside (192.168.50.1, 203.0.113.80: names and web)
    │
── lan 192.168.50.0/24 ──┬── host1 (192.168.50.11, Fairlead)
                         └── host2 (192.168.50.12, Fairlead) ...
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from fairlead.lab import testing
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.testing import eventually, wait_for
from fairlead.lab.topology import Topology, simple

__all__ = ["ARTIFACTS", "docker", "eventually", "keep_evidence", "laboratory", "machine", "missing_requirements"]
__all__ += ["wait_for"]

ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"


def missing_requirements() -> str:
    """Why labs cannot run here, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in ("docker", "tini", "nft", "conmon", "runc", "dnsmasq") if shutil.which(tool) is None]
    return f"needs {', '.join(absent)}" if absent else ""


def laboratory(topology: Topology, flags: Sequence[str] = ()) -> AbstractContextManager[Laboratory]:
    """A lab of a name of its own; when the body fails it leaves its state in test-artifacts/."""
    return testing.laboratory(topology, flags, ARTIFACTS)


def keep_evidence(lab: Laboratory) -> None:
    testing.keep_evidence(lab, ARTIFACTS / lab.name)


@contextmanager
def machine(*flags: str) -> Iterator[Machine]:
    """One host with a daemon."""
    with laboratory(simple(["host1"]), flags) as lab:
        yield lab.host("host1")


def docker(machine: Machine, line: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """`docker <line>` with its exit code and both outputs, for tests of refusals."""
    return machine.sh(f"docker {line}", check=False, timeout=timeout)

"""What this run is for: the kernel under test has what the other tests of this mark need."""

from __future__ import annotations

import os
import subprocess

import pytest

pytestmark = pytest.mark.stock_kernel

LINKS = {
    "dummy": "made type dummy",
    "vlan": "link base name made type vlan id 10",
    "ipvlan": "link base name made type ipvlan mode l2",
    "macvlan": "link base name made type macvlan mode bridge",
    "vxlan": "made type vxlan id 7 dstport 4789",
}


@pytest.mark.parametrize("kind", LINKS)
def test_the_kernel_makes_links_of_every_kind(kind: str) -> None:
    script = f"ip link add base type bridge && ip link add {LINKS[kind]} && ip link show made"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_modules_are_those_of_the_booted_kernel() -> None:
    assert os.path.isdir(f"/lib/modules/{os.uname().release}")

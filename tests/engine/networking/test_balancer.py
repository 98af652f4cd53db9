"""A daemon that was told to balance by IPVS."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.effects.kernel.probe import probe

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


def test_it_does_not_start_where_the_kernel_has_no_ipvs(tmp_path: Path) -> None:
    if "ip_vs" in probe():
        pytest.skip("this kernel has IPVS")
    roots = ("--data-root", str(tmp_path / "data"), "--exec-root", str(tmp_path / "exec"))
    command = ("unshare", "--net", sys.executable, "-m", "fairlead", "daemon", "--fairlead-balancer", "ipvs", *roots)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "this kernel has no IPVS (module ip_vs with the schedulers rr, wrr, wlc and sh)" in done.stderr

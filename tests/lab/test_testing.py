"""A lab in a test, as a user writes one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.lab import record
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.testing import eventually, laboratory
from fairlead.lab.topology import simple
from fairlead.model.errors import Failed
from tests.support import images
from tests.support.machines import missing_requirements

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["a", "b"])) as made:
        images.provide(made.host("a"), "nginx")
        yield made


async def test_a_cut_and_a_heal(lab: Laboratory) -> None:
    a, b = lab.hosts("a", "b")
    a.docker("run -d --name web -p 80:80 nginx")
    await eventually(lambda: "Welcome to nginx" in b.fetch(f"http://{a.address}"))
    lab.cut(a, b)
    with pytest.raises(Failed):
        b.fetch(f"http://{a.address}", seconds=1)
    lab.heal()
    await eventually(lambda: "Welcome to nginx" in b.fetch(f"http://{a.address}"))


async def test_what_never_holds_fails() -> None:
    with pytest.raises(AssertionError, match="not within"):
        await eventually(lambda: False, within=0.05)


def test_a_failure_leaves_evidence_and_no_lab(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_in_a_lab(tmp_path)
    (folder,) = tmp_path.iterdir()
    assert "192.168.50.11" in (folder / "topology.txt").read_text()
    assert "10.88.0.1" in (folder / "a-links.txt").read_text()
    assert "table inet fairlead" in (folder / "a-rules.txt").read_text()
    assert "seen" in (folder / "a-docker.txt").read_text()
    assert (folder / "a-daemon.log").stat().st_size > 0
    assert "a# docker network create --subnet 10.88.0.0/24 seen\n" in (folder / "transcript.txt").read_text()
    assert (folder / "topology.svg").read_text().startswith("<svg ")
    assert folder.name not in record.labs()


A_TEST = """
import pytest

@pytest.mark.lab_hosts("a", "b")
def test_that_fails(lab):
    a, b = lab.hosts("a", "b")
    lab.cut(a, b)
    assert a.sh(f"ping -c 1 -W 1 {b.address}", check=False).returncode == 0
"""


def test_a_failing_test_leaves_evidence_of_its_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(A_TEST)
    command = [sys.executable, "-m", "pytest", "-p", "fairlead.lab.fixtures", "--lab-evidence=kept", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "1 failed" in done.stdout, done.stdout + done.stderr
    (folder,) = (tmp_path / "kept").iterdir()
    assert str(folder) in done.stdout
    transcript = (folder / "transcript.txt").read_text()
    assert transcript.index("cut a b") < transcript.index("a# ping") < transcript.index("exit 1")
    assert "cut: a:eth0 x b:eth0" in (folder / "topology.txt").read_text()
    assert (folder / "b-daemon.log").stat().st_size > 0


def _fail_in_a_lab(evidence: Path) -> None:
    with laboratory(simple(["a"]), evidence=evidence) as made:
        made.host("a").docker("network create --subnet 10.88.0.0/24 seen")
        raise ZeroDivisionError

"""Labs as pytest fixtures. In a conftest.py: `pytest_plugins = ["fairlead.lab.fixtures"]`. Then

    @pytest.mark.lab_hosts("a", "b")
    async def test_a_cut_heals(lab):
        a, b = lab.hosts("a", "b")
        ...

`lab` is a lab of the hosts that the marker names, or of its `topology`; `flags` go to every daemon. When a test fails
that uses a lab, by this fixture or one of its own, what the lab is like at that moment is kept below `--lab-evidence`.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.testing import keep_evidence, laboratory
from fairlead.lab.topology import Topology, simple


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "Where failed tests of labs leave a transcript, dumps, logs and a drawing."
    parser.addoption("--lab-evidence", default="lab-evidence", metavar="DIR", help=text)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lab_hosts(*names, topology=None, flags=()): what the fixture `lab` is made of")


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    """A lab of the test's own."""
    marker = request.node.get_closest_marker("lab_hosts")
    names, options = (marker.args, marker.kwargs) if marker else ((), {})
    topology: Topology = options.get("topology") or simple(names or ["host1"])
    with laboratory(topology, options.get("flags", ())) as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when in ("setup", "call"):
        found = {id(value): value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Laboratory)}
        for broken in found.values():
            folder = Path(item.config.getoption("--lab-evidence")) / re.sub(r"[^\w.-]+", "_", item.nodeid)
            keep_evidence(broken, folder)
            report.sections.append((f"lab {broken.name}", f"its state is kept in {folder.absolute()}"))
    return report

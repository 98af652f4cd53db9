"""What holds for every test: in which order they run, and how patient they are."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Waiting longer costs nothing where all is well, and a crowded machine takes its time. Read when the lab is imported.
os.environ.setdefault("FAIRLEAD_LAB_PATIENCE", "2")

# How long an example takes says something of the machine alone. `make test` tries the same ones wherever it runs;
# `make test-long` tries others each time (--hypothesis-profile=explore).
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings.get_profile("explore"), derandomize=True)
settings.load_profile("repeat")

LIVE = ("labs", "scenarios", "chaos", "cli", "clients", "engine", "effects", "lab", "properties")
"""Rooms whose files take long, longest first: workers that share the files out shall not wait for the last one."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    room = item.nodeid.split("/")[1]
    return LIVE.index(room) if room in LIVE else len(LIVE)

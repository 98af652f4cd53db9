"""Which events a filter lets through."""

from __future__ import annotations

import pytest

from fairlead.engine.event_filters import wanted_by
from fairlead.model.event import Event

START = Event("container", "start", "c0ffee" + "0" * 58, 1, {"name": "web", "image": "nginx:1.25", "tier": "front"})
PROBE = Event("container", "health_status: healthy", "c0ffee" + "0" * 58, 2, {"name": "web", "image": "nginx:1.25"})
CONNECT = Event("network", "connect", "beef" + "0" * 60, 3, {"name": "backend", "type": "bridge", "container": "x"})
PULL = Event("image", "pull", "nginx:1.25", 4, {"name": "nginx"})
EVENTS = {"start": START, "probe": PROBE, "connect": CONNECT, "pull": PULL}


@pytest.mark.parametrize(
    ("filters", "through"),
    [
        ({}, "start probe connect pull"),
        ({"type": ["container"]}, "start probe"),
        ({"type": ["network", "image"]}, "connect pull"),
        ({"event": ["start"]}, "start"),
        ({"event": ["star"]}, ""),
        ({"event": ["health_status"]}, "probe"),
        ({"event": ["health_status: healthy"]}, "probe"),
        ({"container": ["web"]}, "start probe"),
        ({"container": ["c0ff"]}, "start probe"),
        ({"network": ["backend"]}, "connect"),
        ({"image": ["nginx:1.25"]}, "start probe pull"),
        ({"image": ["nginx"]}, "start probe pull"),
        ({"image": ["ngin"]}, ""),
        ({"label": ["tier"]}, "start"),
        ({"label": ["tier=front"]}, "start"),
        ({"label": ["tier=back"]}, ""),
        ({"label": ["tier", "name=web"]}, "start"),
        ({"scope": ["local"]}, "start probe connect pull"),
        ({"scope": ["swarm"]}, ""),
        ({"type": ["container"], "event": ["connect"]}, ""),
        ({"type": []}, ""),
    ],
)
def test_filters_narrow_each_other_and_their_values_are_alternatives(filters, through):
    wanted = wanted_by(filters)
    assert [name for name, event in EVENTS.items() if wanted(event)] == through.split()

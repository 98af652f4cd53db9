"""`docker ps --filter`: values of one filter are alternatives, filters add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.containers.filters import Lookups, Seen, check, check_prune, matcher, prunable, until
from fairlead.model.container import Container, ContainerSpec, ContainerState, HealthState, Mount
from fairlead.model.errors import Invalid

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
WEB = Container(
    "ab" * 32,
    "web",
    100,
    ContainerSpec("nginx"),
    "sha256:1",
    ("nginx",),
    labels={"tier": "front", "on": ""},
    mounts=(Mount("volume", "/data", "vol"),),
    state=ContainerState("exited", exit_code=3, finished=5),
)
SEEN = Seen(WEB, {"pets", "cd" * 32}, {"80/tcp"}, {"80/tcp", "443/tcp"}, ("sha256:1", "sha256:base"))
LOOKUPS = Lookups({"old": 50, "new": 200}.__getitem__, {"nginx": "sha256:1", "base": "sha256:base"}.get)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, True),
        ({"name": ["we"]}, True),
        ({"name": ["^/web$"]}, True),
        ({"name": ["^eb"]}, False),
        ({"name": ["("]}, False),
        ({"id": ["abab"]}, True),
        ({"label": ["tier"]}, True),
        ({"label": ["tier=front", "on"]}, True),
        ({"label": ["tier=back"]}, False),
        ({"status": ["running", "exited"]}, True),
        ({"exited": ["3"]}, True),
        ({"exited": ["0"]}, False),
        ({"health": ["none"]}, True),
        ({"health": ["healthy"]}, False),
        ({"network": ["pets"]}, True),
        ({"network": ["cdcd"]}, True),
        ({"network": ["cats"]}, False),
        ({"volume": ["vol"]}, True),
        ({"volume": ["/data"]}, True),
        ({"before": ["new"]}, True),
        ({"before": ["old"]}, False),
        ({"since": ["old"]}, True),
        ({"ancestor": ["base"]}, True),
        ({"ancestor": ["nothing"]}, False),
        ({"publish": ["79-81"]}, True),
        ({"publish": ["443"]}, False),
        ({"publish": ["443"], "expose": ["443"]}, True),
        ({"expose": ["443/tcp"]}, True),
        ({"is-task": ["false"]}, True),
        ({"name": ["web"], "label": ["none"]}, False),
    ],
)
def test_filters(filters: dict[str, list[str]], found: bool) -> None:
    check(filters)
    assert matcher(filters, LOOKUPS)(SEEN) == found


def test_health_is_the_containers_own() -> None:
    healthy = replace(WEB, state=ContainerState("running", health=HealthState("healthy")))
    assert matcher({"health": ["healthy"]}, LOOKUPS)(Seen(healthy))


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"foo": ["bar"]}, "invalid filter 'foo'"),
        ({"status": ["up"]}, "invalid filter 'status=up'"),
        ({"exited": ["x"]}, "invalid filter 'exited=x'"),
        ({"publish": ["http"]}, "invalid port 'http'"),
    ],
)
def test_bad_filters_are_refused(filters: dict[str, list[str]], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        check(filters)


def test_what_may_be_pruned() -> None:
    assert prunable(WEB, {"label": ["tier=front"], "until": ["1h"]}, NOW)
    assert not prunable(WEB, {"label!": ["tier"]}, NOW)
    assert not prunable(replace(WEB, created=NOW), {"until": ["1h"]}, NOW)
    with pytest.raises(Invalid, match="invalid filter 'name'"):
        check_prune({"name": ["x"]}, NOW)


@pytest.mark.parametrize(
    ("text", "moment"), [("12", 12 * SECOND), ("1h30m", NOW - 5400 * SECOND), ("500ms", NOW - SECOND // 2)]
)
def test_moments(text: str, moment: int) -> None:
    assert until(text, NOW) == moment

"""What labels say, and what they may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.swarm import labels, validate
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import Invalid
from fairlead.model.swarm.endpoint import HOST, EndpointSpec, PortConfig
from fairlead.model.swarm.node import NodeSpec
from tests.core.swarm import builders

PORTS = (PortConfig(80, 8080), PortConfig(53, 5353, "udp"), PortConfig(22, 2222, mode=HOST), PortConfig(90))
SPEC = builders.service("web").spec


def labelled(wish: str) -> None:
    spec = replace(SPEC, labels={labels.SNAT: wish}, endpoint=EndpointSpec(ports=PORTS))
    validate.service(spec, Snapshot([builders.INGRESS]))


@pytest.mark.parametrize("wish", ["", "true", "false", "8080", "8080/tcp,5353/udp", " 8080 , 5353/udp "])
def test_ports_of_the_mesh_may_hide_their_clients(wish: str) -> None:
    labelled(wish)


@pytest.mark.parametrize(("wish", "bad"), [("yes", "yes/tcp"), ("8080,5353", "5353/tcp"), ("2222", "2222/tcp")])
def test_what_is_no_port_of_the_mesh_is_named(wish: str, bad: str) -> None:
    with pytest.raises(Invalid, match=rf"publishes no port {bad} in ingress mode \(it publishes 8080/tcp, 5353/udp\)"):
        labelled(wish)


def test_a_nodes_share_is_a_number() -> None:
    assert [labels.weight({labels.WEIGHT: text}) for text in ("0", "3", "100")] == [0, 3, 100]
    assert labels.weight({}) == labels.weight({labels.WEIGHT: "much"}) == 1
    validate.node(NodeSpec(labels={labels.WEIGHT: "100"}))
    for text in ("", "-1", "101", "much", "1.5"):
        with pytest.raises(Invalid, match="must be a number from 0 to 100"):
            validate.node(NodeSpec(labels={labels.WEIGHT: text}))

"""A swarm whose overlays have a way of their own, another port, and subnets from a pool of the user's.

── lan ──┬── manager (192.168.50.11: the swarm's calls; 10.200.0.1: the overlay's packets)
         └── worker  (192.168.50.12; 10.200.0.2)
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.topology import simple
from tests.support import images
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

DATA = {"manager": "10.200.0.1", "worker": "10.200.0.2"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(list(DATA))) as made:
        for host, address in zip(made.hosts(*DATA), DATA.values(), strict=True):
            host.sh(f"ip address add {address}/24 dev eth0")
            images.provide(host, "busybox")
        manager, worker = made.hosts(*DATA)
        where = f"--advertise-addr {manager.address} --data-path-addr {DATA['manager']} --data-path-port 7777"
        manager.docker(f"swarm init {where} --default-addr-pool 10.99.0.0/16 --default-addr-pool-mask-length 26")
        token = manager.docker("swarm join-token -q worker")
        where = f"--advertise-addr {worker.address} --data-path-addr {DATA['worker']}"
        worker.docker(f"swarm join {where} --token {token} {manager.address}:2377")
        yield made


def test_networks_get_their_subnets_from_the_pool(lab: Laboratory) -> None:
    manager = lab.host("manager")
    subnets = []
    for name in ("first", "second"):
        manager.docker(f"network create -d overlay {name}")
        (config,) = json.loads(manager.docker(f"network inspect {name} -f '{{{{json .IPAM.Config}}}}'"))
        subnets.append(config["Subnet"])
    assert subnets == ["10.99.0.64/26", "10.99.0.128/26"], "after the ingress network's"
    shown = docker(manager, "info").stdout
    for line in ("Default Address Pool: 10.99.0.0/16", "SubnetSize: 26", "Data Path Port: 7777"):
        assert line in shown


def test_packets_of_overlays_take_their_own_way(lab: Laboratory) -> None:
    manager, worker = lab.hosts(*DATA)
    manager.docker("network create -d overlay --attachable --subnet 10.98.0.0/24 wide")
    worker.docker("run -d --name far --network wide busybox sleep 1000")
    far = worker.docker("inspect far -f '{{.NetworkSettings.Networks.wide.IPAddress}}'")
    manager.docker("run -d --name near --network wide busybox sleep 1000")

    def reached() -> bool:
        return docker(manager, f"exec near ping -c 1 -W 1 {far}").returncode == 0

    wait_for(reached, 10, "near to reach far")
    assert ":7777" in worker.sh("ss -lun").stdout
    worker.sh(f"ip address del {DATA['worker']}/24 dev eth0")
    assert not reached()
    assert manager.docker("node ls --format '{{.Status}}'").split() == ["Ready", "Ready"]
    worker.sh(f"ip address add {DATA['worker']}/24 dev eth0")
    wait_for(reached, 10, "near to reach far again")

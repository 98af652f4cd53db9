"""What a swarm of three managers outlives: a manager whose disk is lost too, a majority that never comes back, sealed
keys over a crash, a change of its authority, all under services that run on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fairlead.lab.machine import Machine
from tests.chaos.api import Gone, Refused
from tests.chaos.swarm_hosts import Swarm, swarm, wish
from tests.support.machines import docker, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

REPLICAS, PORT = 5, 30080


@pytest.fixture
def house() -> Iterator[Swarm]:
    """With the service `kept`, on the network `net`, with a published port."""
    with swarm(3, 1) as made:
        api = made.api(made.managers[0])
        api.create_network("net", Driver="overlay")
        api.post("/services/create", wish("kept", made.folder, REPLICAS, networks=["net"], port=PORT))
        settled(made)
        yield made


def settled(house: Swarm, through: Machine | None = None) -> None:
    first = through or house.managers[0]
    wait_for(partial(house.whole, first), 60, "the swarm to be whole")
    wait_for(lambda: house.running(first, "kept") == REPLICAS, 60, "the service to run")
    wait_for(lambda: page(first), 30, "its port to answer")


def page(host: Machine) -> str:
    return host.sh(f"curl -s -m 3 http://{host.address}:{PORT}/", check=False).stdout


def address_of(house: Swarm, through: Machine) -> tuple[object, ...]:
    """What clients of the service know it by."""
    service = house.api(through).get("/services/kept")
    network = house.api(through).get("/networks/net")
    return service["ID"], service["Endpoint"]["VirtualIPs"], network["Id"], network["IPAM"]["Config"]


def test_a_manager_whose_disk_is_lost_is_replaced(house: Swarm) -> None:
    known = address_of(house, house.managers[0])
    first = house.leader()
    lost = next(host for host in house.managers if host is not first)
    lost.sh("docker ps -q | xargs -r docker rm -f", check=False)
    lost.kill()
    shutil.rmtree(lost.directory / "data/swarm")
    lost.start()
    assert lost.docker("info --format '{{.Swarm.LocalNodeState}}'") == "inactive"
    wait_for(lambda: house.nodes(first)[lost.name]["Status"]["State"] == "down", 30, "the loss to be noticed")
    first.docker(f"node demote {lost.name}")
    wait_for(lambda: docker(first, f"node rm {lost.name}").returncode == 0, 20, "the old node to be removed")
    token = first.docker("swarm join-token -q manager")
    lost.docker(f"swarm join --token {token} --advertise-addr {lost.address} {first.address}")
    for host in house.managers:
        settled(house, host)
        assert address_of(house, host) == known
    other = next(host for host in house.managers if host not in (first, lost))
    other.kill()
    house.api(lost).post("/services/create", wish("by-the-new-one", house.folder))
    wait_for(lambda: house.running(lost, "by-the-new-one") == 1, 60, "the new manager to count")
    assert not house.intruders()


def test_one_manager_of_three_begins_anew_with_all_it_knows(house: Swarm) -> None:
    last, *lost = house.managers
    known = address_of(house, last)
    for host in lost:
        host.kill()
    wait_for(partial(refuses, house, last), 30, "the last one to refuse")
    last.docker(f"swarm init --force-new-cluster --advertise-addr {last.address}", 60)
    assert address_of(house, last) == known
    wait_for(lambda: house.running(last, "kept") == REPLICAS, 90, "the service to run on who is left")
    assert page(last)
    last.docker("service scale -d kept=3")
    wait_for(lambda: house.running(last, "kept") == 3, 60, "it to be scaled")
    assert not house.intruders()


def refuses(house: Swarm, host: Machine) -> bool:
    try:
        house.api(host).get("/services")
    except Refused as refused:
        return "does not have a leader" in refused.message
    except Gone:
        return False
    return False


def test_a_locked_manager_is_killed_and_comes_back_with_its_key(house: Swarm) -> None:
    manager, other = house.managers[0], house.managers[1]
    manager.docker("swarm update --autolock=true")
    first_key = manager.docker("swarm unlock-key -q")
    sealed = manager.directory / "data/swarm/certificates/swarm-node.key"
    wait_for(lambda: "SEALED" in sealed.read_text(), 20, "the key to be sealed")
    text = sealed.read_text()
    key = manager.docker("swarm unlock-key --rotate -q")
    assert key != first_key
    wait_for(lambda: sealed.read_text() != text, 20, "the key to be sealed with the new one")
    manager.kill()
    manager.start()
    assert manager.docker("info --format '{{.Swarm.LocalNodeState}}'") == "locked"
    assert "needs to be unlocked" in docker(manager, "service ls").stderr
    assert house.tasks_on(manager), "what runs runs on"
    wait_for(lambda: house.running(other, "kept") == REPLICAS, 60, "its tasks to run elsewhere while it is away")
    assert "invalid key" in unlock(manager, first_key).lower()
    assert unlock(manager, key) == ""
    settled(house, manager)
    settled(house, other)
    assert not house.intruders()


def unlock(host: Machine, key: str) -> str:
    """What it says against the key."""
    return host.sh(f"echo {key} | docker swarm unlock", check=False).stderr.strip()


def test_a_new_authority_is_taken_over_under_a_service_that_runs_on(house: Swarm) -> None:
    manager = house.managers[0]
    before = {task for host in house.hosts for task in house.tasks_on(host)}
    old = manager.docker("swarm ca")
    manager.docker("swarm ca --rotate -q", 90)
    assert manager.docker("swarm ca") != old
    for host in house.hosts:
        trust = host.directory / "data/swarm/certificates/swarm-root-ca.crt"
        wait_for(partial(lacks, trust, old), 30, f"{host.name} to trust the new one alone")
    settled(house)
    assert {task for host in house.hosts for task in house.tasks_on(host)} == before
    for host in house.hosts:
        host.kill()
        host.start()
    settled(house, house.managers[2])
    assert not house.intruders()


def lacks(path: Path, text: str) -> bool:
    return text not in path.read_text()


def test_certificates_renew_themselves_before_they_expire(house: Swarm) -> None:
    """The shortest life is an hour, so what is due at its half is brought forward by asking for shorter ones."""
    manager, worker = house.managers[0], house.workers[0]
    certificate = worker.directory / "data/swarm/certificates/swarm-node.crt"
    before = certificate.read_text()
    manager.docker("swarm update --cert-expiry 1h")
    manager.docker("swarm ca --rotate -q", 90)
    wait_for(lambda: certificate.read_text() != before, 30, "a new certificate")
    path = worker.directory / "short.crt"
    path.write_text(certificate.read_text())
    until = worker.sh(f"openssl x509 -noout -checkend 3700 -in {path}", check=False)
    assert until.returncode == 1, "it lives an hour"
    assert worker.sh(f"openssl x509 -noout -checkend 3000 -in {path}", check=False).returncode == 0
    settled(house)

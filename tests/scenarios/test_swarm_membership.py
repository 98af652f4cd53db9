"""A swarm of three managers and three workers by the docker CLI: who is in it, in which role, and what it outlives.

outside (192.168.50.1) ── lan 192.168.50.0/24 ──┬── manager1 .. manager3 (.11 .. .13)
                                                └── worker1 .. worker3 (.14 .. .16)

Every test leaves all six in the swarm, Ready.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.node import PATIENCE
from fairlead.lab.topology import simple
from fairlead.model.errors import Failed
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

ROLES = {f"manager{i}": "manager" for i in (1, 2, 3)} | {f"worker{i}": "worker" for i in (1, 2, 3)}
NEW_LEADER_SECONDS = 5.0
LEAVING_SECONDS = 10.0
PRECONDITION = "Error response from daemon: rpc error: code = FailedPrecondition desc = "
WORKERS_CANNOT = (
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. "
    "Please run this command on a manager node or promote the current node to a manager."
)

Rows = Mapping[str, tuple[str, str]]
"""Of `docker node ls`: hostname -> (status, manager status)."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(list(ROLES), roles=ROLES)) as made:
        made.form_swarm()
        yield made


@pytest.fixture
def swarm(lab: Laboratory) -> Laboratory:
    wait_for(lambda: whole(rows(lab.host("manager1"))), 20, "six nodes to be ready, one of three managers leading")
    return lab


def rows(host: Machine) -> Rows:
    said = docker(host, "node ls --format '{{.Hostname}}/{{.Status}}/{{.ManagerStatus}}'", 20).stdout
    found = (line.split("/") for line in said.split())
    return {name: (status, manager) for name, status, manager in found}


def whole(seen: Rows) -> bool:
    managers = sorted(manager for _, manager in seen.values() if manager)
    ready = set(seen) == set(ROLES) and all(status == "Ready" for status, _ in seen.values())
    return ready and managers == ["Leader", "Reachable", "Reachable"]


def leader(lab: Laboratory) -> Machine:
    return lab.host(next(name for name, (_, manager) in rows(lab.host("manager1")).items() if manager == "Leader"))


def info(host: Machine) -> Mapping[str, object]:
    said = json.loads(host.docker("info --format '{{json .Swarm}}'"))
    assert isinstance(said, dict)
    return said


def token(host: Machine, role: str) -> str:
    return host.docker(f"swarm join-token -q {role}")


def promptly(condition: Callable[[], object]) -> float:
    """The seconds until the condition holds."""
    began = time.monotonic()
    wait_for(condition, 30)
    return time.monotonic() - began


# --- roles ----------------------------------------------------------------------------------------


def test_every_node_knows_how_it_stands(swarm: Laboratory) -> None:
    manager, worker = swarm.hosts("manager2", "worker1")
    mine, its = info(manager), info(worker)
    assert (mine["LocalNodeState"], mine["ControlAvailable"], mine["NodeAddr"]) == ("active", True, manager.address)
    assert (mine["Nodes"], mine["Managers"]) == (6, 3)
    assert (its["LocalNodeState"], its["ControlAvailable"], its["NodeAddr"]) == ("active", False, worker.address)
    known = its["RemoteManagers"]
    assert isinstance(known, list)
    assert {one["Addr"] for one in known} == {f"192.168.50.{last}:2377" for last in (11, 12, 13)}
    assert docker(worker, "node ls").stderr.strip() == f"Error response from daemon: {WORKERS_CANNOT}"
    assert "already part of a swarm" in docker(worker, "swarm init").stderr


def test_a_promoted_worker_manages_and_a_demoted_manager_does_not(swarm: Laboratory) -> None:
    manager, worker = swarm.hosts("manager1", "worker1")
    assert manager.docker("node promote worker1") == "Node worker1 promoted to a manager in the swarm."
    wait_for(lambda: rows(worker).get("worker1") == ("Ready", "Reachable"), 20, "worker1 to be seated")
    worker.docker("node update --label-add by=worker1 worker2")
    assert manager.docker("node inspect --format '{{.Spec.Labels.by}}' worker2") == "worker1"
    manager.docker("node demote worker1")
    wait_for(lambda: WORKERS_CANNOT in docker(worker, "node ls").stderr, 20, "worker1 to give its seat up")
    wait_for(lambda: whole(rows(manager)), 20)


def test_the_leader_can_be_demoted(swarm: Laboratory) -> None:
    first = leader(swarm)
    others = [host for host in swarm.hosts("manager1", "manager2", "manager3") if host.name != first.name]
    first.docker(f"node demote {first.name}")
    wait_for(lambda: WORKERS_CANNOT in docker(first, "node ls").stderr, 20, "it to give its seat up")
    wait_for(lambda: "Leader" in [manager for _, manager in rows(others[0]).values()], 20, "another leader")
    others[0].docker(f"node promote {first.name}")
    wait_for(lambda: whole(rows(first)), 30, "it to be seated again")


# --- losses ---------------------------------------------------------------------------------------


def test_when_the_leader_is_killed_another_takes_writes_in_time(swarm: Laboratory) -> None:
    first = leader(swarm)
    other = next(host for host in swarm.hosts("manager1", "manager2", "manager3") if host.name != first.name)
    first.kill()
    took = promptly(lambda: docker(other, "node update --label-add after=all worker3", 20).returncode == 0)
    assert took < NEW_LEADER_SECONDS * PATIENCE
    led = promptly(lambda: any(manager == "Leader" for _, manager in rows(other).values() if _ == "Ready"))
    assert took + led < 2 * NEW_LEADER_SECONDS * PATIENCE
    wait_for(lambda: rows(other)[first.name] == ("Down", "Unreachable"), 30, "the killed one to be given up")
    first.start()
    wait_for(lambda: whole(rows(first)), 30, "it to be back")


def test_a_swarm_outlives_the_death_of_all_its_daemons(swarm: Laboratory) -> None:
    managers = swarm.hosts("manager1", "manager2", "manager3")
    managers[0].docker("node update --label-add kept=yes worker1")
    for host in swarm.hosts():
        host.kill()
    for host in swarm.hosts():
        host.launch()
    for host in swarm.hosts():
        host.ready()
    wait_for(lambda: whole(rows(managers[1])), 40, "all to be back")
    assert managers[1].docker("node inspect --format '{{.Spec.Labels.kept}}' worker1") == "yes"


def test_without_a_majority_nothing_is_decided_and_force_new_cluster_goes_on(swarm: Laboratory) -> None:
    last, *lost = swarm.hosts("manager3", "manager1", "manager2")
    for host in lost:
        host.kill()
    refused = docker(last, "node update --label-add never=said worker1", 40)
    assert refused.returncode == 1
    assert "majority" in refused.stderr or "does not have a leader" in refused.stderr
    wait_for(lambda: "does not have a leader" in docker(last, "node ls", 20).stderr, 20, "reads to be refused")
    last.docker("swarm init --force-new-cluster --advertise-addr 192.168.50.13")
    assert info(last)["Managers"] == 1
    for host in lost:
        host.start()
    wait_for(lambda: WORKERS_CANNOT in docker(lost[0], "node ls", 20).stderr, 30, "the others to be workers")
    for host in lost:
        wait_for(lambda host=host: rows(last)[host.name][0] == "Ready", 30, f"{host.name} to be ready")  # type: ignore[misc]
        last.docker(f"node promote {host.name}")
    wait_for(lambda: whole(rows(lost[0])), 40, "three managers again")


# --- in and out -----------------------------------------------------------------------------------


def test_who_leaves_is_down_and_can_be_removed_and_come_again(swarm: Laboratory) -> None:
    manager, worker = swarm.hosts("manager1", "worker3")
    assert worker.docker("swarm leave") == "Node left the swarm."
    wait_for(lambda: rows(manager)["worker3"][0] == "Down", 5, "worker3 to be down at once")
    manager.docker("node rm worker3")
    assert info(worker)["LocalNodeState"] == "inactive"
    said = worker.docker(f"swarm join --token {token(manager, 'worker')} {manager.address}")
    assert said == "This node joined a swarm as a worker."


def test_a_manager_that_leaves_must_be_forced_demoted_and_removed(swarm: Laboratory) -> None:
    leaving = next(host for host in swarm.hosts("manager2", "manager3") if host.name != leader(swarm).name)
    manager = swarm.host("manager1")
    assert "participating as a manager" in docker(leaving, "swarm leave").stderr
    leaving.docker("swarm leave --force")
    wait_for(lambda: rows(manager)[leaving.name] == ("Down", "Unreachable"), 10)
    assert "It must be demoted to worker before removal" in docker(manager, f"node rm {leaving.name}").stderr
    manager.docker(f"node demote {leaving.name}")
    wait_for(lambda: docker(manager, f"node rm {leaving.name}").returncode == 0, 5)
    leaving.docker(f"swarm join --token {token(manager, 'manager')} {manager.address}")


@contextmanager
def asleep(*hosts: Machine) -> Iterator[None]:
    """Daemons and consensus members are stopped in their tracks meanwhile."""
    members = {host: " ".join(host.sh("pgrep -x etcd").stdout.split()) for host in hosts}
    try:
        for host in hosts:
            host.pause()
            host.sh(f"kill -STOP {members[host]}")
        yield
    finally:
        for host in hosts:
            host.sh(f"kill -CONT {members[host]}", check=False)
            host.resume()


def test_nobody_can_hold_back_who_is_forced_to_leave(swarm: Laboratory) -> None:
    """Not even all other managers, asleep."""
    manager, other, leaving = swarm.hosts("manager1", "manager2", "manager3")
    with asleep(manager, other):
        began = time.monotonic()
        leaving.docker("swarm leave --force")
        assert time.monotonic() - began < LEAVING_SECONDS * PATIENCE
        assert info(leaving)["LocalNodeState"] == "inactive"
    wait_for(lambda: rows(manager).get(leaving.name) == ("Down", "Unreachable"), 30)
    manager.docker(f"node demote {leaving.name}")
    wait_for(lambda: docker(manager, f"node rm {leaving.name}").returncode == 0, 10)
    leaving.docker(f"swarm join --token {token(manager, 'manager')} {manager.address}")


def test_managers_go_one_after_the_other_to_the_last(swarm: Laboratory) -> None:
    """Whoever of them leads the consensus: the others go on deciding, alone in the end."""
    last, *going = swarm.hosts("manager1", "manager2", "manager3")
    invitation = token(last, "manager")
    for host in sorted(going, key=lambda host: host.name == leader(swarm).name):
        host.docker("swarm leave --force", LEAVING_SECONDS * PATIENCE)
        last.docker("node update --label-add alone=soon worker1", 20)
    for host in going:
        wait_for(lambda host=host: rows(last)[host.name] == ("Down", "Unreachable"), 20)  # type: ignore[misc]
        last.docker(f"node demote {host.name}")
        wait_for(lambda host=host: docker(last, f"node rm {host.name}").returncode == 0, 10)  # type: ignore[misc]
        host.docker(f"swarm join --token {invitation} {last.address}")


def test_a_removed_node_is_shut_out(swarm: Laboratory) -> None:
    manager, worker = swarm.hosts("manager1", "worker2")
    up = docker(manager, "node rm worker2").stderr
    assert up.startswith(PRECONDITION)
    assert "is not down and can't be removed" in up
    manager.docker("node rm --force worker2")
    wait_for(lambda: "was removed from the swarm" in worker.log.read_text(), 10, "worker2 to be told")
    assert "worker2" not in rows(manager)
    worker.stop()
    worker.start()
    _tells_of_its_removal(worker)
    assert worker.log.read_text().count("was removed from the swarm") <= 2 * 3, "once of each manager, in each life"
    worker.docker("swarm leave --force")
    assert info(worker)["LocalNodeState"] == "inactive"
    worker.docker(f"swarm join --token {token(manager, 'worker')} {manager.address}")


def test_a_manager_that_was_removed_while_away_is_shut_out_too(swarm: Laboratory) -> None:
    manager, away = swarm.hosts("manager1", "manager3")
    away.kill()
    wait_for(lambda: rows(manager)["manager3"] == ("Down", "Unreachable"), 30, "manager3 to be missed")
    manager.docker("node demote manager3")
    wait_for(lambda: docker(manager, "node rm manager3").returncode == 0, 10, "manager3 to be removed")
    away.start()
    _tells_of_its_removal(away)
    away.docker("swarm leave --force")
    away.docker(f"swarm join --token {token(manager, 'manager')} {manager.address}")


def _tells_of_its_removal(host: Machine) -> None:
    """In `docker info`, where its user looks."""
    wait_for(lambda: info(host)["LocalNodeState"] == "error", 10, f"{host.name} to tell")
    said = info(host)
    assert str(said["Error"]) == f"node {said['NodeID']} was removed from the swarm"


def test_a_rotated_token_lets_nobody_in(swarm: Laboratory) -> None:
    manager, worker = swarm.hosts("manager1", "worker1")
    before = token(manager, "worker")
    manager.docker("swarm join-token --rotate -q worker")
    worker.docker("swarm leave")
    refused = docker(worker, f"swarm join --token {before} {manager.address}").stderr.strip()
    text = "A valid join token is necessary to join this cluster"
    assert refused == f"Error response from daemon: rpc error: code = InvalidArgument desc = {text}"
    assert info(worker)["LocalNodeState"] == "inactive"
    wait_for(lambda: docker(manager, "node rm worker1").returncode == 0, 5)
    worker.docker(f"swarm join --token {token(manager, 'worker')} {manager.address}")


# --- keys -----------------------------------------------------------------------------------------


def test_an_autolocked_manager_waits_for_its_key(swarm: Laboratory) -> None:
    first, second = swarm.hosts("manager1", "manager2")
    first.docker("swarm update --autolock=true")
    key = first.docker("swarm unlock-key -q")
    keys = second.directory / "data/swarm/certificates"
    wait_for(lambda: "SEALED" in (keys / "swarm-node.key").read_text(), 10, "the keys to be sealed")
    wait_for(lambda: not _open_keys(second), 5, "no key to lie open")
    second.stop()
    second.start()
    assert info(second)["LocalNodeState"] == "locked"
    assert "needs to be unlocked" in docker(second, "node ls").stderr
    assert docker(second, "run --rm missing:1").stderr.count("No such image") <= 1, "local verbs are not locked"
    _unlock(second, key)
    wait_for(lambda: whole(rows(second)), 20, "it to be seated again")
    first.docker("swarm update --autolock=false")
    wait_for(lambda: "SEALED" not in (keys / "swarm-node.key").read_text(), 10, "the keys to lie open again")


def _open_keys(host: Machine) -> list[Path]:
    """What changes while it is looked at counts as open."""
    found: list[Path] = []
    try:
        files = [path for path in host.directory.glob("data/swarm/**/*") if path.is_file()]
        found += [path for path in files if b"PRIVATE KEY" in path.read_bytes()]
    except FileNotFoundError as moved:
        found.append(Path(moved.filename))
    return found


def _unlock(host: Machine, key: str) -> None:
    said = host.sh(f"echo {key} | docker swarm unlock", check=False)
    if said.returncode:
        raise Failed(said.stderr)


def test_a_new_root_reaches_every_node_and_the_store_goes_on(swarm: Laboratory) -> None:
    manager = swarm.host("manager1")
    before = manager.docker("swarm ca")
    trust = "data/swarm/certificates/swarm-root-ca.crt"
    new = manager.docker("swarm ca --rotate --quiet", 60) or manager.docker("swarm ca")
    assert new != before
    for host in swarm.hosts():
        wait_for(lambda host=host: (host.directory / trust).read_text().strip() == new, 20, f"{host.name} to know it")  # type: ignore[misc]
    manager.docker("node update --label-add new=root worker1")
    refused = docker(swarm.host("worker1"), "swarm leave").returncode
    assert refused == 0
    wait_for(lambda: docker(manager, "node rm worker1").returncode == 0, 5)
    swarm.host("worker1").docker(f"swarm join --token {token(manager, 'worker')} {manager.address}")
    wait_for(lambda: whole(rows(manager)), 20)

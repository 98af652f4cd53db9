"""Swarms of both engines: three machines each, all managers, on a wire of their own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from bench.client import Client
from bench.engines import DOCKER, FAIRLEAD, Engine, furnished, provide
from bench.figures import Figure
from bench.standing import memory, spent
from fairlead.lab.node import Node, boot, until

MACHINES = 3
PORT = 2377
IDLE_SECONDS = 15.0
_numbers = count()


@dataclass(slots=True)
class Cluster:
    """A swarm. Verbs go to the first machine."""

    name: str
    engines: Sequence[Engine]
    client: Client

    def tasks(self, service: str = "") -> list[dict[str, Any]]:
        """Tasks that shall run."""
        filters = '{"desired-state":["running"]' + (f',"service":["{service}"]' if service else "") + "}"
        found: list[dict[str, Any]] = self.client.get(f"/tasks?filters={filters}")
        return found

    def running(self, service: str, without: str = "") -> int:
        """How many of them do, on other nodes than `without`."""
        return sum(
            task["Status"]["State"] == "running" and task.get("NodeID") != without for task in self.tasks(service)
        )

    def create(self, name: str, replicas: int, network: str = "", place: int | None = None, **more: Any) -> str:
        """A service, on a network if one is given, on one machine alone if its `place` is; `more` of its spec."""
        template: dict[str, Any] = {"ContainerSpec": {"Image": "bench", "StopGracePeriod": 0}}
        if network:
            template["Networks"] = [{"Target": network}]
        if place is not None:
            template["Placement"] = {"Constraints": [f"node.id=={self.node(place)['ID']}"]}
        spec = {"Name": name, "TaskTemplate": template, "Mode": {"Replicated": {"Replicas": replicas}}, **more}
        return str(self.client.post("/services/create", spec)["ID"])

    def network(self, name: str, attachable: bool = False, internal: bool = False) -> None:
        spec = {"Name": name, "Driver": "overlay", "Attachable": attachable, "Internal": internal}
        self.client.post("/networks/create", {**spec, "CheckDuplicate": True})

    def fresh(self, prefix: str) -> str:
        """A name that nothing had yet."""
        return f"{prefix}{next(_numbers)}"

    def scale(self, service: str, replicas: int) -> None:
        seen = self.client.get(f"/services/{service}")
        spec = {**seen["Spec"], "Mode": {"Replicated": {"Replicas": replicas}}}
        self.client.post(f"/services/{service}/update?version={seen['Version']['Index']}", spec)

    def remove(self, service: str) -> None:
        """Returns when no container of it is left."""
        self.client.delete(f"/services/{service}")
        self.wait(lambda: not self._containers(service), f"the containers of {service} to go")

    def _containers(self, service: str) -> int:
        filters = f'{{"label":["com.docker.swarm.service.name={service}"]}}'
        return sum(len(asked(engine, f"/containers/json?filters={filters}")) for engine in self.engines)

    def node(self, place: int) -> dict[str, Any]:
        """The swarm's view of one of the machines."""
        own = asked(self.engines[place], "/info")["Swarm"]["NodeID"]
        found: dict[str, Any] = self.client.get(f"/nodes/{own}")
        return found

    def set_availability(self, place: int, availability: str) -> None:
        node = self.node(place)
        path = f"/nodes/{node['ID']}/update?version={node['Version']['Index']}"
        self.client.post(path, {**node["Spec"], "Availability": availability})

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 90) -> float:
        """Seconds until it holds."""
        began = time.perf_counter()
        until(condition, f"{what} ({self.name})", seconds)
        return time.perf_counter() - began


def asked(engine: Engine, path: str) -> Any:
    client = engine.client()
    try:
        return client.get(path)
    finally:
        client.close()


@contextlib.contextmanager
def cluster(name: str) -> Iterator[Cluster]:
    """A swarm that stands; everything is gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir="/var/tmp"))
    nodes: list[Node] = []
    try:
        for place in range(MACHINES + 1):
            nodes.append(boot(f"{name}{place}", _folder(root, place)))
        *machines, switch = nodes
        _cable(switch, machines)
        engines = [furnished(name, node) for node in machines]
        with ThreadPoolExecutor(MACHINES) as pool:
            list(pool.map(_start, engines))
        yield _joined(name, engines)
    finally:
        for node in nodes:
            node.end()
        shutil.rmtree(root, ignore_errors=True)


def _folder(root: Path, place: int) -> Path:
    folder = root / str(place)
    folder.mkdir()
    return folder


def _start(engine: Engine) -> None:
    engine.start()
    provide(engine)


def _cable(switch: Node, nodes: Sequence[Node]) -> None:
    """The switch is a machine of its own: no engine's rules are applied to what passes it."""
    switch.batch("ip", ["link add lan type bridge", "link set lan address 02:00:00:00:00:01", "link set lan up"])
    for place, node in enumerate(nodes):
        switch.batch("ip", [f"link add eth0 netns {node.pid} type veth peer name port{place}"])
        switch.batch("ip", [f"link set port{place} master lan", f"link set port{place} up"])
        address = f"192.168.50.{11 + place}/24"
        node.batch("ip", ["link set lo up", "link set eth0 up", f"address add {address} dev eth0"])
        node.batch("ip", ["route add default via 192.168.50.1"])


def _joined(name: str, engines: Sequence[Engine]) -> Cluster:
    first = engines[0].client()
    first.post("/swarm/init", {"ListenAddr": f"0.0.0.0:{PORT}", "AdvertiseAddr": "192.168.50.11", "Spec": {}})
    token = first.get("/swarm")["JoinTokens"]["Manager"]
    for place, engine in enumerate(engines[1:], 1):
        body = {
            "ListenAddr": f"0.0.0.0:{PORT}",
            "AdvertiseAddr": f"192.168.50.{11 + place}",
            "RemoteAddrs": [f"192.168.50.11:{PORT}"],
            "JoinToken": token,
        }
        client = engine.client()
        client.post("/swarm/join", body)
        client.close()
    made = Cluster(name, engines, first)
    made.wait(lambda: _ready(first) == MACHINES, "three ready managers")
    return made


def _ready(client: Client) -> int:
    return sum(
        node["Status"]["State"] == "ready" and node.get("ManagerStatus", {}).get("Reachability") == "reachable"
        for node in client.get("/nodes")
    )


@contextlib.contextmanager
def both() -> Iterator[tuple[Cluster, Cluster]]:
    """(Fairlead's, dockerd's)."""
    with cluster(FAIRLEAD) as ours, cluster(DOCKER) as peer:
        yield ours, peer


def idle(ours: Cluster, peer: Cluster, state: str = "") -> list[Figure]:
    """What one manager takes while nothing happens, everything that belongs to it counted."""
    time.sleep(3)
    before = [_spent(swarm) for swarm in (ours, peer)]
    time.sleep(IDLE_SECONDS)
    cpu = [100 * (_spent(swarm) - was) / IDLE_SECONDS for swarm, was in zip((ours, peer), before, strict=True)]
    held = [sum(sum(memory(engine)) for engine in swarm.engines) / MACHINES for swarm in (ours, peer)]
    note = ", ".join(filter(None, ("per manager, the store's process with it", state)))
    return [
        Figure("idle CPU of a swarm's manager", cpu[0], cpu[1], "% of a core", note=note),
        Figure("memory of a swarm's manager", held[0], held[1], "MiB", note=note),
    ]


def _spent(swarm: Cluster) -> float:
    return sum(spent(engine) for engine in swarm.engines) / MACHINES

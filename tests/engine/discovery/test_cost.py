"""One task more in a service of hundreds touches a node as it would in a service of dozens: the same work, and as many
objects of the kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from fairlead.core.balance.mesh_roster import Mesh
from fairlead.core.balance.pool import Change
from fairlead.core.balance.service import MeshBackend, MeshKey, MeshService, Turnover
from fairlead.core.balance.virtual import Services
from fairlead.core.discovery.differences import Differences
from fairlead.core.discovery.presence import Origin
from fairlead.core.discovery.view import NetworkView
from fairlead.core.dns.zone import Entry, NetworkZone
from fairlead.core.drivers.overlay_stations import Stations, entries
from fairlead.engine.discovery.balanced import Balanced
from fairlead.model.discovery import MeshPort, Presence
from fairlead.model.network import Network, Pool
from fairlead.model.plan import Operation
from tests.core.discovery.rows import HERE, task
from tests.support.steps import steps

FEW, MANY = 40, 640
"""A backend has 25 of the slots of either."""
VIP, KEY = "10.9.255.1", MeshKey(8080)
NETWORK = Network(
    "net0123456789",
    "net",
    "overlay",
    0,
    pools=(Pool(ip_network("10.9.0.0/16")),),
    options={"com.docker.network.driver.overlay.vxlanid_list": "4097"},
)


def row(number: int) -> Presence:
    plain = task("web", number, str(ip_address("10.9.0.10") + number), vip=VIP)
    return replace(plain, mesh=(MeshPort(KEY.published, 80),))


@dataclass
class Touched:
    """What a change of rows came to: in the kernel's maps, in forwarding, in names."""

    virtual: Change
    mesh: Change
    forwarding: list[Operation]
    differences: Differences


class Node:
    """All that a node keeps of a network, with so many tasks of one service on it."""

    def __init__(self, count: int) -> None:
        self.view, self.balanced = NetworkView(HERE), Balanced()
        self.virtual, self.mesh = Services(), Mesh()
        self.zone, self.stations = NetworkZone("net"), Stations()
        for number in range(count):
            self.view.put(row(number))
        self.hear()

    def hear(self) -> Touched:
        differences = self.view.take()
        for endpoint_id in differences.unforward:
            self.stations.drop(endpoint_id)
        for presence in differences.forward:
            self.stations.put(presence, entries(NETWORK, presence, "home"))
        for owner in differences.unnamed:
            self.zone.drop(owner)
        for named in differences.named:
            self.zone.put(Entry(named.owner, named.names, named.addresses, named.reverse))
        vips, ports = self.balanced.change(differences.services)
        virtual, mesh = self.virtual.change(vips), self.mesh.change(ports).sandbox
        return Touched(virtual, mesh, self.stations.changes(), differences)

    def come(self, number: int) -> Touched:
        self.view.put(row(number))
        return self.hear()

    def go(self, number: int) -> Touched:
        presence = row(number)
        self.view.drop(Origin(presence.node_id, presence.endpoint_id))
        return self.hear()


def size(touched: Touched) -> tuple[int, ...]:
    """Elements of maps, entries of forwarding, owners of names."""
    written = [change.transaction(phase=7) for change in (touched.virtual, touched.mesh)]
    said = touched.differences
    elements = [len(each.add) + len(each.remove) for each in written]
    return *elements, len(touched.forwarding), len(said.named) + len(said.unnamed)


def test_one_task_more_touches_as_much_beside_hundreds_as_beside_dozens() -> None:
    few, many = Node(FEW), Node(MANY)
    for change in (Node.come, Node.go):
        small, large = size(change(few, 1000)), size(change(many, 1000))
        assert large[2:] == small[2:]
        assert all(one <= 1.1 * other for one, other in zip(large[:2], small[:2], strict=True))
        assert max(large) <= 60


def test_one_task_more_is_as_much_work_beside_hundreds_as_beside_dozens() -> None:
    few, many = Node(FEW), Node(MANY)
    for change in (Node.come, Node.go):
        small = steps(lambda change=change: size(change(few, 1000)))  # type: ignore[misc]
        large = steps(lambda change=change: size(change(many, 1000)))  # type: ignore[misc]
        assert large <= 1.1 * small


def test_a_leg_that_goes_is_as_much_work_beside_hundreds_of_ports_as_beside_dozens() -> None:
    here, first = ip_address("172.18.0.10"), ip_address("10.0.0.10")
    legs = {first + number: here + number for number in range(FEW)}
    works = []
    for ports in (FEW, MANY):
        mesh = Mesh()
        for number in range(ports):
            key = MeshKey(number + 1)
            mesh.change({key: MeshService(key, (MeshBackend(first + number, 80),))}, legs)
        works.append(steps(lambda mesh=mesh: mesh.change({}, dict(tuple(legs.items())[1:]))))  # type: ignore[misc]
    assert works[1] <= 1.1 * works[0]


def test_only_the_task_that_changed_is_told() -> None:
    node = Node(MANY)
    node.view.put(row(1000))
    vips, ports = node.balanced.change(node.view.take().services)
    for told in (*vips.values(), *ports.values()):
        assert isinstance(told, Turnover)
        assert len(told.tasks) == 1

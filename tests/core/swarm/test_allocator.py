"""What is given once in the whole swarm, in the order in which Docker gives it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.swarm import subnets
from fairlead.core.swarm.allocator import Allocator
from fairlead.core.swarm.changes import Key, Thing
from fairlead.core.swarm.numbers import Numbers
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import NotAllowed
from fairlead.model.network import PoolRequest
from fairlead.model.swarm.endpoint import DNSRR, EndpointSpec, PortConfig
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import NetworkAttachmentSpec
from tests.core.swarm.builders import CLUSTER, INGRESS, moment, network, node, seen, service, task, template


class Swarm:
    """An allocator with what it has written so far."""

    def __init__(self, *things: Thing, cluster: Thing = CLUSTER) -> None:
        self.snapshot = Snapshot([cluster, *things])
        self.allocator = Allocator(self.snapshot.things())
        self.look(*(key for thing in things for key in self.allocator.concerns(None, thing, self.snapshot)))

    def put(self, thing: Thing) -> None:
        old = self.snapshot.put(thing)
        self.look(*self.allocator.concerns(old, thing, self.snapshot))

    def drop(self, thing: Thing) -> None:
        self.snapshot.drop(thing)
        self.look(*self.allocator.concerns(thing, None, self.snapshot))

    def look(self, *keys: Key) -> None:
        seen(self.snapshot, self.allocator.decide(self.snapshot, keys, moment()))

    def network(self, name: str) -> SwarmNetwork:
        return self.snapshot.networks[name]

    def service(self, name: str) -> Service:
        return self.snapshot.services[name]

    def addresses(self, task_id: str) -> list[str]:
        return [str(address) for one in self.snapshot.tasks[task_id].attachments for address in one.addresses]

    def node_addresses(self, node_id: str) -> list[str]:
        return [str(address) for one in self.snapshot.nodes[node_id].attachments for address in one.addresses]


def on(*networks: str, name: str = "web", **over: object) -> Service:
    joins = tuple(NetworkAttachmentSpec(one) for one in networks)
    return service(name, template=template(networks=joins), **over)


def fresh(task_id: str, of: Service, slot: int = 1) -> Task:
    return task(task_id, of, slot, state=TaskState.NEW, node_id="")


def test_ingress_has_the_first_subnet_and_the_first_vxlan_id() -> None:
    swarm = Swarm(network("a"), INGRESS, network("b"))
    assert [str(swarm.network(name).pools[0].subnet) for name in ("ingress", "a", "b")] == [
        "10.0.0.0/24",
        "10.0.1.0/24",
        "10.0.2.0/24",
    ]
    assert [swarm.network(name).vnis for name in ("ingress", "a", "b")] == [(4096,), (4097,), (4098,)]
    assert str(swarm.network("a").pools[0].gateway) == "10.0.1.1"
    assert swarm.network("a").options == {"com.docker.network.driver.overlay.vxlanid_list": "4097"}


def test_a_pool_of_its_own_size_is_cut_as_asked() -> None:
    cluster = replace(CLUSTER, pools=(IPv4Network("10.20.0.0/16"),), subnet_size=26)
    swarm = Swarm(INGRESS, network("a"), cluster=cluster)
    assert str(swarm.network("a").pools[0].subnet) == "10.20.0.64/26"


def test_addresses_are_those_of_dockers_lab() -> None:
    """Nodes on ingress, then a virtual address, then tasks; a node's own address when a task comes to it."""
    swarm = Swarm(INGRESS, network("over"), node("n1"), node("n2"))
    assert [swarm.node_addresses(name) for name in ("n1", "n2")] == [["10.0.0.2/24"], ["10.0.0.3/24"]]
    web = on("over")
    swarm.put(web)
    endpoint = swarm.service("web").endpoint
    assert endpoint is not None
    assert str(endpoint.virtual_ips[0].address) == "10.0.1.2/24"
    swarm.put(fresh("t1", web))
    swarm.put(fresh("t2", web, 2))
    assert swarm.addresses("t1") + swarm.addresses("t2") == ["10.0.1.3/24", "10.0.1.4/24"]
    assert swarm.snapshot.tasks["t1"].status.state == TaskState.PENDING
    assigned = task("t1", web, attachments=swarm.snapshot.tasks["t1"].attachments, state=TaskState.ASSIGNED)
    swarm.put(assigned)
    assert swarm.node_addresses("n1") == ["10.0.0.2/24", "10.0.1.5/24"]


def test_a_nodes_address_goes_with_its_last_task() -> None:
    swarm = Swarm(INGRESS, network("over"), node("n1"), on("over"))
    swarm.put(fresh("t1", swarm.service("web")))
    there = replace(swarm.snapshot.tasks["t1"], node_id="n1")
    swarm.put(task("t1", swarm.service("web"), attachments=there.attachments, state=TaskState.RUNNING))
    assert len(swarm.node_addresses("n1")) == 2
    swarm.drop(swarm.snapshot.tasks["t1"])
    assert swarm.node_addresses("n1") == ["10.0.0.2/24"]


def test_addresses_are_serial_also_after_a_change_of_leader() -> None:
    swarm = Swarm(INGRESS, network("over"), on("over"))
    swarm.put(fresh("t1", swarm.service("web")))
    swarm.drop(swarm.snapshot.tasks["t1"])
    swarm.put(fresh("t2", swarm.service("web")))
    assert swarm.addresses("t2") == ["10.0.1.4/24"]
    heir = Swarm(*swarm.snapshot.things())
    heir.put(fresh("t3", heir.service("web")))
    assert heir.addresses("t3") == ["10.0.1.5/24"]


def test_dnsrr_has_no_virtual_address_and_ingress_ports_have_one_more() -> None:
    swarm = Swarm(INGRESS, network("over"))
    swarm.put(on("over", endpoint=EndpointSpec(DNSRR)))
    endpoint = swarm.service("web").endpoint
    assert endpoint is not None
    assert endpoint.virtual_ips == ()
    swarm.put(on("over", name="shop", endpoint=EndpointSpec(ports=(PortConfig(80, 8080),))))
    shop = swarm.service("shop").endpoint
    assert shop is not None
    assert [one.network_id for one in shop.virtual_ips] == ["ingress", "over"]


def test_chosen_ports_begin_at_30000_and_stay() -> None:
    swarm = Swarm(INGRESS)
    swarm.put(service("a", endpoint=EndpointSpec(ports=(PortConfig(80),))))
    swarm.put(service("b", endpoint=EndpointSpec(ports=(PortConfig(80), PortConfig(53, protocol="udp")))))
    assert [_ports(swarm, name) for name in ("a", "b")] == [["30000/tcp"], ["30001/tcp", "30000/udp"]]
    more = EndpointSpec(ports=(PortConfig(80), PortConfig(53, protocol="udp"), PortConfig(81)))
    swarm.put(replace(swarm.service("b"), spec=replace(swarm.service("b").spec, endpoint=more)))
    assert _ports(swarm, "b") == ["30001/tcp", "30000/udp", "30002/tcp"]


def _ports(swarm: Swarm, name: str) -> list[str]:
    endpoint = swarm.service(name).endpoint
    assert endpoint is not None
    return [port.text for port in endpoint.ports]


def test_a_port_of_another_service_is_named_and_given_when_it_is_free() -> None:
    publish = EndpointSpec(ports=(PortConfig(80, 9000),))
    swarm = Swarm(INGRESS, service("p1", endpoint=publish))
    swarm.put(service("p2", endpoint=publish))
    assert swarm.service("p2").error == "port '9000' is already in use by service 'p1' (p1) as an ingress port"
    swarm.drop(swarm.service("p1"))
    assert swarm.service("p2").error == ""
    assert _ports(swarm, "p2") == ["9000/tcp"]


def test_an_overlapping_network_says_with_which_and_is_made_when_that_goes() -> None:
    taken = network("first", pools=(PoolRequest("10.7.0.0/16"),))
    swarm = Swarm(INGRESS, taken)
    swarm.put(network("second", pools=(PoolRequest("10.7.1.0/24"),)))
    assert swarm.network("second").error == "subnet 10.7.1.0/24 overlaps 10.7.0.0/16 of network first"
    assert not swarm.network("second").allocated
    swarm.drop(swarm.network("first"))
    assert swarm.network("second").allocated


@pytest.mark.parametrize(
    ("pools", "options", "words"),
    [
        (["10.1.128.0/17"], {}, "subnet 10.1.128.0/17 overlaps 10.1.0.0/16 of network a"),
        ([], {subnets.VNI_LIST: "4096"}, "VXLAN id 4096 is already in use by network a"),
    ],
)
def test_who_asks_for_what_another_has_is_told_before_anything_is_made(
    pools: list[str], options: dict[str, str], words: str
) -> None:
    holder = Swarm(network("a", pools=(PoolRequest("10.1.0.0/16"),))).network("a")
    wanted = network("b", pools=tuple(map(PoolRequest, pools)), options=options)
    with pytest.raises(NotAllowed, match=f"^{words}$"):
        subnets.check(wanted, CLUSTER, [holder])
    subnets.check(wanted, CLUSTER, [replace(holder, pending_delete=True)])


def test_a_full_network_tells_its_tasks_and_serves_them_when_one_goes() -> None:
    tiny = network("tiny", pools=(PoolRequest("10.9.0.0/29"),))
    swarm = Swarm(INGRESS, tiny, on("tiny"))
    for slot in range(1, 6):
        swarm.put(fresh(f"t{slot}", swarm.service("web"), slot))
    stuck = swarm.snapshot.tasks["t5"]
    assert stuck.status.state == TaskState.NEW
    assert stuck.status.error.startswith("no available IPv4 addresses on this network's address pools: tiny (tiny)")
    assert "larger --subnet" in stuck.status.error
    swarm.drop(swarm.snapshot.tasks["t1"])
    assert swarm.addresses("t5") == ["10.9.0.3/29"]
    assert swarm.snapshot.tasks["t5"].status.error == ""


def test_an_ingress_network_that_only_lingers_is_none() -> None:
    swarm = Swarm(INGRESS)
    swarm.put(replace(swarm.network("ingress"), pending_delete=True))
    swarm.put(service("web", endpoint=EndpointSpec(ports=(PortConfig(80),))))
    assert swarm.service("web").error == "service needs ingress network, but no ingress network is present"
    swarm.put(network("mine", ingress=True))
    endpoint = swarm.service("web").endpoint
    assert endpoint is not None
    assert [one.network_id for one in endpoint.virtual_ips] == ["mine"]


def test_publishing_without_an_ingress_network_says_so() -> None:
    swarm = Swarm(service("web", endpoint=EndpointSpec(ports=(PortConfig(80),))))
    assert swarm.service("web").error == "service needs ingress network, but no ingress network is present"
    swarm.put(INGRESS)
    assert swarm.service("web").error == ""


def test_a_vxlan_id_of_another_network_is_refused() -> None:
    option = {"com.docker.network.driver.overlay.vxlanid_list": "4096"}
    swarm = Swarm(INGRESS, network("mine", options=option))
    assert swarm.network("mine").error == "VXLAN id 4096 is already in use by network ingress"


def test_networks_of_other_drivers_are_each_hosts_own() -> None:
    macvlan = replace(network("mv"), spec=replace(network("mv").spec, driver="macvlan"))
    swarm = Swarm(INGRESS, macvlan, on("mv"))
    swarm.put(fresh("t1", swarm.service("web")))
    endpoint = swarm.service("web").endpoint
    assert endpoint is not None
    assert endpoint.virtual_ips[0].addresses == ()
    assert (swarm.snapshot.tasks["t1"].status.state, swarm.addresses("t1")) == (TaskState.PENDING, [])


def test_a_node_that_leaves_gives_its_addresses_back() -> None:
    swarm = Swarm(INGRESS, node("n1"))
    first = swarm.snapshot.nodes["n1"]
    assert isinstance(first, Node)
    swarm.drop(first)
    assert not swarm.allocator._addresses.of("n1")


@given(st.lists(st.tuples(st.sampled_from(["lease", "claim", "release"]), st.integers(0, 9)), max_size=60))
def test_a_number_has_one_owner(steps: list[tuple[str, int]]) -> None:
    numbers, owners = Numbers(0, 5), dict[int, str]()
    for index, (verb, number) in enumerate(steps):
        owner = f"o{index}"
        if verb == "lease":
            given_number = numbers.lease(owner)
            free = set(range(6)) - owners.keys()
            assert given_number in free if free else given_number is None
            if given_number is not None:
                owners[given_number] = owner
        elif verb == "claim":
            assert numbers.claim(number, owner) == owners.get(number, "")
            owners.setdefault(number, owner)
        elif number in owners:
            numbers.release(number, owners.pop(number))
    assert {number: numbers.owner(number) for number in owners} == owners

"""Everything that is given once in the whole swarm: subnets and VXLAN ids to networks, virtual addresses and ingress
ports to services, addresses to tasks, and to every node one of each network that it has tasks on.

What cannot be given is written where its user looks: the error of the network or service, and of the tasks that wait.
It is tried again whenever something was given back.

An allocator is a loop with a memory that follows from the store; a new leader (or one whose commit failed) makes a new
one. Order: networks (ingress first), services, nodes, tasks, so that a service has its address before its tasks theirs.
Keys: ("network" | "service" | "node" | "task", id).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fairlead.core.swarm import subnets
from fairlead.core.swarm.addresses import Addresses, split
from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.numbers import Numbers
from fairlead.core.swarm.published import Published
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import Invalid, Refusal
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import INGRESS, VIP, EndpointSpec, ServiceEndpoint, VirtualIp
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import NetworkAttachmentSpec

PENDING = "pending task scheduling"
NO_INGRESS = "service needs ingress network, but no ingress network is present"
_ORDER = {"network": 0, "service": 1, "node": 2, "task": 3}


def concerns(old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterator[Key]:
    thing = new or old
    if isinstance(thing, SwarmNetwork):
        yield ("network", thing.id)
    elif isinstance(thing, Service):
        if not (isinstance(old, Service) and isinstance(new, Service) and old.spec is new.spec):
            yield ("service", thing.id)
    elif isinstance(thing, Node):
        if old is None or new is None:
            yield ("node", thing.id)
    elif isinstance(thing, Task):
        yield from _keys_of_task(old if isinstance(old, Task) else None, new if isinstance(new, Task) else None)


def _keys_of_task(old: Task | None, new: Task | None) -> Iterator[Key]:
    task = new or old
    assert task is not None
    ended = new is None or new.dead
    if (old is None and not ended) or (old is not None and not old.dead and ended):
        yield ("task", task.id)
    moved = new is not None and new.node_id and (old is None or old.node_id != new.node_id)
    if task.node_id and (moved or (ended and not (old is not None and old.dead))):
        yield ("node", task.node_id)


class Allocator:
    """The loop. `things` is all that the store holds."""

    name = "allocator"

    def __init__(self, things: Iterable[Thing] = ()) -> None:
        self._addresses = Addresses()
        self._published = Published()
        self._vnis = Numbers(subnets.FIRST_VNI, subnets.LAST_VNI)
        self._stuck: dict[Key, None] = {}
        self._freed = False
        for thing in sorted(things, key=lambda thing: not isinstance(thing, SwarmNetwork)):
            self._remember(thing)

    def concerns(self, old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]:
        return concerns(old, new, snapshot)

    def _remember(self, thing: Thing) -> None:
        if isinstance(thing, SwarmNetwork) and thing.allocated:
            for number in thing.vnis:
                self._vnis.claim(number, thing.id)
            self._addresses.open(thing)
        elif isinstance(thing, Service) and thing.endpoint is not None:
            self._published.claim(thing.endpoint.ports, thing.id)
            for vip in thing.endpoint.virtual_ips:
                self._addresses.restore(thing.id, vip.network_id, vip.addresses)
        elif isinstance(thing, Node) or (isinstance(thing, Task) and not thing.dead):
            for attachment in thing.attachments:
                self._addresses.restore(thing.id, attachment.network_id, attachment.addresses)

    # --- deciding -----------------------------------------------------------------------------

    def decide(self, snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes:
        round_ = Round(snapshot, moment)
        self._freed = False
        self._look(sorted(dict.fromkeys(keys), key=lambda key: self._turn(key, round_)), round_)
        if self._freed and self._stuck:
            self._look(sorted(self._stuck, key=lambda key: self._turn(key, round_)), round_)
        return round_.out

    def _turn(self, key: Key, round_: Round) -> tuple[int, bool, int, int, str]:
        """Networks before services before nodes before tasks; within a kind the ingress network first, then by age."""
        kind, id_ = key
        thing = round_.snapshot.find(kind, id_)
        slot = thing.slot if isinstance(thing, Task) else 0
        return _ORDER[kind], id_ != round_.ingress, thing.created if thing is not None else 0, slot, id_

    def _look(self, keys: Iterable[Key], round_: Round) -> None:
        verbs = {"network": self._network, "service": self._service, "node": self._node, "task": self._task}
        for kind, id_ in keys:
            self._stuck.pop((kind, id_), None)
            verbs[kind](id_, round_)

    def _stick(self, kind: str, id_: str) -> None:
        self._stuck[kind, id_] = None

    def _network(self, network_id: str, round_: Round) -> None:
        network, cluster = round_.network(network_id), round_.snapshot.cluster
        if network is None:
            self._forget_network(network_id)
            return
        if network.allocated or cluster is None:
            return
        try:
            allocated = subnets.allocate(network, cluster, round_.every_network(), self._vnis)
        except Refusal as refusal:
            self._stick("network", network_id)
            if network.error != refusal.message:
                round_.put_network(replace(network, error=refusal.message))
            return
        self._addresses.open(allocated)
        self._freed = True
        round_.put_network(allocated)
        if allocated.spec.ingress:
            for node_id in round_.snapshot.nodes:
                self._node(node_id, round_)

    def _forget_network(self, network_id: str) -> None:
        self._vnis.release_all(network_id)
        self._addresses.close(network_id)
        self._freed = True

    # --- services -----------------------------------------------------------------------------

    def _service(self, service_id: str, round_: Round) -> None:
        service = round_.snapshot.services.get(service_id)
        if service is None:
            self._freed |= self._published.release_all(service_id) | self._addresses.release(service_id)
            return
        try:
            endpoint = self._endpoint(service, round_)
        except Refusal as refusal:
            self._stick("service", service_id)
            if service.error != refusal.message:
                round_.put_service(replace(service, error=refusal.message))
            return
        if endpoint != service.endpoint or service.error:
            round_.put_service(replace(service, endpoint=endpoint, error=""))
            self._freed = True

    def _endpoint(self, service: Service, round_: Round) -> ServiceEndpoint:
        spec = service.spec.endpoint or EndpointSpec()
        held = service.endpoint.ports if service.endpoint is not None else ()
        networks = [round_.allocated(target) for target in targets(service, round_.ingress)]
        ports = self._published.allocate(service.id, spec, held, round_.snapshot.services)
        wanted = networks if spec.mode == VIP else []
        for network_id in set(self._addresses.of(service.id)) - {network.id for network in wanted}:
            self._freed |= self._addresses.release(service.id, network_id)
        return ServiceEndpoint(spec, ports, tuple(self._virtual_ip(service, network) for network in wanted))

    def _virtual_ip(self, service: Service, network: SwarmNetwork) -> VirtualIp:
        if not network.leases_addresses:
            return VirtualIp(network.id)
        return VirtualIp(network.id, *split(self._addresses.lease(service.id, network)))

    # --- tasks and nodes ----------------------------------------------------------------------

    def _task(self, task_id: str, round_: Round) -> None:
        task = round_.snapshot.tasks.get(task_id)
        if task is None or task.dead:
            self._freed |= self._addresses.release(task_id)
        elif task.status.state == TaskState.NEW:
            try:
                round_.out.put(self._attached(task, round_))
            except Refusal as refusal:
                self._addresses.release(task_id)
                self._stick("task", task_id)
                if task.status.error != refusal.message:
                    round_.out.put(replace(task, status=replace(task.status, error=refusal.message)))

    def _attached(self, task: Task, round_: Round) -> Task:
        service = round_.service(task.service_id)
        endpoint = service.endpoint if service is not None else None
        if service is not None and (endpoint is None or endpoint.spec != (service.spec.endpoint or EndpointSpec())):
            raise Invalid(service.error or f"service {service.spec.name} waits for its addresses")
        joins = task.spec.networks
        if endpoint is not None and _has_ingress_port(endpoint.spec):
            joins = (NetworkAttachmentSpec(round_.ingress), *joins)
        attachments = tuple(self._attach(task, join, round_) for join in joins)
        status = TaskStatus(TaskState.PENDING, at=round_.moment.now, message=PENDING)
        return replace(task, status=status, endpoint=endpoint, attachments=attachments)

    def _attach(self, task: Task, join: NetworkAttachmentSpec, round_: Round) -> Attachment:
        network = round_.allocated(join.target)
        leased = self._addresses.lease(task.id, network, join.addresses) if network.leases_addresses else ()
        return Attachment(network.id, leased, join.aliases, join.driver_opts)

    def _node(self, node_id: str, round_: Round) -> None:
        node = round_.node(node_id)
        if node is None:
            self._freed |= self._addresses.release(node_id)
            return
        wanted = list(self._networks_of(node_id, round_))
        for network_id in set(self._addresses.of(node_id)) - {network.id for network in wanted}:
            self._freed |= self._addresses.release(node_id, network_id)
        try:
            attachments = tuple(Attachment(one.id, self._addresses.lease(node_id, one)) for one in wanted)
        except Refusal as refusal:
            self._stick("node", node_id)
            if node.error != refusal.message:
                round_.put_node(replace(node, error=refusal.message))
            return
        if attachments != node.attachments:
            round_.put_node(replace(node, attachments=attachments, error=""))

    def _networks_of(self, node_id: str, round_: Round) -> Iterator[SwarmNetwork]:
        tasks = round_.snapshot.tasks_on(node_id).values()
        used = [one.network_id for task in tasks if not task.dead for one in task.attachments]
        for network_id in dict.fromkeys([round_.ingress, *used]):
            network = round_.network(network_id)
            if network is not None and network.allocated and network.leases_addresses:
                yield network


def targets(service: Service, ingress: str) -> list[str]:
    """The networks of a service's endpoint, ingress first if it publishes there. Raises Invalid without one."""
    networks = [one.target for one in service.spec.template.networks]
    if _has_ingress_port(service.spec.endpoint or EndpointSpec()):
        if not ingress:
            raise Invalid(NO_INGRESS)
        networks.insert(0, ingress)
    return list(dict.fromkeys(networks))


def _has_ingress_port(spec: EndpointSpec) -> bool:
    return any(port.mode == INGRESS for port in spec.ports)


class Round:
    """An answer in the making: what was decided in it is seen by what is decided next."""

    def __init__(self, snapshot: Snapshot, moment: Moment) -> None:
        self.snapshot, self.moment = snapshot, moment
        self.out = Changes()
        ingress = snapshot.ingress()
        self.ingress = ingress.id if ingress is not None else ""
        self._networks: dict[str, SwarmNetwork] = {}
        self._services: dict[str, Service] = {}
        self._nodes: dict[str, Node] = {}

    def put_network(self, network: SwarmNetwork) -> None:
        self._networks[network.id] = network
        self.out.put(network)

    def put_service(self, service: Service) -> None:
        self._services[service.id] = service
        self.out.put(service)

    def put_node(self, node: Node) -> None:
        self._nodes[node.id] = node
        self.out.put(node)

    def service(self, service_id: str) -> Service | None:
        return self._services.get(service_id) or self.snapshot.services.get(service_id)

    def node(self, node_id: str) -> Node | None:
        return self._nodes.get(node_id) or self.snapshot.nodes.get(node_id)

    def network(self, network_id: str) -> SwarmNetwork | None:
        return self._networks.get(network_id) or self.snapshot.networks.get(network_id)

    def every_network(self) -> Iterator[SwarmNetwork]:
        return (self._networks.get(one.id, one) for one in self.snapshot.networks.values())

    def allocated(self, network_id: str) -> SwarmNetwork:
        """Raises Invalid, with the reason, when the network is not there or not ready to lease from."""
        network = self.network(network_id)
        if network is None:
            raise Invalid(f"network {network_id} not found")
        if not network.allocated:
            raise Invalid(f"network {network.name} is not allocated: {network.error or 'it waits for its subnet'}")
        return network

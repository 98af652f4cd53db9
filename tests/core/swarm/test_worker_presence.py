"""What other nodes are told about a task's endpoint."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

from fairlead.core.swarm import labels
from fairlead.core.swarm.task_presence import Host, presence
from fairlead.model.discovery import TASK, MeshPort
from fairlead.model.endpoint import Endpoint
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import DNSRR, EndpointSpec, PortConfig, ServiceEndpoint, VirtualIp
from tests.core.swarm import builders

HOST = Host("n1", ip_address("192.168.1.1"))
NET, INGRESS = builders.network("overnet"), builders.INGRESS
PORTS = (PortConfig(80, 8080, host_ip="10.0.0.1"), PortConfig(53, 5353, mode="host"))
PUBLISHED = ServiceEndpoint(
    EndpointSpec(ports=PORTS),
    PORTS,
    (VirtualIp("overnet", ip_interface("10.0.1.2/24"), ip_interface("fd00::2/64")),),
)
TASK_1 = replace(
    builders.task("t1", builders.service("web")),
    endpoint=PUBLISHED,
    attachments=(Attachment("overnet", aliases=("www",)),),
)
ENDPOINT = Endpoint(
    "e1",
    "overnet",
    "c1",
    "s1",
    "web.1.t1",
    "eth0",
    "02:42:0a:00:01:03",
    ip_interface("10.0.1.3/24"),  # type: ignore[arg-type]
)


def test_a_service_is_known_by_its_virtual_addresses() -> None:
    said = presence(TASK_1, ENDPOINT, NET, HOST, serving=True)
    assert (said.kind, said.endpoint_id, said.node_id, said.vtep) == (TASK, "e1", "n1", HOST.vtep)
    assert (said.name, said.mac, said.addresses) == ("web.1.t1", ENDPOINT.mac, (ip_address("10.0.1.3"),))
    assert (said.service_id, said.service, said.service_aliases) == ("web", "web", ("www",))
    assert said.vips == (ip_address("10.0.1.2"), ip_address("fd00::2"))
    assert (said.mesh, said.serving) == ((), True)


def test_without_virtual_addresses_names_mean_tasks() -> None:
    by_names = replace(TASK_1, endpoint=replace(PUBLISHED, spec=EndpointSpec(DNSRR)))
    assert presence(by_names, ENDPOINT, NET, HOST, serving=True).vips == ()


def test_only_the_ingress_network_carries_the_mesh_and_only_its_ports() -> None:
    said = presence(TASK_1, replace(ENDPOINT, network_id="ingress"), INGRESS, HOST, serving=False)
    assert said.mesh == (MeshPort(8080, 80, "tcp", "10.0.0.1"),)
    assert (said.vips, said.serving) == ((), False)


def test_a_label_of_the_service_says_which_ports_hide_their_clients() -> None:
    endpoint = replace(ENDPOINT, network_id="ingress")
    ports = (PortConfig(80, 8080), PortConfig(53, 5353, "udp"))
    task = replace(TASK_1, endpoint=ServiceEndpoint(EndpointSpec(ports=ports), ports))
    for wish, hidden in (("", []), ("true", [8080, 5353]), ("8080", [8080]), ("5353/udp", [5353]), ("5353", [])):
        said = presence(replace(task, labels={labels.SNAT: wish}), endpoint, INGRESS, HOST, serving=True)
        assert [port.published for port in said.mesh if port.snat] == hidden, wish


def test_a_task_takes_the_share_of_its_node() -> None:
    assert presence(TASK_1, ENDPOINT, NET, HOST, serving=True).weight == 1
    assert presence(TASK_1, ENDPOINT, NET, replace(HOST, weight=3), serving=True).weight == 3

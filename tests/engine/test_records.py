"""Documents: everything that is written can be read back, by this daemon and by an older one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_interface

import msgspec
import pytest

from fairlead.engine import records
from fairlead.model.attachment import Attachment, Attachments
from fairlead.model.container import Container, HealthState, ProbeResult
from fairlead.model.endpoint import Endpoint, EndpointSpec, PortRequest, PublishedPort
from fairlead.model.image import Image, Layer, Tag
from fairlead.model.network import Network
from fairlead.model.sandbox import Sandbox
from fairlead.model.swarm.assignment import Assignment
from fairlead.model.volume import Volume
from tests.engine import builders


def test_a_container_survives_with_everything_nested() -> None:
    ports = (PortRequest(80, host_ports=(8000, 8010)), PortRequest(53, "udp", "127.0.0.1"))
    before = builders.container(ports=ports, endpoints={"pets": EndpointSpec(aliases=("dog",), gw_priority=3)})
    assert records.decode(Container, records.put(before).value) == before


def test_addresses_of_both_families_keep_their_type() -> None:
    pets = builders.network("pets")
    before = builders.endpoint(
        builders.container(),
        pets,
        ipv6=ip_interface("fd00::2/64"),
        gateway6=IPv6Address("fd00::1"),
        published=(PublishedPort(80, "tcp", IPv4Address("0.0.0.0"), 8080),),
    )
    after = records.decode(type(before), records.encode(before))
    assert after == before
    assert isinstance(after.gateway6, IPv6Address)
    assert isinstance(after.published[0].host_ip, IPv4Address)


def test_fields_at_their_default_are_not_written() -> None:
    document = msgspec.json.decode(records.encode(Attachments("c1", (Attachment("pets"),))))
    assert document == {"id": "c1", "wishes": [{"network": "pets"}]}


def test_unknown_fields_are_ignored_and_missing_ones_take_their_default() -> None:
    document = b'{"id": "c1", "colour": "red", "wishes": [{"network": "pets", "shape": 1}]}'
    assert records.decode(Attachments, document) == Attachments("c1", (Attachment("pets"),))


def test_a_class_may_refer_to_one_defined_after_it() -> None:
    before = HealthState("healthy", log=(ProbeResult(1, 2, 0, "fine"),))
    assert records.decode(HealthState, records.encode(before)) == before


def test_what_has_no_written_form_is_refused() -> None:
    with pytest.raises(TypeError, match="complex cannot be stored"):
        records.encode(1j)


KINDS = {
    Assignment: "assignment",
    Attachments: "attachments",
    Container: "container",
    Endpoint: "endpoint",
    Image: "image",
    Layer: "layer",
    Network: "network",
    Sandbox: "sandbox",
    Tag: "tag",
    Volume: "volume",
}


@pytest.mark.parametrize(("record", "kind"), KINDS.items())
def test_what_was_stored_under_a_kind_is_found_there_by_every_later_daemon(record: type, kind: str) -> None:
    assert records.kind_of(record) == kind

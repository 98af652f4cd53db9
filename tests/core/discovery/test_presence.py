"""Rows and back; and that nothing which is no row gets through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import msgspec
import pytest

from fairlead.core.discovery import presence as rows
from fairlead.core.discovery.presence import Origin, Refused, decode, encode
from fairlead.model.discovery import MeshPort, Presence
from tests.core.discovery.rows import THERE, balancer, container, task

FULL = replace(
    task("web", 3, "10.0.1.7", vip="10.0.1.2"),
    addresses=(ip_address("10.0.1.7"), ip_address("fd00::7")),
    aliases=("0123456789ab",),
    service_aliases=("www", "shop.example"),
    mesh=(MeshPort(8080, 80), MeshPort(53, 5353, "udp", "192.0.2.9", snat=True)),
    serving=False,
    weight=7,
    balance="source",
)
FIELDS = [field.name for field in msgspec.structs.fields(rows._Row)]


def origin(presence: Presence) -> Origin:
    return Origin(presence.node_id, presence.endpoint_id)


def altered(**fields: Any) -> bytes:
    """The full row with some fields replaced by anything."""
    row = msgspec.msgpack.decode(encode(FULL))
    for name, value in fields.items():
        row[FIELDS.index(name)] = value
    return msgspec.msgpack.encode(row)


@pytest.mark.parametrize("presence", [FULL, container("web", "10.0.1.5"), balancer("10.0.1.6")])
def test_a_row_tells_the_endpoint(presence: Presence) -> None:
    assert decode(encode(presence), origin(presence)) == presence


def test_a_row_is_small() -> None:
    assert len(encode(FULL)) < 300


def test_names_that_dns_cannot_say_are_not_told() -> None:
    odd = replace(FULL, aliases=("under_score", "two words", "x" * 64, "", "b.c"), name="n" * 70)
    told = decode(encode(odd), origin(odd))
    assert told.aliases == ("under_score", "b.c")
    assert told.name == ""


def test_later_versions_may_add_fields() -> None:
    row = msgspec.msgpack.decode(encode(FULL))
    assert decode(msgspec.msgpack.encode([*row, "something new"]), origin(FULL)) == FULL


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("shape", b""),
        ("shape", b"\xff" * 20),
        ("shape", msgspec.msgpack.encode([1, 2])),
        ("shape", altered(version=2)),
        ("shape", altered(kind=3)),
        ("shape", altered(node_id="no node; rm -rf /")),
        ("shape", altered(serving="yes")),
        ("shape", altered(weight=-1)),
        ("shape", altered(weight=1 << 20)),
        ("shape", altered(aliases=["a"] * 65)),
        ("shape", altered(addresses=[b"\n\0\1\7"] * 9)),
        ("shape", altered(mesh=[[0, 80, 0, b"", False]])),
        ("shape", altered(mesh=[[80, 80, 9, b"", False]])),
        ("shape", altered(balance="least; drop table")),
        ("owner", altered(node_id="node3elsewhere")),
        ("mac", altered(mac=b"\x03\x42\0\0\0\1")),
        ("mac", altered(mac=bytes(6))),
        ("mac", altered(mac=b"\x02\x42")),
        ("address", altered(vtep=b"\x7f\0\0\1")),
        ("address", altered(vtep=bytes(4))),
        ("address", altered(vtep=b"\1\2\3\4\5")),
        ("address", altered(addresses=[b"\xe0\0\0\1"])),
        ("address", altered(addresses=[b"\xff" * 4])),
        ("address", altered(vips=[bytes(15) + b"\1"])),
        ("address", altered(mesh=[[80, 80, 0, b"\1\2\3", False]])),
        ("name", altered(name="-x")),
        ("name", altered(service="a..b")),
        ("name", altered(aliases=["good", "b\nad"])),
        ("name", altered(service_aliases=["ünlesbar"])),
        ("size", encode(FULL) + bytes(rows.MAX_BYTES)),
    ],
)
def test_what_is_no_row_is_refused_by_its_fault(reason: str, value: bytes) -> None:
    with pytest.raises(Refused) as refused:
        decode(value, origin(FULL))
    assert refused.value.reason == reason


@pytest.mark.parametrize("endpoint_id", ["", "x" * 65, "../../etc", "A" * 64])
def test_a_key_that_is_no_id_is_refused(endpoint_id: str) -> None:
    with pytest.raises(Refused, match="id"):
        decode(encode(FULL), Origin(THERE, endpoint_id))


@pytest.mark.parametrize("spoil", [lambda p: replace(p, mac="03:00:00:00:00:01"), lambda p: replace(p, weight=-1)])
def test_what_no_reader_would_take_is_not_written(spoil: Callable[[Presence], Presence]) -> None:
    with pytest.raises(Refused):
        encode(spoil(FULL))

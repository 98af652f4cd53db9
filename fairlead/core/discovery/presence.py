"""An endpoint as a row of gossip: bytes, and back with everything checked.

A row is a MessagePack array that begins with its version. Its shape, its types and the bounds of every field stand in
`_Row`, so that the decoder refuses before any other code sees the data; what a type cannot say (which addresses make
sense, what DNS can say) follows. Fields added at the end keep old readers working; a change that does not needs another
version, which old readers refuse.

Names that DNS cannot say are not told. A reader refuses them: a peer that sends one is not one of us.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated

import msgspec
from msgspec import Meta

from fairlead.model.discovery import BALANCER, CONTAINER, TASK, MeshPort, Presence
from fairlead.model.endpoint import SCTP, TCP, UDP
from fairlead.model.network import Address

VERSION = 1
MAX_BYTES = 16_384
MAX_NAMES, MAX_ADDRESSES, MAX_PORTS = 64, 8, 128
MAX_WEIGHT = 65_535
LONGEST_NAME = 253

_KINDS = (CONTAINER, TASK, BALANCER)
_PROTOCOLS = (TCP, UDP, SCTP)
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_ENDPOINT_ID = re.compile(r"[0-9a-z]{1,64}")
_BROADCAST = IPv4Address("255.255.255.255")

_Packed = Annotated[bytes, Meta(min_length=4, max_length=16)]
_Mac = Annotated[bytes, Meta(max_length=6)]
_Id = Annotated[str, Meta(max_length=64, pattern="^[0-9a-z]*$")]
_Name = Annotated[str, Meta(max_length=LONGEST_NAME)]
_Names = Annotated[tuple[_Name, ...], Meta(max_length=MAX_NAMES)]
_Addresses = Annotated[tuple[_Packed, ...], Meta(max_length=MAX_ADDRESSES)]
_Port = Annotated[int, Meta(ge=1, le=65_535)]


class _MeshPort(msgspec.Struct, array_like=True, frozen=True, gc=False):
    published: _Port
    target: _Port
    protocol: Annotated[int, Meta(ge=0, lt=len(_PROTOCOLS))]
    host_ip: Annotated[bytes, Meta(max_length=16)]
    snat: bool


class _Row(msgspec.Struct, array_like=True, frozen=True):
    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    kind: Annotated[int, Meta(ge=0, lt=len(_KINDS))]
    node_id: _Id
    vtep: _Packed
    mac: _Mac
    addresses: _Addresses
    name: _Name
    aliases: _Names
    service_id: _Id
    service: _Name
    service_aliases: _Names
    vips: _Addresses
    mesh: Annotated[tuple[_MeshPort, ...], Meta(max_length=MAX_PORTS)]
    serving: bool
    weight: Annotated[int, Meta(ge=0, le=MAX_WEIGHT)]
    balance: Annotated[str, Meta(max_length=32, pattern="^[a-z0-9_:=-]*$")]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Row).decode


class Refused(Exception):  # noqa: N818 - as `model.errors.Refusal`
    """A row that is not acceptable. `reason` is one of a fixed set of words, so that counters of them stay bounded."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row stood: whose it is, and its key, the endpoint's id."""

    owner: str
    endpoint_id: str


def encode(presence: Presence) -> bytes:
    """The row's value; its key is the endpoint's id. Raises Refused for what no reader would take."""
    row = _Row(
        version=VERSION,
        kind=_KINDS.index(presence.kind),
        node_id=presence.node_id,
        vtep=presence.vtep.packed,
        mac=bytes.fromhex(presence.mac.replace(":", "")),
        addresses=_pack(presence.addresses),
        name=presence.name if sayable(presence.name) else "",
        aliases=_sayable(presence.aliases),
        service_id=presence.service_id,
        service=presence.service if sayable(presence.service) else "",
        service_aliases=_sayable(presence.service_aliases),
        vips=_pack(presence.vips),
        mesh=tuple(_pack_port(port) for port in presence.mesh),
        serving=presence.serving,
        weight=presence.weight,
        balance=presence.balance,
    )
    value = _encode(row)
    decode(value, Origin(presence.node_id, presence.endpoint_id))
    return value


def decode(value: bytes, origin: Origin) -> Presence:
    """The endpoint that a row tells of. Raises Refused, and nothing else, whatever the bytes."""
    if len(value) > MAX_BYTES:
        raise Refused("size", f"{len(value)} bytes; at most {MAX_BYTES} are taken")
    try:
        row = _decode(value)
    except (ValueError, RecursionError) as error:
        raise Refused("shape", str(error)[:200]) from None
    if row.node_id != origin.owner:
        raise Refused("owner", "a node speaks for its own endpoints only")
    if not _ENDPOINT_ID.fullmatch(origin.endpoint_id):
        raise Refused("id")
    return Presence(
        endpoint_id=origin.endpoint_id,
        kind=_KINDS[row.kind],
        node_id=row.node_id,
        vtep=_address(row.vtep),
        mac=_mac(row.mac),
        addresses=_unpack(row.addresses),
        name=_name(row.name),
        aliases=_checked(row.aliases),
        service_id=row.service_id,
        service=_name(row.service),
        service_aliases=_checked(row.service_aliases),
        vips=_unpack(row.vips),
        mesh=tuple(_port(port) for port in row.mesh),
        serving=row.serving,
        weight=row.weight,
        balance=row.balance,
    )


def sayable(name: str) -> bool:
    """Whether DNS can say the name, and resolvers will ask for it."""
    return len(name) <= LONGEST_NAME and _DNS_NAME.fullmatch(name) is not None


def _sayable(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if sayable(name)))[:MAX_NAMES]


def _name(name: str) -> str:
    if name and not sayable(name):
        raise Refused("name", repr(name)[:80])
    return name


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not sayable(name):
            raise Refused("name", repr(name)[:80])
    return names


def _pack(addresses: Iterable[Address]) -> tuple[bytes, ...]:
    return tuple(address.packed for address in addresses)


def _unpack(addresses: tuple[bytes, ...]) -> tuple[Address, ...]:
    return tuple(_address(packed) for packed in addresses)


def _address(packed: bytes) -> Address:
    """A unicast address that can be on a wire. Raises Refused."""
    if len(packed) == 4:
        address: Address = IPv4Address(packed)
    elif len(packed) == 16:
        address = IPv6Address(packed)
    else:
        raise Refused("address", f"{len(packed)} bytes")
    if address.is_multicast or address.is_unspecified or address.is_loopback or address == _BROADCAST:
        raise Refused("address", f"{address} is nobody's")
    return address


def _mac(packed: bytes) -> str:
    """The MAC of a station, or "" for an endpoint that shares its host's."""
    if not packed:
        return ""
    if len(packed) != 6 or packed[0] & 1 or not any(packed):
        raise Refused("mac", packed.hex())
    return packed.hex(":")


def _pack_port(port: MeshPort) -> _MeshPort:
    host_ip = ip_address(port.host_ip).packed if port.host_ip else b""
    return _MeshPort(port.published, port.target, _PROTOCOLS.index(port.protocol), host_ip, port.snat)


def _port(port: _MeshPort) -> MeshPort:
    """`host_ip` is compared with addresses of this node and nothing more, so any will do."""
    try:
        host_ip = str(ip_address(port.host_ip)) if port.host_ip else ""
    except ValueError:
        raise Refused("address", f"{len(port.host_ip)} bytes") from None
    return MeshPort(port.published, port.target, _PROTOCOLS[port.protocol], host_ip, port.snat)

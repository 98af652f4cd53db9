"""XFRM over netlink: ESP associations and policies (include/uapi/linux/xfrm.h), as far as overlays need them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from ipaddress import ip_address
from struct import Struct, pack

from fairlead.effects.kernel.attributes import attribute, parse
from fairlead.effects.kernel.netlink import NEW, Channel, Message
from fairlead.effects.kernel.words import in_words
from fairlead.model.errors import KernelRefused
from fairlead.model.network import Address
from fairlead.model.observed import Traffic
from fairlead.model.plan import AddAssociation, AddPolicy, DelAssociation, DelPolicy, PortBlock

_NEWSA, _DELSA, _GETSA, _NEWPOLICY, _DELPOLICY, _GETPOLICY, _UPDPOLICY = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x19
_TEMPLATE, _AEAD = 5, 18
_ESP, _UDP = 50, 17
_OUT, _ALLOW, _BLOCK, _TRANSPORT = 1, 0, 1, 0
_LAST_PRIORITY = 0xFFFFFFFF
"""Of what holds where no other policy does: the kernel takes the smallest."""
_FAMILY = {4: 2, 6: 10}
_AEAD_NAME, _CHECK_BITS = b"rfc4106(gcm(aes))", 128

_SELECTOR = Struct("=16s16s2s2s2s2sHBBBxxxII")
_LIFE = b"\xff" * 32 + bytes(32)
"""Without limits of bytes and packets, and without times (xfrm_lifetime_cfg)."""
_USED = bytes(32)
_SA_TAIL = Struct("=12xIIHBBB7x")
_POLICY_TAIL = Struct("=IIBBBB4x")
_TEMPLATE_BODY = Struct("=16s4sBxxxHxx16sIBBBxIII")
_SA = Struct("=56x16s4s4x16s64xQQ16x8xI4xIH")
"""Of a dumped association: destination, SPI, source, bytes and packets carried, packets that failed their check,
request id, family (xfrm_usersa_info)."""
_POLICY_DIRECTION = 160
_ALREADY = {AddAssociation: errno.EEXIST, DelAssociation: errno.ESRCH, DelPolicy: errno.ENOENT}


def change(channel: Channel, operation: AddAssociation | AddPolicy | DelAssociation | DelPolicy) -> bool:
    """Do it; whether something changed. Raises KernelRefused."""
    ack = channel.request([_message(operation)])[0]
    if ack.errno == _ALREADY.get(type(operation)):
        return False
    if isinstance(operation, AddPolicy) and not operation.spi and ack.errno == errno.EEXIST:
        return False
    if ack.errno:
        raise KernelRefused(in_words(operation), ack.errno, ack.detail)
    return True


def _message(operation: AddAssociation | AddPolicy | DelAssociation | DelPolicy) -> Message:
    match operation:
        case AddAssociation():
            return _new_association(operation)
        case DelAssociation(destination=destination, spi=spi):
            family = pack("=HBx", _FAMILY[destination.version], _ESP)
            return Message(_DELSA, 0, _address(destination) + pack(">I", spi) + family)
        case AddPolicy():
            return _put_policy(operation)
        case DelPolicy():
            return Message(_DELPOLICY, 0, _selector(operation) + pack("=IBxxx", 0, _OUT))


def _new_association(wanted: AddAssociation) -> Message:
    version = wanted.destination.version
    identity = _address(wanted.destination) + pack(">I", wanted.spi) + pack("=Bxxx", _ESP)
    tail = _SA_TAIL.pack(0, wanted.request_id, _FAMILY[version], _TRANSPORT, 0, 0)
    body = bytes(_SELECTOR.size) + identity + _address(wanted.source) + _LIFE + _USED + tail
    algorithm = _AEAD_NAME.ljust(64, b"\0") + pack("=II", 8 * len(wanted.key), _CHECK_BITS) + wanted.key
    return Message(_NEWSA, NEW, body + attribute(_AEAD, algorithm))


def _put_policy(wanted: AddPolicy) -> Message:
    """In place of the one that is there for the same packets, unless it leads nowhere as that one may do."""
    head = _selector(wanted) + _LIFE + _USED
    if not wanted.spi:
        return Message(_NEWPOLICY, NEW, head + _POLICY_TAIL.pack(_LAST_PRIORITY, 0, _OUT, _BLOCK, 0, 0))
    body = head + _POLICY_TAIL.pack(0, 0, _OUT, _ALLOW, 0, 0)
    template = _TEMPLATE_BODY.pack(
        _address(wanted.destination),
        pack(">I", wanted.spi),
        _ESP,
        _FAMILY[wanted.destination.version],
        _address(wanted.source),
        wanted.request_id,
        _TRANSPORT,
        0,
        0,
        0xFFFFFFFF,
        0xFFFFFFFF,
        0xFFFFFFFF,
    )
    return Message(_UPDPOLICY, 0, body + attribute(_TEMPLATE, template))


def _selector(policy: AddPolicy | DelPolicy) -> bytes:
    source, destination = policy.source, policy.destination
    return _SELECTOR.pack(
        _address(destination),
        _address(source),
        pack(">H", policy.port),
        b"\xff\xff",
        pack(">H", policy.sources.base),
        pack(">H", policy.sources.mask),
        _FAMILY[destination.version],
        0 if destination.is_unspecified else destination.max_prefixlen,
        0 if source.is_unspecified else source.max_prefixlen,
        _UDP,
        0,
        0,
    )


def _address(address: Address) -> bytes:
    return address.packed.ljust(16, b"\0")


def _read_address(raw: bytes, family: int) -> Address:
    return ip_address(raw[:4] if family == _FAMILY[4] else raw)


def associations(channel: Channel, request_id: int) -> Iterator[tuple[AddAssociation, Traffic]]:
    """Those of a request id, without their keys, and what each has carried."""
    for payload in channel.dump(Message(_GETSA, 0, b"")):
        destination, spi, source, size, packets, rejected, request, family = _SA.unpack_from(payload)
        if request == request_id:
            ends = _read_address(source, family), _read_address(destination, family)
            found = AddAssociation(*ends, int.from_bytes(spi, "big"), b"", request_id)
            yield found, Traffic(packets, size, rejected)


def policies(channel: Channel, sources: PortBlock) -> Iterator[AddPolicy]:
    """Those for outgoing packets from these ports."""
    for payload in channel.dump(Message(_GETPOLICY, 0, b"")):
        selector, found = _SELECTOR.unpack_from(payload), parse(payload, 168)
        ports = PortBlock(*(int.from_bytes(raw, "big") for raw in selector[4:6]))
        if ports != sources or payload[_POLICY_DIRECTION] != _OUT:
            continue
        destination, source = (_read_address(raw, selector[6]) for raw in selector[:2])
        port, spi, request = int.from_bytes(selector[2], "big"), 0, 0
        if _TEMPLATE in found:
            template = _TEMPLATE_BODY.unpack_from(found[_TEMPLATE])
            spi, request = int.from_bytes(template[1], "big"), template[5]
        yield AddPolicy(source, destination, port, spi, sources, request)

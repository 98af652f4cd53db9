"""From what a user typed about a network's addresses to its pools.

Two steps, as Docker has them: `validate` judges the text alone and collects every fault; `resolve` meets the ground:
other networks, the host, the default pools. Messages are Docker 28's, because scripts look for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fairlead.core.ipam.blocks import address_of, parse_address, parse_block, usable
from fairlead.core.ipam.pools import Space
from fairlead.model.errors import Failed, Invalid, NotAllowed
from fairlead.model.network import Address, Pool, PoolRequest, Subnet

OVERLAPS = "invalid pool request: Pool overlaps with other one on this address space"
IN_USE = "Address already in use"
NEEDS_SUBNET = "every ip-range or gateway must have a corresponding subnet"


def validate(requests: Sequence[PoolRequest], ipv6: bool) -> None:
    """Raise Invalid, naming every fault, unless all entries are well formed.

    IPv6 entries of a network without IPv6 are not looked at, as with Docker; `resolve` leaves them out too.
    """
    faults = [fault for request in requests for fault in _faults(request, ipv6)]
    if faults:
        listed = faults[0] if len(faults) == 1 else "\n".join(f"* {fault}" for fault in faults)
        raise Invalid(f"invalid network config:\n{listed}")


def _faults(request: PoolRequest, ipv6: bool) -> Iterator[str]:
    if not request.subnet:
        if request.ip_range or request.gateway or request.aux:
            yield NEEDS_SUBNET
        return
    block = parse_block(request.subnet)
    if block is None:
        yield f"invalid subnet {request.subnet}: invalid CIDR block notation"
        return
    address, subnet = block
    if subnet.version == 6 and not ipv6:
        return
    if address != subnet.network_address:
        yield f"invalid subnet {request.subnet}: it should be {subnet}"
    if _any_of_its_size(subnet):
        if request.ip_range or request.gateway or request.aux:
            yield f"invalid subnet {subnet}: a subnet given by its size takes no ip-range, gateway or aux-address"
        return
    yield from _range_faults(request.ip_range, subnet)
    if fault := _address_fault(request.gateway, subnet):
        yield f"invalid gateway {request.gateway}: {fault}"
    for name, aux in request.aux.items():
        if fault := _address_fault(aux, subnet):
            yield f"invalid auxiliary address {name}: {fault}"


def _range_faults(text: str, subnet: Subnet) -> Iterator[str]:
    if not text:
        return
    block = parse_block(text)
    if block is None:
        yield f"invalid ip-range {text}: invalid CIDR block notation"
        return
    address, ip_range = block
    if ip_range.version != subnet.version:
        yield f"invalid ip-range {text}: parent subnet is an IPv{subnet.version} block"
        return
    if ip_range.prefixlen < subnet.prefixlen:
        yield f"invalid ip-range {text}: CIDR block is bigger than its parent subnet {subnet}"
    if address != ip_range.network_address:
        yield f"invalid ip-range {text}: it should be {ip_range}"
    if ip_range.network_address not in subnet and subnet.network_address not in ip_range:
        yield f"invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range"


def _address_fault(text: str, subnet: Subnet) -> str:
    if not text:
        return ""
    address = parse_address(text)
    if address is None:
        return "invalid address"
    if address.version != subnet.version:
        return f"parent subnet is an IPv{subnet.version} block"
    return "" if address in subnet else f"parent subnet {subnet} doesn't contain this address"


def _any_of_its_size(subnet: Subnet) -> bool:
    """`0.0.0.0/24` and `::/56` ask for a prefix of that size, wherever there is one."""
    return int(subnet.network_address) == 0 and subnet.prefixlen > 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a network needs: its families, and whether its driver gives it a gateway where the user named none."""

    requests: tuple[PoolRequest, ...] = ()
    ipv4: bool = True
    ipv6: bool = False
    gateway: bool = True


def resolve(wish: Wish, space: Space) -> tuple[Pool, ...]:
    """The pools of a new network, IPv4 first: as requested, and one from the default pools for a family without any.

    Raises NotAllowed when a requested subnet overlaps another network's (host routes may be overlapped: the user
    knows why), Invalid when the default pools are used up, Failed when a gateway or auxiliary address is taken.
    """
    validate(wish.requests, wish.ipv6)
    pools: list[Pool] = []
    for version in (version for version, on in ((4, wish.ipv4), (6, wish.ipv6)) if on):
        for request in _of_version(wish.requests, version) or [PoolRequest()]:
            pool = _resolve_one(request, version, wish.gateway, space)
            space = space.with_network(pool.subnet)
            pools.append(pool)
    return tuple(pools)


def _of_version(requests: Sequence[PoolRequest], version: int) -> list[PoolRequest]:
    blocks = ((request, parse_block(request.subnet)) for request in requests)
    return [request for request, block in blocks if block is not None and block[1].version == version]


def _resolve_one(request: PoolRequest, version: int, with_gateway: bool, space: Space) -> Pool:
    asked = parse_block(request.subnet)
    if asked is None:
        subnet, requested = space.choose(version), False
    elif _any_of_its_size(asked[1]):
        subnet, requested = space.choose(version, asked[1].prefixlen), False
    else:
        subnet, requested = asked[1], True
        if space.overlaps(subnet) is not None:
            raise NotAllowed(OVERLAPS)
    within = parse_block(request.ip_range)
    ip_range = within[1] if within else None
    gateway = _gateway(request.gateway, ip_range or subnet, subnet) if request.gateway or with_gateway else None
    return Pool(subnet, gateway, ip_range, _aux(request.aux, gateway), requested)


def _gateway(text: str, within: Subnet, subnet: Subnet) -> Address:
    """The address asked for, or the first usable one of the range from which endpoints get theirs."""
    first, last = usable(subnet)
    asked = parse_address(text)
    if asked is None:
        return address_of(subnet, max(first, int(within.network_address)))
    if not first <= int(asked) <= last:
        raise Failed(f"failed to allocate gateway ({asked}): {IN_USE}")
    return asked


def _aux(asked: Mapping[str, str], gateway: Address | None) -> dict[str, Address]:
    """Auxiliary addresses by name; each is set aside, so none may be the gateway or another one's."""
    given: dict[str, Address] = {}
    for name, text in asked.items():
        address = parse_address(text)
        if address is None:
            continue
        if address == gateway or address in given.values():
            raise Failed(f"failed to allocate secondary ip address ({name}:{address}): {IN_USE}")
        given[name] = address
    return given

"""Subnets and VXLAN ids of swarm networks.

A network without `--subnet` takes the lowest free prefix of the cluster's pools, a network whose subnet another one has
is refused. A VXLAN id is taken per subnet, from 4096, or as `com.docker.network.driver.overlay.vxlanid_list` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network

from fairlead.core.ipam.pools import EXHAUSTED, Space
from fairlead.core.ipam.request import OVERLAPS, Wish, resolve
from fairlead.core.swarm.numbers import Numbers
from fairlead.model.config import AddressPool
from fairlead.model.errors import Failed, Invalid, NotAllowed
from fairlead.model.network import Pool
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.network import SwarmNetwork

VNI_LIST = "com.docker.network.driver.overlay.vxlanid_list"
FIRST_VNI, LAST_VNI = 4096, (1 << 24) - 1


def allocate(network: SwarmNetwork, cluster: Cluster, others: Iterable[SwarmNetwork], vnis: Numbers) -> SwarmNetwork:
    """The network with subnets, gateway and VXLAN ids. Raises Refusal naming what is in the way."""
    driver = network.spec.driver or "overlay"
    if driver != "overlay":
        return replace(network, driver=driver, options=network.spec.options, allocated=True, error="")
    pools = _pools(network, cluster, [other for other in others if other.id != network.id])
    numbers = _vnis(network, len(pools), vnis)
    options = {**network.spec.options, VNI_LIST: ",".join(map(str, numbers))}
    return replace(network, driver=driver, options=options, pools=pools, vnis=numbers, allocated=True, error="")


def check(network: SwarmNetwork, cluster: Cluster, others: Iterable[SwarmNetwork]) -> None:
    """Raises what `allocate` would. A network that is on its way out holds nothing against a new one."""
    staying = [other for other in others if not other.pending_delete]
    vnis = Numbers(FIRST_VNI, LAST_VNI)
    for other in staying:
        for number in other.vnis:
            vnis.claim(number, other.name)
    allocate(network, cluster, staying, vnis)


def _pools(network: SwarmNetwork, cluster: Cluster, others: list[SwarmNetwork]) -> tuple[Pool, ...]:
    taken = tuple(pool.subnet for other in others for pool in other.pools)
    space = Space(tuple(AddressPool(base, cluster.subnet_size) for base in cluster.address_pools), networks=taken)
    spec = network.spec
    wish = Wish(spec.pools, ipv4=spec.enable_ipv4 is not False, ipv6=bool(spec.enable_ipv6))
    try:
        return resolve(wish, space)
    except NotAllowed as refusal:
        raise _naming_owner(refusal, network, others) from None
    except Invalid as refusal:
        if refusal.message != EXHAUSTED:
            raise
        bases = ", ".join(map(str, cluster.address_pools))
        raise Invalid(f"all /{cluster.subnet_size} of the swarm's pools ({bases}) are in use: give --subnet") from None


def _naming_owner(refusal: NotAllowed, network: SwarmNetwork, others: list[SwarmNetwork]) -> NotAllowed:
    if refusal.message != OVERLAPS:
        return refusal
    for asked in (ip_network(request.subnet) for request in network.spec.pools if request.subnet):
        for other in others:
            for pool in other.pools:
                if Space((), (pool.subnet,)).overlaps(asked) is not None:
                    return NotAllowed(f"subnet {asked} overlaps {pool.subnet} of network {other.name}")
    return refusal


def _vnis(network: SwarmNetwork, count: int, vnis: Numbers) -> tuple[int, ...]:
    asked = _asked(network)
    for number in asked:
        holder = vnis.owner(number)
        if holder not in ("", network.id):
            raise NotAllowed(f"VXLAN id {number} is already in use by network {holder}")
    for number in asked:
        vnis.claim(number, network.id)
    leased = [vnis.lease(network.id) for _ in range(count - len(asked))]
    if None in leased:
        raise Failed("no VXLAN id is left")
    return (*asked, *(number for number in leased if number is not None))


def _asked(network: SwarmNetwork) -> list[int]:
    text = network.spec.options.get(VNI_LIST, "")
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdigit() and 0 < int(word) <= LAST_VNI for word in words):
        raise Invalid(f"invalid VXLAN id list {text!r}: numbers from 1 to {LAST_VNI}, divided by commas, are expected")
    return [int(word) for word in words]

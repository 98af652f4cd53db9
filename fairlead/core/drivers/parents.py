"""The interface that a macvlan or ipvlan network stands on: one of the host's, a VLAN of one, or a stand-in.

- `parent=eth0` is the host's and stays as it is.
- `parent=eth0.10` is made as VLAN 10 of eth0 when it does not exist; several networks may share it, and it goes with
  the last of them, but only if its alias says that this daemon made it.
- No parent, or an internal network: a stand-in that leads nowhere, `dm-<id12>`. Where the kernel has no dummy device
  it is one end of a veth pair, which has the carrier that interfaces above it need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairlead.core.drivers import names
from fairlead.core.drivers.contract import Neighbourhood
from fairlead.model.errors import Failed, NotAllowed
from fairlead.model.host import HostFacts
from fairlead.model.network import Network
from fairlead.model.plan import HOST, AddDummy, AddVeth, AddVlan, DelLink, Operation, SetLink, SetSysctl

PARENT = "parent"
_VLAN = re.compile(r"(?P<base>[^.]+(?:\.[^.]+)*)\.(?P<vlan>[0-9]+)")
_VLANS = range(1, 4095)


@dataclass(frozen=True, slots=True)
class Vlan:
    """An 802.1q sub-interface by its name."""

    name: str
    base: str
    vlan: int


def stands_alone(network: Network) -> bool:
    """The network has a stand-in for a parent."""
    return network.internal or not network.options.get(PARENT)


def name_of(network: Network) -> str:
    """The Linux name of the network's parent."""
    if stands_alone(network):
        return names.dummy_parent(network.id)[0]
    return network.options[PARENT]


def needs(network: Network) -> tuple[str, ...]:
    """The host's interfaces without which the network's parent cannot be: itself, and what a VLAN lies on."""
    if stands_alone(network):
        return ()
    parent = network.options[PARENT]
    found = _VLAN.fullmatch(parent)
    return (parent, found["base"]) if found else (parent,)


def validate(network: Network, around: Neighbourhood) -> None:
    """Raise a Refusal when the parent cannot carry this network."""
    if stands_alone(network):
        return
    parent, facts = network.options[PARENT], around.facts
    if parent == "lo":
        raise Failed(f"loopback interface is not a valid {network.driver} parent link")
    there = facts.links.get(parent)
    if there is None:
        _require_vlan(parent, facts)
    elif there.master:
        raise NotAllowed(f"parent interface {parent} is a port of {there.master} and cannot carry {network.driver}")
    for other in (other for other in around.others if other.link == parent):
        if other.driver != network.driver:
            raise NotAllowed(
                f"parent interface {parent} is in use by {other.driver} network {other.name}: "
                f"an interface carries one kind of sub-interface"
            )


def _require_vlan(parent: str, facts: HostFacts) -> Vlan:
    vlan = _as_vlan(parent)
    if vlan.base not in facts.links:
        raise Failed(f"parent interface {vlan.base} of {parent} was not found on the host")
    if "8021q" not in facts.features:
        raise Failed(f"failed to create {parent} vlan link: operation not supported (this kernel has no 8021q)")
    return vlan


def _as_vlan(parent: str) -> Vlan:
    found = _VLAN.fullmatch(parent)
    if found is None:
        raise Failed(f"invalid subinterface vlan name {parent}, example formatting is eth0.10")
    if len(parent) > names.LONGEST:
        raise Failed(f"interface name {parent} is longer than {names.LONGEST} characters")
    vlan = int(found["vlan"])
    if vlan not in _VLANS:
        raise Failed(f"vlan id must be between {_VLANS[0]}-{_VLANS[-1]}, received: {vlan}")
    return Vlan(parent, found["base"], vlan)


def build(network: Network, facts: HostFacts) -> Iterator[Operation]:
    """Make the parent if it is not there."""
    alias = names.tag(facts.owner, names.NETWORK, network.id)
    if stands_alone(network):
        yield from _stand_in(network, facts, alias)
        return
    parent = network.options[PARENT]
    there = facts.links.get(parent)
    if there is None or _ours(parent, facts):
        vlan = _as_vlan(parent)
        yield AddVlan(parent, vlan.base, vlan.vlan, there.alias if there else alias)
    if there is None or not there.up:
        yield SetLink(parent, up=True)


def _stand_in(network: Network, facts: HostFacts, alias: str) -> Iterator[Operation]:
    name, other = names.dummy_parent(network.id)
    if "dummy" in facts.features:
        yield AddDummy(name, alias)
    else:
        yield AddVeth(other, name, HOST, alias=alias)
        yield SetSysctl(f"net/ipv6/conf/{other}/disable_ipv6", "1")
        yield SetLink(name, alias=alias)
    yield SetSysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1")
    yield SetLink(name, up=True)


def raze(network: Network, others: Sequence[Network], facts: HostFacts) -> Iterator[Operation]:
    """Take away what was made for this network and no other one stands on; what another one does is tagged as its."""
    if stands_alone(network):
        yield DelLink(names.dummy_parent(network.id)[0])
        return
    parent = network.options[PARENT]
    if not _ours(parent, facts):
        return
    heir = next((other for other in others if other.link == parent), None)
    if heir is None:
        yield DelLink(parent)
    else:
        yield SetLink(parent, alias=names.tag(facts.owner, names.NETWORK, heir.id))


def _ours(parent: str, facts: HostFacts) -> bool:
    there = facts.links.get(parent)
    return there is not None and names.owner_of(facts.owner, there.alias) is not None

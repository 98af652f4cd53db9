"""The kinds of address management (`--ipam-driver`): whether a network's addresses are its own to give.

Nobody outside compares their names: whoever must know reads the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fairlead.model.errors import Invalid, NotFound
from fairlead.model.network import PoolRequest


@dataclass(frozen=True, slots=True)
class IpamDriver:
    """`pools`: the network has pools, and endpoints get addresses of them. `asks_segment`: the addresses are those of
    the physical segment, and each endpoint asks there for its own, by DHCP."""

    name: str
    pools: bool = True
    asks_segment: bool = False


DEFAULT = "default"
_ALL = (IpamDriver(DEFAULT), IpamDriver("dhcp", pools=False, asks_segment=True))
IPAM_DRIVERS: Mapping[str, IpamDriver] = MappingProxyType({driver.name: driver for driver in _ALL})


def ipam_driver(name: str) -> IpamDriver:
    """The kind of that name; an empty one means default. Raises NotFound."""
    found = IPAM_DRIVERS.get(name or DEFAULT)
    if found is None:
        raise NotFound(f'plugin "{name}" not found')
    return found


def check(driver: IpamDriver, pools: Sequence[PoolRequest], ipv4: bool, ipv6: bool, segment: str) -> None:
    """Refuse a network whose addresses cannot come from where its driver has them from; `segment` is the interface
    to the physical network that its endpoints are on, "" for none. Raises Invalid."""
    if not driver.asks_segment:
        return
    if not segment:
        raise Invalid(
            f"ipam driver {driver.name} asks the physical network for addresses, and this network is not on it: "
            "use driver macvlan, or ipvlan in mode l2, with a parent"
        )
    if pools:
        raise Invalid(
            f"ipam driver {driver.name} takes subnets and gateways from the physical network: "
            "--subnet, --gateway, --ip-range and --aux-address cannot be given"
        )
    if ipv6 or not ipv4:
        raise Invalid(f"ipam driver {driver.name} has IPv4 addresses only")

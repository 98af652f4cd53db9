"""ipvlan networks: containers with addresses of their own behind the parent's one MAC.

In mode l2 they are on the parent's segment; in l3 and l3s the parent routes for them, there is no broadcast, and their
default route is the interface itself. Mode and flag belong to the parent in the kernel: networks that share a parent
share them.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.drivers import endpoint_options, options, parents
from fairlead.core.drivers.contract import Abilities, Neighbourhood
from fairlead.core.drivers.options import Options
from fairlead.core.drivers.sublink import Sublink, mtu_of
from fairlead.core.sandbox import Leg
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed, Invalid, NotAllowed
from fairlead.model.network import Network, NetworkSpec
from fairlead.model.plan import AddMacvlan

MODE, FLAG = "ipvlan_mode", "ipvlan_flag"
L2, L3, L3S = "l2", "l3", "l3s"
FLAGS = ("bridge", "private", "vepa")


def _mode(_key: str, text: str) -> str:
    if text and text not in (L2, L3, L3S):
        raise Failed(f"requested ipvlan mode '{text}' is not valid, 'l2' mode is the ipvlan driver default")
    return text or L2


def _flag(_key: str, text: str) -> str:
    if text and text not in FLAGS:
        raise Failed(f"requested ipvlan flag '{text}' is not valid, 'bridge' is the ipvlan driver default")
    return text or FLAGS[0]


_KNOWN: Mapping[str, options.Parser] = {
    **options.COMMON,
    parents.PARENT: options.link_name,
    MODE: _mode,
    FLAG: _flag,
}


class Ipvlan(Sublink):
    """`docker network create -d ipvlan -o parent=eth0`."""

    name = "ipvlan"
    can = Abilities(own_mac=False)

    def gateway(self, spec: NetworkSpec) -> bool:
        return super().gateway(spec) and _mode(MODE, spec.options.get(MODE, "")) == L2

    def segment(self, network: Network) -> str:
        return super().segment(network) if _way(network)[0] == L2 else ""

    def check_options(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return Options(given, _KNOWN).check()

    def validate(self, network: Network, around: Neighbourhood) -> tuple[str, ...]:
        warnings = self.check_options(network.options)
        options.require_room(mtu_of(network), network.ipv6)
        self._require(around.facts)
        parents.validate(network, around)
        for other in around.others:
            if other.driver == self.name and other.link == self.link(network) and _way(other) != _way(network):
                mode, flag = _way(other)
                raise NotAllowed(
                    f"parent interface {other.link} carries ipvlan network {other.name} in mode {mode}, flag {flag}: "
                    "all ipvlan networks of a parent share them"
                )
        return warnings

    def validate_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        endpoint_options.check(endpoint.spec.driver_opts)
        if endpoint.spec.mac:
            raise Invalid("ipvlan interfaces do not support custom mac address assignment")

    def _interface(self, network: Network, endpoint: Endpoint, ns: str) -> AddMacvlan:
        mode, flag = _way(network)
        return AddMacvlan(self.name, endpoint.ifname, network.link, ns, mode, flag, mtu=mtu_of(network))

    def _is_heard(self, network: Network) -> bool:
        """Without broadcast there is nobody to announce an address to: the kernel takes no such frame."""
        return _way(network)[0] == L2

    def leg(self, network: Network, endpoint: Endpoint) -> Leg:
        routed = _way(network)[0] != L2
        if not routed or parents.stands_alone(network):
            return super().leg(network, endpoint)
        return Leg(
            endpoint.id,
            network.name,
            endpoint.ifname,
            endpoint.spec.gw_priority,
            onlink4=endpoint.ipv4 is not None,
            onlink6=endpoint.ipv6 is not None,
        )


def _way(network: Network) -> tuple[str, str]:
    """Mode and flag."""
    return _mode(MODE, network.options.get(MODE, "")), _flag(FLAG, network.options.get(FLAG, ""))

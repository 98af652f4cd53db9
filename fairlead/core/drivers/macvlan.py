"""macvlan networks: every container with a MAC of its own on the physical network."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.drivers import endpoint_options, options, parents
from fairlead.core.drivers.contract import Abilities, Neighbourhood, Site
from fairlead.core.drivers.options import Options
from fairlead.core.drivers.sublink import Sublink, mtu_of
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed, NotAllowed
from fairlead.model.network import Network
from fairlead.model.plan import AddMacvlan, Plan

MODE = "macvlan_mode"
MODES = ("bridge", "private", "vepa", "passthru")
PASSTHRU = "passthru"


def _mode(_key: str, text: str) -> str:
    if text and text not in MODES:
        raise Failed(f"requested macvlan mode '{text}' is not valid, 'bridge' mode is the macvlan driver default")
    return text or MODES[0]


_KNOWN: Mapping[str, options.Parser] = {**options.COMMON, parents.PARENT: options.link_name, MODE: _mode}


class Macvlan(Sublink):
    """`docker network create -d macvlan -o parent=eth0`."""

    name = "macvlan"
    can = Abilities()

    def check_options(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return Options(given, _KNOWN).check()

    def validate(self, network: Network, around: Neighbourhood) -> tuple[str, ...]:
        warnings = self.check_options(network.options)
        options.require_room(mtu_of(network), network.ipv6)
        self._require(around.facts)
        parents.validate(network, around)
        for other in around.others:
            if other.driver == self.name and other.link == self.link(network):
                _require_room(network, other)
        return warnings

    def validate_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        endpoint_options.check(endpoint.spec.driver_opts)

    def attach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        if _mode_of(network) == PASSTHRU and site.shared:
            raise NotAllowed(
                f"network {network.name} hands its parent interface {network.link} through to one container, "
                "and has one already"
            )
        return super().attach(network, endpoint, site)

    def _interface(self, network: Network, endpoint: Endpoint, ns: str) -> AddMacvlan:
        mode, mtu = _mode_of(network), mtu_of(network)
        return AddMacvlan(self.name, endpoint.ifname, network.link, ns, mode, mac=endpoint.mac, mtu=mtu)


def _require_room(network: Network, other: Network) -> None:
    """Refuse two networks on one parent where one of them hands the parent itself through."""
    if _mode_of(network) == PASSTHRU:
        raise NotAllowed(
            f"cannot use mode passthru, macvlan network {other.id} is already using parent interface {other.link}"
        )
    if _mode_of(other) == PASSTHRU:
        raise NotAllowed(f"macvlan network {other.id} is already using parent interface {other.link} in mode passthru")


def _mode_of(network: Network) -> str:
    return _mode(MODE, network.options.get(MODE, ""))

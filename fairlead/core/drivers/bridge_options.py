"""The options of bridge networks (`com.docker.network.bridge.*` and the common ones), read once into a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from fairlead.core.drivers import options
from fairlead.core.drivers.options import PREFIX, Options
from fairlead.core.firewall.network_rules import GATEWAY_MODES, ISOLATED, NAT, NetworkRules

BRIDGE = f"{PREFIX}bridge."
NAME = f"{BRIDGE}name"
ICC = f"{BRIDGE}enable_icc"
MASQUERADE = f"{BRIDGE}enable_ip_masquerade"
INHIBIT_IPV4 = f"{BRIDGE}inhibit_ipv4"
MODE4, MODE6 = f"{BRIDGE}gateway_mode_ipv4", f"{BRIDGE}gateway_mode_ipv6"
HOST_BINDING = f"{BRIDGE}host_binding_ipv4"
TRUSTED = f"{BRIDGE}trusted_host_interfaces"
SOURCE4, SOURCE6 = f"{PREFIX}host_ipv4", f"{PREFIX}host_ipv6"

_MODE = options.choice(*GATEWAY_MODES)

KNOWN: Mapping[str, options.Parser] = {
    **options.COMMON,
    NAME: options.link_name,
    ICC: options.boolean,
    MASQUERADE: options.boolean,
    INHIBIT_IPV4: options.boolean,
    f"{BRIDGE}default_bridge": options.boolean,
    MODE4: _MODE,
    MODE6: _MODE,
    HOST_BINDING: options.address,
    TRUSTED: options.link_names,
}


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """`inhibit_ipv4` leaves the bridge without its IPv4 gateway address: somebody else on the bridge has it."""

    name: str
    mtu: int
    icc: bool
    masquerade: bool
    inhibit_ipv4: bool
    mode4: str
    mode6: str
    source4: IPv4Address | None
    source6: IPv6Address | None
    trusted: tuple[str, ...]

    def mode(self, version: int) -> str:
        return self.mode4 if version == 4 else self.mode6

    def holds_gateway(self, version: int) -> bool:
        """Whether the bridge itself has the gateway's address."""
        return self.mode(version) != ISOLATED and not (version == 4 and self.inhibit_ipv4)

    def rules(self, link: str, internal: bool) -> NetworkRules:
        return NetworkRules(
            link=link,
            internal=internal,
            icc=self.icc,
            masquerade=self.masquerade,
            mode4=self.mode4,
            mode6=self.mode6,
            source4=self.source4,
            source6=self.source6,
            trusted=self.trusted,
        )


def read(given: Mapping[str, str]) -> BridgeOptions:
    """The options with their defaults; raises Invalid for a bad value."""
    source4, source6 = given.get(SOURCE4), given.get(SOURCE6)
    return BridgeOptions(
        name=given.get(NAME, ""),
        mtu=options.mtu(options.MTU, given.get(options.MTU, "")),
        icc=options.boolean(ICC, given.get(ICC, "true")),
        masquerade=options.boolean(MASQUERADE, given.get(MASQUERADE, "true")),
        inhibit_ipv4=options.boolean(INHIBIT_IPV4, given.get(INHIBIT_IPV4, "false")),
        mode4=_MODE(MODE4, given.get(MODE4, NAT)),
        mode6=_MODE(MODE6, given.get(MODE6, NAT)),
        source4=options.ipv4(SOURCE4, source4) if source4 else None,
        source6=options.ipv6(SOURCE6, source6) if source6 else None,
        trusted=options.link_names(TRUSTED, given.get(TRUSTED, "")),
    )


def check(given: Mapping[str, str]) -> tuple[str, ...]:
    """Warnings; raises Invalid for a bad value."""
    return Options(given, KNOWN).check()

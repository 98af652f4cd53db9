"""The networks that every daemon has: `bridge` as the daemon is configured, `host` and `none`.

The default bridge network follows the configuration of now: if another one would be made today, it gets a new id at
the start of the daemon, as Docker's always does. While containers run on it, it stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface

from fairlead.core.drivers import bridge_options, names, options
from fairlead.core.drivers.contract import Neighbourhood
from fairlead.core.drivers.registry import DRIVERS
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.networks.creation import DEFAULT_DRIVER, Ground, with_pools
from fairlead.engine.networks.networks import Networks
from fairlead.engine.sandboxes.wishes import DEFAULT_BRIDGE, HOST, NONE
from fairlead.model.config import DefaultBridge
from fairlead.model.errors import Failed, Refusal
from fairlead.model.network import Network, NetworkSpec, PoolRequest

NO_BRIDGE = "none"
_DEFAULT = f"{bridge_options.BRIDGE}default_bridge"

_log = logging.getLogger("fairlead.engine.networks")


class DefaultNetworks:
    def __init__(self, fabric: Fabric, networks: Networks) -> None:
        self._fabric = fabric
        self._state = fabric.state
        self._networks = networks

    async def ensure(self) -> None:
        """Make what is missing. Raises Failed when docker0 is somebody else's."""
        await self._ensure_plain(HOST, "host")
        await self._ensure_plain(NONE, "null")
        await self._ensure_bridge(self._fabric.config.bridge)

    async def _ensure_plain(self, name: str, driver: str) -> None:
        if self._state.find_network(name) is None:
            network = Network(self._fabric.entropy.local_id(), name, driver, self._fabric.clock.now())
            await self._networks.make(network, self._around())

    async def _ensure_bridge(self, wanted: DefaultBridge) -> None:
        there = self._state.find_network(DEFAULT_BRIDGE)
        if there is not None and self._state.users_of(there.id):
            if there.link != wanted.name:
                _log.warning("containers run on the default bridge: its new configuration has to wait")
            return
        if wanted.name != NO_BRIDGE:
            self._refuse_foreign(wanted)
        if there is not None:
            if self._would_be_made_again(there, wanted):
                return
            await self._networks.unmake(there)
            await self._fabric.host.look()
        if wanted.name != NO_BRIDGE:
            await self._networks.make(self._bridge(wanted, self._networks.ground()), self._around())

    def _would_be_made_again(self, there: Network, wanted: DefaultBridge) -> bool:
        """Just as it is. Whatever is not there of it in the kernel, reconciliation makes again."""
        if wanted.name != there.link:
            return False
        try:
            made = self._bridge(wanted, self._networks.ground().without(there))
        except Refusal:
            return False
        return replace(made, id=there.id, created=there.created) == there

    def _refuse_foreign(self, wanted: DefaultBridge) -> None:
        """Never take over a bridge that somebody else made; only a bridge that was named with --bridge is shared."""
        facts = self._fabric.host.facts
        there = facts.links.get(wanted.name)
        if not wanted.own and there is None:
            raise Failed(f"the bridge {wanted.name} does not exist: --bridge takes the name of one that does")
        if wanted.own and there is not None and names.owner_of(facts.owner, there.alias) is None:
            raise Failed(
                f"{wanted.name} exists and does not belong to this daemon: remove it, or give another bridge with "
                "--bridge (--bridge none for no default network)"
            )

    def _around(self) -> Neighbourhood:
        return Neighbourhood(self._fabric.host.facts, tuple(self._state.networks.values()))

    def _bridge(self, wanted: DefaultBridge, ground: Ground) -> Network:
        fabric, driver = self._fabric, DRIVERS[DEFAULT_DRIVER]
        network = Network(
            fabric.entropy.local_id(),
            DEFAULT_BRIDGE,
            driver.name,
            fabric.clock.now(),
            ipv6=wanted.ipv6 or wanted.fixed_cidr6 is not None,
            options=self._options(wanted),
        )
        spec = NetworkSpec(DEFAULT_BRIDGE, pools=tuple(self._pools(wanted)))
        network = with_pools(network, spec, driver, ground)
        pools = tuple(replace(pool, requested=True, gateway_shown=True) for pool in network.pools)
        return replace(network, pools=pools, link=driver.link(network))

    def _options(self, wanted: DefaultBridge) -> dict[str, str]:
        config = self._fabric.config
        return {
            _DEFAULT: "true",
            bridge_options.ICC: str(wanted.icc).lower(),
            bridge_options.MASQUERADE: str(config.ip_masq).lower(),
            bridge_options.HOST_BINDING: str(config.publish_address),
            bridge_options.NAME: wanted.name,
            options.MTU: str(wanted.mtu),
        }

    def _pools(self, wanted: DefaultBridge) -> Iterator[PoolRequest]:
        """What the flags say about addresses; a bridge that exists has its own."""
        bip = wanted.bip or (None if wanted.own else self._address_of(wanted.name))
        if bip is not None:
            ip_range = "" if wanted.fixed_cidr is None else str(wanted.fixed_cidr)
            yield PoolRequest(str(bip.network), ip_range, str(wanted.gateway or bip.ip))
        elif wanted.fixed_cidr is not None:
            yield PoolRequest(str(wanted.fixed_cidr), gateway=str(wanted.gateway or ""))
        if wanted.fixed_cidr6 is not None:
            yield PoolRequest(str(wanted.fixed_cidr6), gateway=str(wanted.gateway6 or ""))

    def _address_of(self, link: str) -> IPv4Interface | None:
        """The first IPv4 address of a bridge that somebody else made."""
        facts = self._fabric.host.facts
        own = (address for holder, address in facts.held if holder == link and address.version == 4)
        address = next(own, None)
        if address is None:
            return None
        routes = (route for route in facts.routes if route.version == 4 and address in route)
        length = max((route.prefixlen for route in routes), default=32)
        return IPv4Interface((str(address), length))

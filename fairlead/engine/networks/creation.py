"""From `docker network create` as typed to the network that will exist, or the reason why not.

Everything is checked against the networks that exist, the driver and the ground before anything is made; nothing here
waits or changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fairlead.core.drivers.contract import Driver, Neighbourhood
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.ipam import drivers as ipam
from fairlead.core.ipam import pools as ipam_pools
from fairlead.core.ipam import request
from fairlead.core.ipam.blocks import parse_address, parse_block
from fairlead.model.config import AddressPool
from fairlead.model.errors import Conflict, Invalid, NotAllowed, NotFound
from fairlead.model.host import HostFacts
from fairlead.model.network import LOCAL, PREDEFINED, SWARM, Network, NetworkSpec, Pool, PoolRequest

DEFAULT_DRIVER, CONFIG_ONLY_DRIVER = "bridge", "null"
SWARM_DRIVERS = frozenset({"overlay"})
NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to '
    "swarm and try again."
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a new network has to fit in: those that exist or are being made, the host, and where addresses come from.

    `seed` is something of this host's own, for its unique local IPv6 pool.
    """

    networks: tuple[Network, ...]
    facts: HostFacts
    pools: tuple[AddressPool, ...]
    seed: bytes

    def named(self, name: str) -> Network | None:
        return next((network for network in self.networks if network.name == name), None)

    def without(self, network: Network) -> Ground:
        """As if the network were not there, nor its link. A route of somebody else's to the very same subnet cannot be
        told from its own."""
        facts, subnets = self.facts, {pool.subnet for pool in network.pools}
        own = {address for link, address in facts.held if link == network.link}
        facts = replace(
            facts,
            links={name: link for name, link in facts.links.items() if name != network.link},
            routes=tuple(route for route in facts.routes if route not in subnets),
            addresses=tuple(address for address in facts.addresses if address not in own),
            held=tuple(held for held in facts.held if held[0] != network.link),
        )
        return replace(self, networks=tuple(one for one in self.networks if one.id != network.id), facts=facts)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a network does not choose itself."""

    id: str
    created: int


def resolve(spec: NetworkSpec, ground: Ground, identity: Identity) -> tuple[Network, tuple[str, ...]]:
    """The network that was asked for, every choice made, and warnings. Raises `Refusal`."""
    _check_words(spec, ground)
    if spec.config_only:
        return _config_only(spec, identity), ()
    spec = _with_configuration(spec, ground)
    driver = _driver(spec)
    request.validate(spec.pools, bool(spec.enable_ipv6))
    network = _outline(spec, driver, identity)
    ipam.check(ipam.ipam_driver(spec.ipam_driver), spec.pools, network.ipv4, network.ipv6, driver.segment(network))
    network = with_pools(network, spec, driver, ground)
    network = replace(network, link=driver.link(network))
    warnings = driver.validate(network, Neighbourhood(ground.facts, ground.networks))
    return network, tuple(warnings)


def with_pools(network: Network, spec: NetworkSpec, driver: Driver, ground: Ground) -> Network:
    """The network with its address pools chosen, if its driver gives out addresses."""
    if not (driver.can.addressed and ipam.ipam_driver(network.ipam_driver).pools):
        return network
    real = (other for other in ground.networks if not other.config_only)
    space = ipam_pools.space(ground.facts, real, ground.pools, ground.seed)
    wish = request.Wish(spec.pools, network.ipv4, network.ipv6, driver.gateway(spec))
    typed = {str(block[1]) for pool in spec.pools if pool.gateway and (block := parse_block(pool.subnet))}
    pools = (
        replace(pool, gateway_shown=not pool.requested or str(pool.subnet) in typed)
        for pool in request.resolve(wish, space)
    )
    return replace(network, pools=tuple(pools))


def _check_words(spec: NetworkSpec, ground: Ground) -> None:
    """What can be refused from the words alone, in Docker's order."""
    if not spec.name:
        raise Invalid("invalid name: name is empty")
    if spec.name in (*PREDEFINED, "default"):
        raise NotAllowed(f"operation is not permitted on predefined {spec.name} network ")
    if ground.named(spec.name) is not None:
        raise Conflict(f"network with name {spec.name} already exists")
    if spec.config_only and (spec.internal or spec.attachable or spec.ingress or spec.scope):
        raise NotAllowed(
            "configuration network can only contain network specific fields. Network operator fields like "
            "[ ingress | internal | attachable | scope ] are not supported."
        )
    if spec.config_only and spec.config_from:
        raise NotAllowed("a configuration network cannot depend on another configuration network")
    ipam.ipam_driver(spec.ipam_driver)
    if spec.enable_ipv4 is False and not spec.enable_ipv6:
        raise Invalid("IPv4 or IPv6 must be enabled")


def _driver(spec: NetworkSpec) -> Driver:
    """The driver of a network that this host makes alone."""
    name = spec.driver or DEFAULT_DRIVER
    if name in SWARM_DRIVERS:
        raise NotAllowed(NOT_A_MANAGER)
    if spec.scope == SWARM:
        raise NotAllowed("cannot create a swarm scoped network when swarm is not active")
    if spec.ingress:
        raise NotAllowed("Ingress network can only be global scope network")
    driver = DRIVERS.get(name)
    if driver is None:
        raise NotFound(f'plugin "{name}" not found')
    if driver.can.singleton:
        raise NotAllowed(f'only one instance of "{name}" network is allowed')
    return driver


def _outline(spec: NetworkSpec, driver: Driver, identity: Identity) -> Network:
    return Network(
        id=identity.id,
        name=spec.name,
        driver=driver.name,
        created=identity.created,
        scope=spec.scope or LOCAL,
        internal=spec.internal,
        attachable=spec.attachable,
        ipv4=spec.enable_ipv4 is not False,
        ipv6=bool(spec.enable_ipv6),
        ipam_driver=spec.ipam_driver or ipam.DEFAULT,
        ipam_options=spec.ipam_options,
        options=spec.options,
        labels=spec.labels,
        config_from=spec.config_from,
    )


# --- configuration-only networks ------------------------------------------------------------------


def _config_only(spec: NetworkSpec, identity: Identity) -> Network:
    """A network that is nothing but settings for others."""
    request.validate(spec.pools, ipv6=True)
    return Network(
        id=identity.id,
        name=spec.name,
        driver=CONFIG_ONLY_DRIVER,
        created=identity.created,
        ipv4=spec.enable_ipv4 is not False,
        ipv6=bool(spec.enable_ipv6),
        ipam_driver=spec.ipam_driver or ipam.DEFAULT,
        ipam_options=spec.ipam_options,
        pools=tuple(_kept(spec.pools)),
        options=spec.options,
        labels=spec.labels,
        config_only=True,
    )


def _kept(requests: Iterable[PoolRequest]) -> Iterable[Pool]:
    for asked in requests:
        block, within = parse_block(asked.subnet), parse_block(asked.ip_range)
        if block is not None:
            aux = {name: address for name, text in asked.aux.items() if (address := parse_address(text))}
            yield Pool(block[1], parse_address(asked.gateway), within and within[1], aux, requested=True)


def _asked(pool: Pool) -> PoolRequest:
    aux = {name: str(address) for name, address in pool.aux.items()}
    return PoolRequest(str(pool.subnet), str(pool.ip_range or ""), str(pool.gateway or ""), aux)


def _with_configuration(spec: NetworkSpec, ground: Ground) -> NetworkSpec:
    """The spec with the settings of the configuration network that it names, if it names one."""
    if not spec.config_from:
        return spec
    source = ground.named(spec.config_from)
    if source is None or not source.config_only:
        raise NotFound(f'configuration network "{spec.config_from}" does not exist')
    if spec.pools or spec.options or spec.labels or spec.ipam_options or spec.enable_ipv6:
        raise NotAllowed(
            "user specified configurations are not supported if the network depends on a configuration network"
        )
    return replace(
        spec,
        pools=tuple(_asked(pool) for pool in source.pools),
        options=source.options,
        labels=source.labels,
        ipam_driver=source.ipam_driver,
        ipam_options=source.ipam_options or spec.ipam_options,
        enable_ipv4=source.ipv4,
        enable_ipv6=source.ipv6,
    )

"""The host as a router: on when a network needs it, per IP version, unless the user said `--ip-forward=false`.

A Linux host that routes IPv6 stops listening to router advertisements, and would lose its own default route with the
next one it misses. An uplink that listens is therefore told to go on (`accept_ra` 2) before forwarding is turned on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from fairlead.core.firewall import ground
from fairlead.engine.fabric.fabric import Fabric
from fairlead.model.network import Network
from fairlead.model.plan import Operation, Plan, SetSysctl

_log = logging.getLogger("fairlead.engine.forwarding")


async def turn_on(fabric: Fabric, networks: Iterable[Network]) -> None:
    """What these networks need beside IPv4, which every host with a daemon forwards."""
    if not fabric.config.ip_forward:
        return
    versions = (4, 6) if any(network.ipv6 and not network.internal for network in networks) else (4,)
    for version in versions:
        wanted = ground.forwarding(version)
        if await fabric.kernel.missing([wanted]):
            keep = await _listening(fabric) if version == 6 else ()
            await fabric.kernel.apply(Plan((*keep, wanted)))
            _log.info("turned IPv%d forwarding on: containers reach the outside through this host", version)


async def _listening(fabric: Fabric) -> tuple[Operation, ...]:
    """What keeps the uplink listening to router advertisements, if it does."""
    uplink = fabric.host.facts.uplink
    path = f"net/ipv6/conf/{uplink}/accept_ra"
    if not uplink or await fabric.kernel.missing([SetSysctl(path, "1")]):
        return ()
    return (SetSysctl(path, "2"),)

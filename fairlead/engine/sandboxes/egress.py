"""The way out for containers whose networks have none: a leg on `docker_gwbridge`, of which they are not told.

It is an ordinary bridge network of this host on which containers cannot talk to each other. The leg is the container's
default route and carries its published ports; it comes with the first network that is no way out by itself and goes
when it is not needed any more. It has no names, and belongs to the engine, not to the container's wishes.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.drivers import bridge_options
from fairlead.core.drivers.registry import DRIVERS
from fairlead.engine.state import State
from fairlead.model.attachment import Attachment
from fairlead.model.errors import Failed
from fairlead.model.network import Network, NetworkSpec

NAME = "docker_gwbridge"

SPEC = NetworkSpec(
    NAME,
    driver="bridge",
    options={
        bridge_options.ICC: "false",
        bridge_options.MASQUERADE: "true",
        bridge_options.NAME: NAME,
    },
)

WISH = Attachment(NAME, egress=True)


def needed(networks: Iterable[Network]) -> bool:
    """Whether a container on these networks would have no way out although it may go out."""
    open_ones = [network for network in networks if not network.internal]
    return any(_shut(network) for network in open_ones) and all(_shut(network) for network in open_ones)


def _shut(network: Network) -> bool:
    return not DRIVERS[network.driver].can.leads_out


def network(state: State) -> Network:
    """Raises Failed when somebody removed it."""
    found = state.find_network(NAME)
    if found is None:
        raise Failed(f"the network {NAME}, over which containers of swarm networks reach the outside, is missing")
    return found

"""Swarm networks on this host: known here while a container of this host is on them, and where the others' lie.

The swarm decides about networks and addresses; what it says is kept (a network as an ordinary `Network` of scope
swarm, the underlay as a document), so that after a restart everything stands before the swarm is heard again. The
remote endpoints are not kept: discovery tells them anew, and until it has told all of them (`told`), what the kernel
forwards to stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.engine.fabric import Fabric
from fairlead.engine.networks import Networks
from fairlead.model.discovery import Presence
from fairlead.model.network import Address
from fairlead.model.swarm.cluster import EncryptionKey
from fairlead.model.swarm.network import SwarmNetwork


class Overlays:
    """One per engine, from its birth. Nothing of it needs a swarm to be there."""

    def __init__(self, fabric: Fabric, networks: Networks) -> None:
        raise NotImplementedError

    # --- what the swarm decides -------------------------------------------------------------------

    async def enter(self, data_address: Address, port: int) -> None:
        """This host is in a swarm: its overlay packets arrive at this address and UDP port. Makes `docker_gwbridge`.
        Idempotent; a changed address or port moves every network over."""
        raise NotImplementedError

    async def leave(self) -> None:
        """No swarm any more: every swarm network is forgotten, and packets of all peers are refused."""
        raise NotImplementedError

    async def ensure(self, network: SwarmNetwork, data_address: Address, port: int) -> None:
        """From now on containers can be put on it by its id or name. Idempotent; nothing is in the kernel before its
        first endpoint. Raises Refusal with the reason when this host cannot have such a network."""
        raise NotImplementedError

    async def release(self, network_id: str) -> None:
        """No container of this host is on it any more: it is forgotten and everything of it removed."""
        raise NotImplementedError

    async def peers(self, addresses: Iterable[Address]) -> None:
        """The data addresses of all other nodes, each time all of them: only from there overlay packets are taken."""
        raise NotImplementedError

    async def keys(self, keys: Sequence[EncryptionKey], primary: int) -> None:
        """The swarm's IPsec keys, all of them each time; `primary` is the Lamport time of the one to send with."""
        raise NotImplementedError

    # --- what the other nodes tell ----------------------------------------------------------------

    def remote(self, network_id: str, presence: Presence) -> None:
        """An endpoint on another node: new, or changed. Written to the kernel in batches, within milliseconds."""
        raise NotImplementedError

    def remote_gone(self, network_id: str, endpoint_id: str) -> None:
        """It is not there any more."""
        raise NotImplementedError

    def told(self, network_id: str) -> None:
        """Every remote endpoint that is known anywhere has been told since the start: what the kernel still forwards
        beyond them is stale and goes. To be called once the network's table has been compared with another node's."""
        raise NotImplementedError

    async def settled(self) -> None:
        """Returns when everything that was told until now is in the kernel."""
        raise NotImplementedError

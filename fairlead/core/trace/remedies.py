"""What would let a packet pass that is stopped, in commands.

Of our own table the rules say by their comments what they are for; of others' only the chain can be shown.
"""

from __future__ import annotations

from fairlead.core.firewall.fate import Packet, Step
from fairlead.core.firewall.table import NAME, USER_NAME
from fairlead.model.network import Address
from fairlead.model.trace import Known, Question

_OURS = {
    "what was not published is closed": "publish the port: docker run -p {port}:{port} ... for {target}",
    "networks are apart": "docker network connect {network} {source}, or publish the port",
    "internal networks speak to nobody else": "{source} is on internal networks only: docker network connect another",
    "nobody else speaks to internal networks": "docker network connect {network} {source}: it is internal (--internal)",
    "loopback addresses never come from a wire": "publish the port at another address than 127.0.0.1",
    "a forged source: no way back to this bridge": "send from an address of the network",
    "nobody serves this virtual address": "docker service ps {target}: none of its tasks takes connections",
    "the backend of this connection is gone": "connect anew",
}


def for_step(question: Question, known: Known, step: Step) -> str:
    """The command for a rule that dropped a packet."""
    if step.table == NAME and step.rule in _OURS:
        return _OURS[step.rule].format(
            source=question.source,
            target=_owner(known, step.packet.destination) or question.target,
            port=step.packet.dport or "PORT",
            network=_network(known, step.packet.destination) or "NETWORK",
        )
    if step.table == USER_NAME:
        return f"it is your own rule: nft --handle list chain {step.family} {step.table} {step.chain}"
    accept = "accept" if step.family == "inet" else f"{step.family} daddr {step.packet.destination} accept"
    if not step.rule:
        return f"nft insert rule {step.family} {step.table} {step.chain} {accept}"
    return f"nft --handle list chain {step.family} {step.table} {step.chain}; it is not Fairlead's"


def no_route(known: Known, ns: str, packet: Packet) -> str:
    network = _network(known, packet.destination)
    if network:
        return f"docker network connect {network} {known.place(ns)}" if ns else ""
    return "" if not ns else f"connect {known.place(ns)} to a network that leads there (not --internal)"


def _owner(known: Known, address: Address) -> str:
    return next((one.container for one in known.endpoints if address in one.addresses), "")


def _network(known: Known, address: Address) -> str:
    return next((one.network for one in known.endpoints if address in one.addresses), "")

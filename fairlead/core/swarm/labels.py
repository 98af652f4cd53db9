"""What users say by labels because Docker has no option for it.

On a service, `com.fairlead.mesh.snat` names the published ports whose tasks shall see the entering node's address in
place of the client's: "true" for all of them, or some, as in "8080,53/udp". On a node, `com.fairlead.balance.weight`
is the share (0 to 100, else 1) that each of its tasks takes of a service's new connections: a machine twice as large
gets 2, one that is to be spared 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.model.errors import Invalid
from fairlead.model.swarm.endpoint import INGRESS, PortConfig

SNAT, WEIGHT = "com.fairlead.mesh.snat", "com.fairlead.balance.weight"
HEAVIEST = 100
_ALL, _NONE = "true", ("", "false")


def translated(labels: Mapping[str, str], port: PortConfig) -> bool:
    """Shall the entering node translate the address of the port's clients?"""
    wish = labels.get(SNAT, "")
    return wish == _ALL or (wish not in _NONE and port.text in _ports(wish))


def check_service(labels: Mapping[str, str], ports: Iterable[PortConfig]) -> None:
    """Raises Invalid for ports that the service does not publish through the mesh."""
    wish = labels.get(SNAT, "")
    if wish == _ALL or wish in _NONE:
        return
    published = [port.text for port in ports if port.mode == INGRESS and port.published]
    for text in _ports(wish):
        if text not in published:
            there = ", ".join(published) or "none with a number"
            raise Invalid(
                f'invalid value "{wish}" of label {SNAT}: the service publishes no port {text} in ingress mode '
                f'(it publishes {there}); say "true" for all ports, or some of them'
            )


def weight(labels: Mapping[str, str]) -> int:
    """The share of a task on a node with these labels."""
    text = labels.get(WEIGHT, "")
    return int(text) if _is_weight(text) else 1


def check_node(labels: Mapping[str, str]) -> None:
    """Raises Invalid for what is no share."""
    text = labels.get(WEIGHT)
    if text is not None and not _is_weight(text):
        raise Invalid(f'invalid value "{text}" of label {WEIGHT}: must be a number from 0 to {HEAVIEST}')


def _is_weight(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(HEAVIEST)) and int(text) <= HEAVIEST


def _ports(wish: str) -> list[str]:
    """PORT/PROTOCOL of each."""
    texts = (text.strip() for text in wish.split(","))
    return [text if "/" in text else f"{text}/tcp" for text in texts]

"""Sandboxes: the network stack that a running container lives in."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.dns import DnsPorts

INGRESS = "ingress-sbox"
"""What stands for a container where the sandbox is the node's own end of the routing mesh."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`id` is 64 hex digits, `ns` the path of its namespace file, "" for the host's own stack.

    `ipv6` tells whether new interfaces in it come up with IPv6. `dns` is where its resolver listens, once it has
    one: its rules lead there, so a new daemon listens at the same place. Containers that join another one's stack
    have no sandbox of their own.
    """

    id: str
    container_id: str
    ns: str
    ipv6: bool = False
    dns: DnsPorts | None = None

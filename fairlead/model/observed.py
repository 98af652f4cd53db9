"""What the hands saw in the kernel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObservedLink:
    """A link as the kernel has it; `alias` tells the owner."""

    name: str
    index: int
    kind: str
    mac: str
    mtu: int
    up: bool
    master: str
    alias: str
    group: int = 0
    peer_ns: bool = False


@dataclass(frozen=True, slots=True)
class Drift:
    """Something changed that the daemon did not do; sent by the monitor, answered by reconcile.

    `what` is "link-gone", "link-down" or "link-cut" (ours; the last has left its bridge or lost its other end),
    "link-new" (anybody's, also when renamed), "table-gone" or "element-gone", with the link or table as `name`;
    "address-gone": addresses or routes, here or in a sandbox; "rules-gone" or "entry-gone": something of our tables, or
    a forwarding or neighbour entry, in the namespace `name`; or "messages-lost": anything may have changed.
    """

    what: str
    name: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What an ESP association has carried, and how many packets it `rejected` because they were not what the other end
    had sealed."""

    packets: int = 0
    bytes: int = 0
    rejected: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.packets + other.packets, self.bytes + other.bytes, self.rejected + other.rejected)

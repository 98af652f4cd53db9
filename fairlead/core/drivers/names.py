"""Linux names of what drivers make, as Docker's users know them, and the tags that tell whose it is.

Every link carries an alias `<owner>:<kind>:<id>`; `owner` is the daemon's (`HostFacts.owner`), so that another
daemon's links, or a user's, are never taken for ours.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fairlead.model.ids import short

LONGEST = 15
"""IFNAMSIZ without its terminating zero."""

NETWORK, ENDPOINT = "network", "endpoint"
_VETH_DIGITS = 7


def bridge(network_id: str) -> str:
    return f"br-{short(network_id)}"


def removed(network_id: str) -> str:
    """What a network's bridge is called while it waits for its end."""
    return f"gone-{network_id[:10]}"


def segment_bridge(network_id: str, segment: int) -> str:
    """The bridge of a further segment of a network's chain."""
    return f"br-{network_id[:10]}.{segment:x}"


def trunk(network_id: str, segment: int) -> tuple[str, str]:
    """The veth pair between the network's own bridge and a segment's: (end at the network's, end at the segment's)."""
    return f"dn-{network_id[:10]}.{segment:x}", f"up-{network_id[:10]}.{segment:x}"


def dummy_parent(network_id: str) -> tuple[str, str]:
    """The parent that stands for no parent, and its other end where it has to be a veth pair."""
    return f"dm-{short(network_id)}", f"dp-{short(network_id)}"


def host_end(endpoint_id: str, taken: Collection[str]) -> str:
    """The host's end of an endpoint's veth pair: `veth` and seven digits of its id, the first that nobody has."""
    pieces = (endpoint_id[at : at + _VETH_DIGITS] for at in range(len(endpoint_id) - _VETH_DIGITS + 1))
    return next(name for piece in pieces if (name := f"veth{piece}") not in taken)


@dataclass(frozen=True, slots=True)
class Owned:
    """What a link is for: `kind` is NETWORK or ENDPOINT, `id` the object's."""

    kind: str
    id: str


def tag(owner: str, kind: str, object_id: str) -> str:
    return f"{owner}:{kind}:{object_id}"


def owner_of(owner: str, alias: str) -> Owned | None:
    """What a link with this `alias` is for, or None when it is not this owner's."""
    prefix = f"{owner}:"
    if not alias.startswith(prefix):
        return None
    kind, _, object_id = alias[len(prefix) :].partition(":")
    return Owned(kind, object_id)

"""Which hosts, switches and routers a lab has: from a few names, or from a file.

`parts` are the values, `resolving` fills in what was left open, `soundness` refuses what cannot be built, and
`topology_file` reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network

from fairlead.lab.parts import OUTSIDE, Host, Link, Router, Switch, Topology
from fairlead.lab.soundness import complete
from fairlead.lab.topology_file import parse, read
from fairlead.model.errors import Invalid

__all__ = ["OUTSIDE", "Host", "Link", "Router", "Switch", "Topology", "complete", "parse", "read", "simple"]


def simple(
    names: Sequence[str],
    subnet: str = "192.168.50.0/24",
    roles: Mapping[str, str] | None = None,
    uplink: bool = False,
) -> Topology:
    """Hosts on one switch behind one router: what `lab up --hosts N` makes. Raises `Invalid` for a name that cannot be
    one, and for a subnet that is none or too small."""
    try:
        network = IPv4Network(subnet)
    except ValueError as error:
        raise Invalid(f"subnet: {error}; give one such as 192.168.50.0/24") from error
    hosts = {name: Host(name, (Link("lan"),), role=(roles or {}).get(name, "")) for name in names}
    router = Router(OUTSIDE, (Link("lan"),), uplink=uplink)
    return complete(Topology({"lan": Switch("lan", network)}, hosts, {OUTSIDE: router}))

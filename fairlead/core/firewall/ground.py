"""What the kernel's own parameters have to be for the packet filter to mean what it says."""

from __future__ import annotations

from collections.abc import Collection

from fairlead.model.plan import HOST, SetSysctl

BRIDGE_NETFILTER = "br_netfilter"
_TABLES = ("iptables", "ip6tables", "arptables")


def settings(features: Collection[str], ns: str = HOST) -> tuple[SetSysctl, ...]:
    """For a namespace with bridges, on a kernel with these `features` (`HostFacts.features`).

    Packets that a bridge passes on between its own ports are no business of the IP filter: they would be tracked,
    which costs, and a published port used from its own network would be translated halfway, before the bridge sends
    the packet straight on. Kernels with br_netfilter ask for it in every new namespace, so it is turned off.
    """
    if BRIDGE_NETFILTER not in features:
        return ()
    return tuple(SetSysctl(f"net/bridge/bridge-nf-call-{table}", "0", ns) for table in _TABLES)


def forwarding(version: int) -> SetSysctl:
    """Let the host pass packets of IP `version` on."""
    return SetSysctl("net/ipv4/ip_forward" if version == 4 else "net/ipv6/conf/all/forwarding", "1")

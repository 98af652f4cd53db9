"""The table inside a sandbox: the resolver's well-known address, led to the sockets that the daemon holds there.

The daemon's sockets listen on 127.0.0.11 at ports that the kernel picked; a container asks port 53. Connection
tracking turns the answers round, so the container sees them come from 127.0.0.11:53.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from fairlead.core.firewall.table import DSTNAT, FAMILY, NAME, PORT, PROTOCOL
from fairlead.model.ruleset import Chain, DnatTo, Match, Meta, Payload, Rule, Table

RESOLVER = IPv4Address("127.0.0.11")
_TCP, _UDP, _DNS, _IPV4 = 6, 17, 53, 2


def sandbox_table(udp_port: int, tcp_port: int) -> Table:
    """The table of a sandbox whose resolver listens on these ports of 127.0.0.11."""
    asked = (Match(Meta("nfproto"), "==", _IPV4), Match(Payload("ip", "daddr"), "==", RESOLVER))
    rules = (
        Rule(
            (*asked, Match(PROTOCOL, "==", protocol), Match(PORT, "==", _DNS), DnatTo("ip", RESOLVER, port)),
            "names are answered by the daemon",
        )
        for protocol, port in ((_UDP, udp_port), (_TCP, tcp_port))
    )
    return Table(FAMILY, NAME, chains=(Chain("output", tuple(rules), "nat", "output", DSTNAT),))

"""The table inside a sandbox: the resolver's well-known address, led to the sockets that the daemon holds there.

The daemon's sockets listen on 127.0.0.11 at ports that the kernel picked; a container asks port 53. Loopback has its
own ingress hook: there the port of a question is rewritten on its way in, and that of an answer on its way back.

No connection is tracked and no rule stands in the way of any other interface. Connection tracking, which a single rule
of type nat switches on for a whole namespace, would cost every packet of the container some 8 % of its round trip.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from fairlead.core.firewall.table import NAME
from fairlead.model.ruleset import Chain, Match, Payload, Rule, SetPayload, Table, Verdict

RESOLVER = IPv4Address("127.0.0.11")
FAMILY = "netdev"
_DNS = 53
_COMMENT = "names are answered by the daemon"


def resolver_table(udp_port: int, tcp_port: int) -> Table:
    """The table of a sandbox whose resolver listens on these ports of 127.0.0.11."""
    ports = (("udp", udp_port), ("tcp", tcp_port))
    asked = Chain("asked", tuple(_rewritten(protocol, "dport", _DNS, port) for protocol, port in ports))
    answered = Chain("answered", tuple(_rewritten(protocol, "sport", port, _DNS) for protocol, port in ports))
    ways = tuple(
        Rule((Match(Payload("ip", end), "==", RESOLVER), Verdict("goto", chain.name)), _COMMENT)
        for end, chain in (("daddr", asked), ("saddr", answered))
    )
    base = Chain("resolver", ways, "filter", "ingress", device="lo")
    return Table(FAMILY, NAME, chains=(asked, answered, base))


def _rewritten(protocol: str, end: str, seen: int, written: int) -> Rule:
    field = Payload(protocol, end)
    return Rule((Match(field, "==", seen), SetPayload(field, written)), _COMMENT)

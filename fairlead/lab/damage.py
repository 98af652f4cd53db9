"""The faults in force in a lab: put on the fabric and on the ends of cables, and written down so that they outlive the
tool and the reboot of a host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from fairlead.lab import faults, record, underlay
from fairlead.lab.faults import Impairment
from fairlead.lab.node import Node
from fairlead.lab.parts import Host, Router, Topology
from fairlead.lab.record import Record
from fairlead.model.errors import Failed, Invalid, NotFound, Unsupported


class Damage:
    """`node_of` finds a running node by its name."""

    def __init__(self, remembered: Record, node_of: Callable[[str], Node]) -> None:
        self._record = remembered
        self._node_of = node_of
        self._topology: Topology = remembered.topology

    def cut(self, a: str, b: str) -> None:
        """By their ports, and by their addresses for what would go round by a router."""
        one, other = self._known(a), self._known(b)
        if a == b:
            raise Invalid(f'cut: "{a}" and "{b}" are the same node; name two, or isolate one')
        self._record.cuts += product(self._ports(a), self._ports(b))
        self._record.apart += product(_addresses(one), _addresses(other))
        self._enforce_cuts()

    def isolate(self, name: str) -> None:
        self._known(name)
        others = [cable.port for cable in underlay.cables(self._topology) if cable.node != name]
        self._record.cuts += product(self._ports(name), others)
        self._enforce_cuts()

    def impair(self, link: str, impairment: Impairment) -> None:
        cable = self.find_cable(link)
        self._impose(cable, impairment)
        self._record.impaired[cable.port] = impairment
        record.save(self._record)

    def heal(self) -> None:
        self._fabric.nft(faults.heal_rules())
        for cable in self._impaired():
            self._fabric.nft(faults.unimpaired(cable.port))
            for node, interface in self._ends(cable):
                node.run_on_network(["tc", "qdisc", "del", "dev", interface, "root"], check=False)
        self._record.cuts, self._record.apart, self._record.impaired = [], [], {}
        record.save(self._record)

    def reimpose(self, name: str) -> None:
        """On the new cables of a node that came back."""
        for cable in self._impaired():
            if cable.node == name:
                self._impose(cable, self._record.impaired[cable.port])

    def find_cable(self, name: str) -> underlay.Cable:
        """By "host1:eth0", or by "host1" where it has just one. Raises `NotFound` with those that there are."""
        found = underlay.find_cable(self._topology, name)
        if found is None:
            known = ", ".join(cable.name for cable in underlay.cables(self._topology))
            raise NotFound(f'lab "{self._record.name}" has no link "{name}"; links: {known}')
        return found

    def described(self) -> list[str]:
        """Each fault in force in words, for a drawing."""
        names = {cable.port: cable.name for cable in underlay.cables(self._topology)}
        pairs = dict.fromkeys(frozenset((names[a], names[b])) for a, b in self._record.cuts)
        cuts = [" x ".join(sorted(pair)) for pair in pairs]
        impaired = [f"{cable.name} {self._record.impaired[cable.port]}" for cable in self._impaired()]
        return [*(f"cut: {cut}" for cut in cuts), *(f"impaired: {text}" for text in impaired)]

    # --- within ---------------------------------------------------------------------------------------

    @property
    def _fabric(self) -> Node:
        return self._node_of(underlay.FABRIC)

    def _known(self, name: str) -> Host | Router:
        node = self._topology.nodes.get(name)
        if node is None:
            known = ", ".join(self._topology.nodes)
            raise NotFound(f'lab "{self._record.name}" has no node "{name}"; nodes: {known}')
        return node

    def _ports(self, name: str) -> list[str]:
        return [cable.port for cable in underlay.cables_of(self._topology, name)]

    def _impaired(self) -> Sequence[underlay.Cable]:
        return [cable for cable in underlay.cables(self._topology) if cable.port in self._record.impaired]

    def _ends(self, cable: underlay.Cable) -> Sequence[tuple[Node, str]]:
        """Both ends of a cable; one whose node does not run has only the fabric's."""
        node = self._node_of(cable.node)
        return [(self._fabric, cable.port), *([(node, cable.ifname)] if node.alive else [])]

    def _enforce_cuts(self) -> None:
        self._fabric.nft(faults.cut_rules(self._record.cuts, self._record.apart))
        record.save(self._record)

    def _impose(self, cable: underlay.Cable, impairment: Impairment) -> None:
        if has_netem(self._fabric):
            for node, interface in self._ends(cable):
                node.batch("tc", [faults.netem_command(interface, impairment)])
            return
        faults.refuse_without_netem(impairment)
        try:
            for node, interface in self._ends(cable):
                node.batch("tc", [faults.rate_command(interface, impairment)])
        except Failed as failure:
            raise Unsupported(f"this kernel has neither netem nor tbf: --rate cannot be done ({failure})") from failure
        self._fabric.nft(faults.loss_rules(cable.port, impairment))


def _addresses(node: Host | Router) -> list[str]:
    return [str(link.address.ip) for link in node.links if link.address]


def has_netem(node: Node) -> bool:
    """Whether this kernel can delay and lose frames by itself."""
    tried = node.run_on_network(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "0ms"], check=False)
    node.run_on_network(["tc", "qdisc", "del", "dev", "lo", "root"], check=False)
    return tried.returncode == 0

"""A plan interpreter as plain as can be: what a list of operations leaves behind, so that plans can be compared.

Links, addresses, routes and elements are members of a set; making adds them, deleting takes them and all that hangs
on them away. It is a statement of what operations mean, not a stand-in for the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.model.plan import (
    HOST,
    AddAddress,
    AddBridge,
    AddDummy,
    AddMacvlan,
    AddRoute,
    AddVeth,
    AddVlan,
    AnnounceAddress,
    ChangeRules,
    DelAddress,
    DelLink,
    DelRoute,
    FlushFlows,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)

Link = tuple[str, str]
"""(namespace, name)."""


@dataclass
class World:
    links: set[Link] = field(default_factory=set)
    peers: dict[Link, Link] = field(default_factory=dict)
    masters: dict[Link, str] = field(default_factory=dict)
    isolated: set[Link] = field(default_factory=set)
    addresses: set[tuple[str, str, object]] = field(default_factory=set)
    routes: set[tuple[str, object, str, object, int]] = field(default_factory=set)
    elements: set[tuple[str, object, object]] = field(default_factory=set)

    def run(self, plan: Plan) -> World:
        for operation in plan.operations:
            self._do(operation)
        return self

    def _do(self, operation: Operation) -> None:
        match operation:
            case AddBridge(name=name, ns=ns) | AddDummy(name=name, ns=ns) | AddVlan(name=name, ns=ns):
                self.links.add((ns, name))
            case AddVeth():
                self._pair(operation)
            case AddMacvlan():
                self.links.add((operation.peer_ns, operation.name))
            case SetLink():
                self._set(operation)
            case DelLink(name=name, ns=ns):
                self._drop((ns, name))
            case AddAddress(link=link, address=address, ns=ns):
                assert (ns, link) in self.links, f"address on missing link {link}"
                self.addresses.add((ns, link, address))
            case DelAddress(link=link, address=address, ns=ns):
                self.addresses.discard((ns, link, address))
            case AddRoute(destination=to, link=link, via=via, ns=ns, family=family):
                self.routes.add((ns, to, link, via, family))
            case DelRoute(destination=to, link=link, via=via, ns=ns, family=family):
                self.routes.discard((ns, to, link, via, family))
            case ChangeRules(transaction=change):
                self.elements |= {(e.set, e.key, e.data) for e in change.add}
                self.elements -= {(e.set, e.key, e.data) for e in change.remove}
            case SetSysctl() | AnnounceAddress() | FlushFlows():
                pass
            case _:
                raise AssertionError(f"no meaning for {operation!r}")

    def _pair(self, operation: AddVeth) -> None:
        here, there = (operation.ns, operation.name), (operation.peer_ns, operation.peer)
        if self.peers.get(here) == there:
            return  # as it should be: the hands leave it alone
        assert not {here, there} & self.links, f"{here} or {there} exists"
        self.links |= {here, there}
        self.peers |= {here: there, there: here}
        if operation.master:
            assert (HOST, operation.master) in self.links, f"no master {operation.master}"
            self.masters[here] = operation.master
        if operation.port.get("isolated"):
            self.isolated.add(here)

    def _set(self, operation: SetLink) -> None:
        link = (operation.ns, operation.name)
        assert link in self.links, f"no link {link}"
        if operation.master:
            assert (HOST, operation.master) in self.links
            self.masters[link] = operation.master
        if operation.rename:
            renamed = (operation.ns, operation.rename)
            self.links = self.links - {link} | {renamed}
            if link in self.peers:
                peer = self.peers.pop(link)
                self.peers |= {renamed: peer, peer: renamed}

    def _drop(self, link: Link) -> None:
        for gone in {link, self.peers.pop(link, link)}:
            self.peers.pop(gone, None)
            self.links.discard(gone)
            self.masters.pop(gone, None)
            self.isolated.discard(gone)
            self.addresses = {a for a in self.addresses if a[:2] != gone}
            self.routes = {r for r in self.routes if (r[0], r[2]) != gone}
            self.masters = {port: master for port, master in self.masters.items() if (HOST, master) != gone}

    def seen(self) -> tuple[object, ...]:
        """All of it, to compare."""
        return (
            frozenset(self.links),
            frozenset(self.masters.items()),
            frozenset(self.addresses),
            frozenset(self.routes),
            frozenset(self.elements),
        )

    def ports(self, bridge: str) -> int:
        return sum(master == bridge for master in self.masters.values())

"""Operations in words, for people who read why one was refused."""

from __future__ import annotations

from fairlead.model.plan import (
    MAIN,
    AddAddress,
    AddAssociation,
    AddBridge,
    AddDummy,
    AddFdb,
    AddMacvlan,
    AddNeighbour,
    AddPolicy,
    AddPortEntry,
    AddRoute,
    AddRule,
    AddVeth,
    AddVlan,
    AddVxlan,
    DelAddress,
    DelFdb,
    DelLink,
    DelNeighbour,
    DelPortEntry,
    DelRealServer,
    DelRoute,
    DelRule,
    DelVirtualServer,
    Operation,
    PutRealServer,
    PutVirtualServer,
    SetLink,
    SettleVirtualServers,
)


def in_words(operation: Operation) -> str:
    """What is tried: "create veth veth12ab34c", "add address 172.17.0.2/16 to eth0"."""
    match operation:
        case AddBridge(name):
            return f"create bridge {name}"
        case AddVeth(name, peer):
            return f"create veth {name} (peer {peer})"
        case AddMacvlan(kind, name, parent):
            return f"create {kind} {name} on {parent}"
        case AddVlan(name, parent, vlan):
            return f"create vlan {name} ({vlan} on {parent})"
        case AddDummy(name):
            return f"create dummy {name}"
        case AddVxlan(name, vni):
            return f"create vxlan {name} (vni {vni})"
        case DelLink(name):
            return f"delete link {name}"
        case SetLink(name):
            return f"change link {name}"
        case AddAddress(link, address):
            return f"add address {address} to {link}"
        case DelAddress(link, address):
            return f"remove address {address} from {link}"
        case AddRoute() | DelRoute():
            return _route_words(operation)
        case AddRule(mark, mask, table) | DelRule(mark, mask, table):
            verb = "add" if isinstance(operation, AddRule) else "remove"
            return f"{verb} rule fwmark {mark:#x}/{mask:#x} table {table}"
        case AddNeighbour(link, neighbour, mac):
            return f"add neighbour {neighbour} {mac} on {link}"
        case DelNeighbour(link, neighbour):
            return f"remove neighbour {neighbour} from {link}"
        case AddFdb(link, mac, remote):
            return f"add forwarding entry {mac} to {remote} on {link}"
        case DelFdb(link, mac, remote):
            return f"remove forwarding entry {mac} to {remote} from {link}"
        case AddPortEntry(link, mac):
            return f"add {mac} to the bridge of {link}"
        case DelPortEntry(link, mac):
            return f"remove {mac} from the bridge of {link}"
        case AddAssociation(source, destination, spi):
            return f"encrypt from {source} to {destination} (SPI {spi:#010x})"
        case AddPolicy(source, destination, port):
            return f"lead UDP port {port} from {source} to {destination} into encryption"
        case PutVirtualServer() | DelVirtualServer() | PutRealServer() | DelRealServer() | SettleVirtualServers():
            return _server_words(operation)
    return type(operation).__name__


_Served = PutVirtualServer | DelVirtualServer | PutRealServer | DelRealServer | SettleVirtualServers


def _server_words(operation: _Served) -> str:
    match operation:
        case PutVirtualServer(key, scheduler):
            return f"balance IPv{key.version} packets of mark {key.mark:#x} by IPVS ({scheduler})"
        case DelVirtualServer(key):
            return f"no longer balance IPv{key.version} packets of mark {key.mark:#x} by IPVS"
        case PutRealServer(key, address, weight):
            return f"put real server {address} (weight {weight}) behind mark {key.mark:#x}"
        case DelRealServer(key, address):
            return f"remove real server {address} from behind mark {key.mark:#x}"
        case SettleVirtualServers(servers):
            return f"balance by IPVS ({len(servers)} virtual servers)"


def _route_words(operation: AddRoute | DelRoute) -> str:
    verb = "add" if isinstance(operation, AddRoute) else "remove"
    via = f" via {operation.via}" if operation.via else ""
    link = f" dev {operation.link}" if operation.link else ""
    table = f" table {operation.table}" if operation.table != MAIN else ""
    return f"{verb} route {operation.destination or 'default'}{via}{link}{table}"

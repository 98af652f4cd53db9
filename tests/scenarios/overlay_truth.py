"""What hosts forward, name and balance on an overlay network, beside what truly runs there.

The truth is what each host's engine says of its own containers. Everything else is held against it, on every host by
itself: the gossiped tables (`network inspect -v`), the forwarding and neighbour entries of the network's namespace,
the answers of the resolver in a sandbox, the slots of virtual addresses in every sandbox, and connections from every
container to every other.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_address
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from fairlead.effects.kernel import netns
from fairlead.lab.machine import Machine
from fairlead.lab.node import PATIENCE
from fairlead.model.errors import Failed

SERVICE, TASK = "com.docker.swarm.service.name", "com.docker.swarm.task.name"
WHO = "/cgi-bin/who.cgi"
BRIEFLY = 1.0
"""Seconds that an answer may take where there is one."""


@dataclass(frozen=True, slots=True)
class Station:
    """A container on the network. `ns` is its namespace, for this process; `service` "" is none."""

    name: str
    container: str
    host: str
    vtep: str
    mac: str
    ipv4: str
    ipv6: str
    ns: str
    service: str

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(address for address in (self.ipv4, self.ipv6) if address)


def seen_from_here(host: Machine, path: object) -> str:
    """A path of the host, for this process: mounts of the host are its own."""
    return f"/proc/{host.node.pid}/root{path}"


def ask(host: Machine, path: str) -> Any:
    return host.call("GET", path)


def stations(host: Machine, network: str) -> list[Station]:
    """The host's own running containers on the network; none where the host does not know the network."""
    try:
        here = ask(host, f"/networks/{network}").get("Containers") or {}
    except Failed:
        return []
    return [_station(host, container, shown) for container, shown in here.items() if len(container) == 64]


def _station(host: Machine, container: str, shown: dict[str, str]) -> Station:
    told = ask(host, f"/containers/{container}/json")
    labels = told["Config"]["Labels"] or {}
    return Station(
        name=told["Name"].removeprefix("/"),
        container=container,
        host=host.name,
        vtep=host.address,
        mac=shown["MacAddress"],
        ipv4=shown["IPv4Address"].partition("/")[0],
        ipv6=shown["IPv6Address"].partition("/")[0],
        ns=seen_from_here(host, told["NetworkSettings"]["SandboxKey"]),
        service=labels.get(SERVICE, ""),
    )


def everywhere(hosts: Iterable[Machine], network: str) -> list[Station]:
    return [station for host in hosts for station in stations(host, network)]


# --- single looks -------------------------------------------------------------------------------------


def inside(ns: str, *command: str) -> str:
    line = ["nsenter", f"--net={ns}", *command]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=20).stdout


def home(host: Machine, network: str) -> str:
    """The namespace of the network's bridge and VXLAN on the host."""
    identity = ask(host, f"/networks/{network}")["Id"]
    return seen_from_here(host, host.directory / "exec" / "netns" / f"1-{identity[:10]}")


def forwarded(ns: str) -> set[tuple[str, str]]:
    """(hardware address, node) of what leaves by a VXLAN."""
    entries = json.loads(inside(ns, "bridge", "-j", "fdb", "show"))
    return {(entry["mac"], entry["dst"]) for entry in entries if "dst" in entry}


def neighbours(ns: str) -> set[tuple[str, str]]:
    """(address, hardware address) that are answered for other hosts' containers."""
    entries = json.loads(inside(ns, "ip", "-j", "neigh", "show", "nud", "permanent"))
    return {(entry["dst"], entry["lladdr"]) for entry in entries if entry["dev"].startswith("vxlan")}


def resolved(ns: str, name: str, kind: str = "A") -> set[str]:
    """What the resolver in the sandbox answers."""
    with netns.entered(ns):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.setblocking(False)
    with asking:
        question = dns.message.make_query(f"{name}.", kind)
        reply = dns.query.udp(question, "127.0.0.11", timeout=BRIEFLY, sock=asking)
    wanted = dns.rdatatype.from_text(kind)
    return {record.to_text() for answer in reply.answer if answer.rdtype == wanted for record in answer}


def slots(ns: str, name: str = "slots4") -> dict[str, set[str]]:
    """virtual address -> its backends, as the sandbox's table has them; or (protocol . port) -> those of the mesh."""
    listed = json.loads(inside(ns, "nft", "-j", "list", "map", "inet", "fairlead", name))["nftables"]
    found: dict[str, set[str]] = {}
    for entry in listed:
        for key, value in entry.get("map", {}).get("elem", ()):
            *what, _ = key["concat"]
            backend = value["concat"][0] if isinstance(value, dict) else value
            found.setdefault(".".join(map(str, what)), set()).add(backend)
    return found


def http(ns: str, address: str, port: int = 80, path: str = WHO, within: float = BRIEFLY) -> str:
    """The body at the address, asked from the namespace. Raises OSError as the socket does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with netns.entered(ns):
        asking = socket.socket(family, socket.SOCK_STREAM)
    with asking:
        asking.settimeout(within)
        asking.connect((address, port))
        asking.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        heard = b""
        while chunk := asking.recv(65536):
            heard += chunk
    head, _, body = heard.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ConnectionError(f"{address}:{port} answered {head[:60]!r}")
    return body.decode()


def answering(ns: str, address: str, port: int = 80, within: float = BRIEFLY) -> str:
    """The short id of the container that answers there, or why none does."""
    try:
        return http(ns, address, port, within=within).split()[0].removeprefix("host=")
    except OSError as error:
        return type(error).__name__


def unreached(truth: Sequence[Station]) -> list[str]:
    """The connections that do not lead where they should, of all from every container to every address."""
    pairs = [(one, other, address) for one in truth for other in truth for address in other.addresses]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda pair: answering(pair[0].ns, pair[2]), pairs)
    return [
        f"{one.host}/{one.name} -> {other.host}/{other.name} ({address}): {answer}"
        for (one, other, address), answer in zip(pairs, answers, strict=True)
        if answer != other.container[:12]
    ]


# --- all of them --------------------------------------------------------------------------------------


@dataclass
class Truth:
    """The network on some hosts. `gone` are names that must not be known, `services` maps the names of services of the
    truth to their virtual addresses."""

    hosts: Sequence[Machine]
    network: str
    services: dict[str, str] = field(default_factory=dict)
    gone: Sequence[str] = ()

    def wait(self, seconds: float) -> float:
        """Return when everything equals the truth, after how many seconds that was."""
        began = looked = time.monotonic()
        while wrong := self.differences():
            if looked - began > seconds * PATIENCE:
                raise AssertionError(f"not the truth after {seconds:g} s:\n" + "\n".join(wrong))
            time.sleep(0.1)
            looked = time.monotonic()
        return looked - began

    def differences(self) -> list[str]:
        try:
            return self._differences(everywhere(self.hosts, self.network))
        except (Failed, OSError, subprocess.CalledProcessError, dns.exception.DNSException) as error:
            return [f"cannot look: {error}"]

    def _differences(self, truth: list[Station]) -> list[str]:
        """Connections are tried when everything else is right: those that lead nowhere take their time."""
        alive = [host for host in self.hosts if any(station.host == host.name for station in truth)]
        return [wrong for host in alive for wrong in self._on(host, truth)] or unreached(truth)

    def _on(self, host: Machine, truth: list[Station]) -> Iterator[str]:
        remote = [station for station in truth if station.host != host.name]
        local = [station for station in truth if station.host == host.name]
        place = home(host, self.network)
        tasks = {(each.name, each.ipv4, each.vtep) for each in truth}
        yield from _compared(f"{host.name}: tasks told", self._told(host), tasks)
        entries = {(each.mac, each.vtep) for each in remote}
        yield from _compared(f"{host.name}: forwarding", forwarded(place), entries)
        known = {(address, each.mac) for each in remote for address in each.addresses}
        yield from _compared(f"{host.name}: neighbours", neighbours(place), known)
        yield from self._names(host.name, local[0].ns, truth)
        for station in local if self.services else ():
            wanted = {vip: _addresses_of(truth, service) for service, vip in self.services.items()}
            balanced = {vip: found for vip, found in slots(station.ns).items() if ip_address(vip) in self._subnet(host)}
            yield from _compared(f"{host.name}/{station.name}: slots", balanced, _served(wanted))

    def _subnet(self, host: Machine) -> IPv4Network:
        """Of which this network's virtual addresses are: a task has those of its other networks, too."""
        return IPv4Network(ask(host, f"/networks/{self.network}")["IPAM"]["Config"][0]["Subnet"])

    def _told(self, host: Machine) -> set[tuple[str, str, str]]:
        services = ask(host, f"/networks/{self.network}?verbose=true").get("Services") or {}
        tasks = (task for service in services.values() for task in service["Tasks"])
        return {(task["Name"], task["EndpointIP"], task["Info"]["Host IP"]) for task in tasks}

    def _names(self, host: str, ns: str, truth: list[Station]) -> Iterator[str]:
        for station in truth:
            yield from _compared(f"{host}: {station.name}", resolved(ns, station.name), {station.ipv4})
        for name in self.gone:
            yield from _compared(f"{host}: {name}", resolved(ns, name), set())
        for service, vip in self.services.items():
            tasks = _addresses_of(truth, service)
            yield from _compared(f"{host}: tasks.{service}", resolved(ns, f"tasks.{service}"), tasks)
            yield from _compared(f"{host}: {service}", resolved(ns, service), {vip} if tasks else set())


def _addresses_of(truth: Iterable[Station], service: str) -> set[str]:
    return {station.ipv4 for station in truth if station.service == service}


def _served(wanted: dict[str, set[str]]) -> dict[str, set[str]]:
    return {vip: backends for vip, backends in wanted.items() if backends}


def _compared(what: str, found: Any, wanted: Any) -> Iterator[str]:
    if found != wanted:
        yield f"{what}: {_ordered(found)}, not {_ordered(wanted)}"


def _ordered(values: Any) -> Any:
    return sorted(values) if isinstance(values, set) else values

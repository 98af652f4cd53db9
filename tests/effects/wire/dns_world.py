"""A resolver on real sockets: sandboxes that are namespaces, clients inside them, servers that behave or do not.

sandbox "box"  10.9.0.2 ── eth0 ── 10.9.0.1  "outside" (dnsmasq or a server of the test)
     └ 127.0.0.11: the resolver, in this process
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable
from ipaddress import IPv4Interface, ip_address
from random import SystemRandom

import dns.flags
import dns.message
import dns.query
import dns.rcode

from fairlead.core.dns.forward import Forwarder
from fairlead.effects.wire.dns import ADDRESS, DnsServer
from fairlead.engine.fabric.names import Names
from fairlead.model.dns import DnsPorts, Upstream
from fairlead.model.endpoint import Endpoint, EndpointSpec
from fairlead.model.network import Network
from tests.effects.wire.spaces import Space, inside

OUTSIDE = "10.9.0.1"


class DnsWorld:
    """`box` is the sandbox of `web` on network `pets`, next to `db`, `cache` and two that are called `all`."""

    def __init__(self) -> None:
        self.server = DnsServer(Forwarder(SystemRandom().randrange))
        self.names = Names(self.server)
        self.spaces: list[Space] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ports: dict[str, DnsPorts] = {}
        self.network = Network("a" * 64, "pets", "bridge", 0)
        self.box = self.space()

    def space(self) -> Space:
        space = Space()
        self.spaces.append(space)
        return space

    def outside(self) -> Space:
        """The other end of a wire to the box."""
        outside = self.space()
        self.box.link(outside, "10.9.0.2/24", f"{OUTSIDE}/24")
        return outside

    def attach(self, name: str, address: str, *, sandbox: str = "", links: tuple[str, ...] = ()) -> Endpoint:
        endpoint = Endpoint(
            id=f"{name}@{self.network.name}",
            network_id=self.network.id,
            container_id=name,
            sandbox=sandbox,
            name=name,
            ifname="eth0",
            mac="",
            ipv4=IPv4Interface(address),
            spec=EndpointSpec(links=links),
            names=(name, "all") if name.startswith("all") else (name,),
        )
        self.names.set_endpoint(endpoint, self.network)
        return endpoint

    async def open(self, *upstreams: Upstream, sandbox: str = "box", space: Space | None = None) -> DnsPorts:
        self.ports[sandbox] = await self.names.open_sandbox(sandbox, (space or self.box).path, upstreams)
        return self.ports[sandbox]

    def populate(self, *, links: tuple[str, ...] = ()) -> None:
        self.attach("web", "172.18.0.2/16", sandbox="box", links=links)
        for number, name in enumerate(("db", "cache", "all1", "all2"), start=3):
            self.attach(name, f"172.18.0.{number}/16")

    async def ask(self, name: str, rtype: str = "A", *, tcp: bool = False, **options: object) -> dns.message.Message:
        """What a client in the box hears."""
        request = dns.message.make_query(name, rtype, **options)
        return await asyncio.to_thread(self.ask_now, request, tcp=tcp)

    def ask_now(self, request: dns.message.Message, *, tcp: bool = False, sandbox: str = "box") -> dns.message.Message:
        ports = self.ports[sandbox]
        if tcp:
            return inside(self.box.path, lambda: dns.query.tcp(request, ADDRESS, port=ports.tcp, timeout=8))
        return inside(
            self.box.path,
            lambda: dns.query.udp(request, ADDRESS, port=ports.udp, timeout=8, ignore_unexpected=True),
        )

    def connect(self) -> socket.socket:
        """A TCP connection of a client in the box."""
        return inside(self.box.path, lambda: socket.create_connection((ADDRESS, self.ports["box"].tcp), timeout=5))

    def dnsmasq(self, space: Space, *options: str, address: str = OUTSIDE, port: int = 53) -> None:
        """A real server there; returns when it answers."""
        fixed = ("--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--user=root", "--pid-file")
        command = ("dnsmasq", *fixed, f"--listen-address={address}", f"--port={port}", *options)
        self.processes.append(space.start(*command))
        probe = dns.message.make_query("probe.test", "A")
        eventually(lambda: inside(space.path, lambda: _answers(probe, address, port)))

    def close(self) -> None:
        self.server.close_all()
        for process in self.processes:
            process.terminate()
            process.wait(timeout=30)
        for space in self.spaces:
            space.close()


def _answers(probe: dns.message.Message, address: str, port: int) -> bool:
    try:
        dns.query.udp(probe, address, port=port, timeout=0.05)
    except (dns.exception.Timeout, OSError):
        return False
    return True


def eventually(condition: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"


def addresses(message: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in message.answer for rdata in rrset]


def rcode(message: dns.message.Message) -> str:
    return dns.rcode.to_text(message.rcode())


def upstream(address: str = OUTSIDE, port: int = 53, *, inside: bool = True) -> Upstream:
    return Upstream(ip_address(address), inside, port)

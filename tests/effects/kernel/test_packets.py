"""What becomes of packets: three namespaces, a router with our table in between."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_interface, ip_network

import pytest

from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.netns import SocketSpec, entered, open_sockets
from fairlead.model.network import Address
from fairlead.model.plan import (
    AddAddress,
    AddRoute,
    AddVeth,
    AnnounceAddress,
    ChangeRules,
    FlushFlows,
    Plan,
    SetLink,
    SetSysctl,
)
from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    Chain,
    Ct,
    Dnat,
    Element,
    Masquerade,
    Match,
    Meta,
    Payload,
    Rule,
    Set,
    Table,
    Transaction,
    VerdictMap,
)

Container = Callable[[str], str]
PATIENCE = 20.0
PUBLIC, WEB, OTHER = ip_address("192.0.2.1"), ip_address("10.9.0.2"), ip_address("10.9.0.3")
KEY = (Payload("ip", "daddr"), Meta("l4proto"), Payload("th", "dport"))
TABLE = Table(
    "inet",
    "fairlead",
    (
        Set("ports", ("ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service")),
        Set("between", ("ifname", "ifname"), ("verdict",)),
    ),
    (
        Chain("dst", (Rule((Dnat("ip", KEY, "ports"),)),), "nat", "prerouting", -100),
        Chain(
            "src",
            (Rule((Match(Payload("ip", "saddr"), "==", ip_network("10.9.0.0/24")), Masquerade())),),
            "nat",
            "postrouting",
            100,
        ),
        Chain(
            "forward",
            (
                Rule((VerdictMap((Meta("iifname"), Meta("oifname")), "between"),)),
                Rule((Match(Ct("state"), "&", ("established", "related")), ACCEPT)),
                Rule((Match(Ct("status"), "&", ("dnat",)), ACCEPT)),
                Rule((Match(Meta("iifname"), "==", "in0"), ACCEPT)),
            ),
            "filter",
            "forward",
            0,
            "drop",
        ),
    ),
)


@pytest.fixture
async def outside(kernel: LinuxKernel, container: Container) -> str:
    """A namespace at 192.0.2.9 whose router is the host, without a route to what is behind it."""
    ns = container("outside")
    await kernel.apply(
        Plan(
            (
                AddVeth("out0", "eth0", ns),
                AddAddress("out0", ip_interface("192.0.2.1/24")),
                AddAddress("eth0", ip_interface("192.0.2.9/24"), ns),
                SetLink("eth0", ns, up=True),
                SetSysctl("net/ipv4/ip_forward", "1"),
                ChangeRules(Transaction("inet", "fairlead", replace=TABLE)),
            )
        )
    )
    return ns


@pytest.fixture
async def inside(kernel: LinuxKernel, container: Container) -> str:
    """A namespace that has both 10.9.0.2 and 10.9.0.3, behind the host."""
    ns = container("inside")
    await kernel.apply(
        Plan(
            (
                AddVeth("in0", "eth0", ns),
                AddAddress("in0", ip_interface("10.9.0.1/24")),
                AddAddress("eth0", ip_interface("10.9.0.2/24"), ns),
                AddAddress("eth0", ip_interface("10.9.0.3/24"), ns),
                SetLink("eth0", ns, up=True),
                AddRoute(None, "eth0", ip_address("10.9.0.1"), ns),
            )
        )
    )
    return ns


async def change(kernel: LinuxKernel, add: tuple[Element, ...] = (), remove: tuple[Element, ...] = ()) -> None:
    await kernel.apply(Plan((ChangeRules(Transaction("inet", "fairlead", add=add, remove=remove)),)))


@contextmanager
def answering(ns: str, *addresses: tuple[str, int], kind: int = socket.SOCK_STREAM) -> Iterator[None]:
    """Servers that answer with the address they are on, and the caller's as they see it."""
    backlog = 5 if kind == socket.SOCK_STREAM else 0
    servers = open_sockets(ns, [SocketSpec(kind, address, backlog=backlog) for address in addresses])
    loop = asyncio.get_running_loop()

    def serve(server: socket.socket, name: str) -> None:
        if kind == socket.SOCK_STREAM:
            served, caller = server.accept()
            served.send(f"{name} {caller[0]}".encode())
            served.close()
        else:
            _, caller = server.recvfrom(100)
            server.sendto(f"{name} {caller[0]}".encode(), caller)

    for server, (name, _) in zip(servers, addresses, strict=True):
        loop.add_reader(server, serve, server, name)
    try:
        yield
    finally:
        for server in servers:
            loop.remove_reader(server)
            server.close()


async def ask(ns: str, address: str, port: int, client: socket.socket | None = None) -> str:
    """What a server says; raises TimeoutError when nobody does."""
    kind = socket.SOCK_STREAM if client is None else socket.SOCK_DGRAM
    sock = client or open_sockets(ns, [SocketSpec(kind)])[0]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE):
            await loop.sock_connect(sock, (address, port))
            await loop.sock_sendall(sock, b"?")
            return (await loop.sock_recv(sock, 100)).decode()
    finally:
        if client is None:
            sock.close()


async def test_a_published_port_is_reached_and_its_neighbour_is_not(
    kernel: LinuxKernel, outside: str, inside: str
) -> None:
    await change(kernel, add=(Element("ports", (PUBLIC, 6, 8080), (WEB, 80)),))
    with answering(inside, ("10.9.0.2", 80)):
        assert await ask(outside, "192.0.2.1", 8080) == "10.9.0.2 192.0.2.9"
        with pytest.raises(ConnectionRefusedError):
            await ask(outside, "192.0.2.1", 8081)
        await change(kernel, remove=(Element("ports", (PUBLIC, 6, 8080)),))
        with pytest.raises(ConnectionRefusedError):
            await ask(outside, "192.0.2.1", 8080)


async def test_masquerade_hides_the_inside(outside: str, inside: str) -> None:
    with answering(outside, ("192.0.2.9", 80)):
        assert await ask(inside, "192.0.2.9", 80) == "192.0.2.9 192.0.2.1"


async def test_a_verdict_map_drops(
    kernel: LinuxKernel, outside: str, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await change(kernel, add=(Element("between", ("in0", "out0"), DROP),))
    monkeypatch.setattr(f"{__name__}.PATIENCE", 0.3)
    with answering(outside, ("192.0.2.9", 80)), pytest.raises(TimeoutError):
        await ask(inside, "192.0.2.9", 80)


@pytest.mark.parametrize("address", [PUBLIC, ip_address("0.0.0.0")])
@pytest.mark.parametrize(("port", "last"), [(53, 0), (50, 60), (0, 0)], ids=["port", "range", "every-port"])
async def test_flows_find_the_new_owner_of_a_port(
    kernel: LinuxKernel, outside: str, inside: str, address: Address, port: int, last: int
) -> None:
    """One client socket, so one flow: it keeps its translation until it is flushed."""
    await change(kernel, add=(Element("ports", (PUBLIC, 17, 53), (WEB, 53)),))
    with (
        answering(inside, ("10.9.0.2", 53), ("10.9.0.3", 53), kind=socket.SOCK_DGRAM),
        open_sockets(outside, [SocketSpec(socket.SOCK_DGRAM)])[0] as client,
    ):
        assert (await ask(outside, "192.0.2.1", 53, client)).startswith("10.9.0.2")
        await change(kernel, add=(Element("ports", (PUBLIC, 17, 53), (OTHER, 53)),))
        assert (await ask(outside, "192.0.2.1", 53, client)).startswith("10.9.0.2")
        await kernel.apply(Plan((FlushFlows(address, 54, "udp", last=60),)))
        assert (await ask(outside, "192.0.2.1", 53, client)).startswith("10.9.0.2")
        await kernel.apply(Plan((FlushFlows(address, port, "udp", last=last),)))
        assert (await ask(outside, "192.0.2.1", 53, client)).startswith("10.9.0.3")
        await change(kernel, add=(Element("ports", (PUBLIC, 17, 53), (WEB, 53)),))
        await kernel.apply(Plan((FlushFlows(OTHER, port, "udp", reply=True, last=last),)))
        assert (await ask(outside, "192.0.2.1", 53, client)).startswith("10.9.0.2")


async def test_flushing_nothing_is_success(kernel: LinuxKernel) -> None:
    for address in ("10.9.0.2", "fd09::2"):
        for reply in (False, True):
            await kernel.apply(Plan((FlushFlows(ip_address(address), 53, "udp", reply),)))


@pytest.mark.parametrize("address", ["10.9.0.2", "fd09::2"])
async def test_an_announcement_moves_a_neighbour(kernel: LinuxKernel, inside: str, address: str) -> None:
    """The host has a stale entry of another MAC; the announcement corrects it."""
    old, new = "02:00:00:00:00:01", "02:00:00:00:00:02"
    with entered(inside):
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(3))
        heard.bind(("eth0", 3))
    with heard:
        await kernel.apply(Plan((AnnounceAddress("in0", ip_address(address), new),)))
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await asyncio.get_running_loop().sock_recv(heard, 2000)
                if frame[6:12] == bytes.fromhex(new.replace(":", "")):
                    break
    assert old not in frame.hex(":")
    assert ip_address(address).packed in frame
    if isinstance(ip_address(address), IPv6Address):
        assert frame[54:56] == b"\x88\0"
        assert _sum(frame[22:54] + (len(frame) - 54).to_bytes(4, "big") + b"\0\0\0\x3a" + frame[54:]) == 0xFFFF
    else:
        assert frame[12:22] == bytes.fromhex("08060001080006040001")


def _sum(data: bytes) -> int:
    """Ones' complement sum: all ones over data that carry their own checksum."""
    total = sum(int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total

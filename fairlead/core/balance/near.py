"""Tasks of this node, to which the routing mesh leads without a detour.

A client that came in by the node on which a task runs needs neither the ingress sandbox nor the ingress network: the
host itself leads the connection to the task's leg on docker_gwbridge, as it leads one to any container that shows a
port, and the answer comes back by the default route. The host draws among all tasks of a service, as the ingress
sandbox does, but holds the slots of its own tasks alone. A draw that finds none changes nothing: the packet goes on to
the ingress sandbox, which draws again, among the tasks of the other nodes.

By source the ingress sandbox holds all slots, the same ones: whoever the host sends on finds the task that any other
node would find for him.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address

from fairlead.core.balance.ways import ADDRESS, DSTNAT, FAMILY, PORT, PROTOCOL, chains, destination
from fairlead.model.network import Address
from fairlead.model.ruleset import (
    RETURN,
    Chain,
    Element,
    Fib,
    InSet,
    Match,
    Meta,
    Rule,
    Set,
    Table,
    Verdict,
    VerdictMap,
)

NAME = "fairlead-near"
FEATURE = "nft_fib"
"""The kernel's look-up of what is local. Without it everything takes the way by the ingress sandbox."""

Legs = Mapping[Address, Address]
"""Tasks of this node: by their addresses on the ingress network those on docker_gwbridge."""

_LOOPBACK6 = IPv6Address("::1")
_BEFORE = DSTNAT - 1
"""Just before the host's published ports, which lead to the ingress sandbox."""
_NFPROTO = {4: 2, 6: 10}
_LOCAL = Match(Fib(("daddr",), "type"), "==", "local")
_LED = Verdict("goto", "led")


def table() -> Table:
    """The host's. `sandbox4` and `sandbox6` are the addresses of the ingress sandbox on docker_gwbridge: what this host
    carries there by hand (of a family that docker_gwbridge has not) is for the mesh too."""
    keys = dict.fromkeys(ADDRESS, (PROTOCOL, PORT))
    led = Chain("led", tuple(_led()))
    own = (Rule((_LOCAL, _LED), "this host's own clients"), *_carried())
    return Table(
        FAMILY,
        NAME,
        tuple(_sets()),
        (
            *chains(dict(keys)),
            led,
            Chain("prerouting", (Rule((_LOCAL, _LED), "addressed to this host"),), "nat", "prerouting", _BEFORE),
            Chain("output", own, "nat", "output", _BEFORE),
        ),
    )


def _sets() -> Iterator[Set]:
    port = ("inet_proto", "inet_service")
    for version, address in ADDRESS.items():
        yield Set(f"ways{version}", port, ("verdict",))
        yield Set(f"slots{version}", (*port, "mark"), (address, "inet_service"))
        yield Set(f"sandbox{version}", (address,))


def _led() -> Iterator[Rule]:
    """The kernel does not route from ::1: the holder of the port carries that."""
    loopback = Match(destination(6), "==", _LOOPBACK6)
    for version, number in _NFPROTO.items():
        family = Match(Meta("nfproto"), "==", number)
        if version == 6:
            yield Rule((family, loopback, RETURN), "carried by the holder of the port")
        yield Rule((family, VerdictMap((PROTOCOL, PORT), f"ways{version}")), "a port of the mesh")


def _carried() -> Iterator[Rule]:
    for version, number in _NFPROTO.items():
        there = InSet((destination(version),), f"sandbox{version}")
        yield Rule((Match(Meta("nfproto"), "==", number), there, _LED), "carried by the holder of the port")


def sandbox_elements(addresses: Iterable[Address]) -> tuple[Element, ...]:
    """The ingress sandbox's addresses on docker_gwbridge."""
    return tuple(Element(f"sandbox{address.version}", (address,)) for address in addresses)


def led(elements: Iterable[Element], legs: Legs) -> Iterator[Element]:
    """What the host holds of the ingress sandbox's elements: ways, and slots of tasks that have a leg here."""
    for element in elements:
        if element.set.startswith("ways"):
            yield element
        elif element.set.startswith("slots") and isinstance(element.data, tuple):
            address, *port = element.data
            leg = legs.get(address)  # type: ignore[arg-type]
            if leg is not None:
                yield Element(element.set, element.key, (leg, *port))

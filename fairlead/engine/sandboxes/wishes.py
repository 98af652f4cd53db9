"""What a container wants of the network, read from its spec: its mode, its first attachments, and whether all of it
makes sense. Nothing here waits or changes anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

from fairlead.model.attachment import Attachment, Attachments
from fairlead.model.container import Container, NetworkingSpec
from fairlead.model.endpoint import EndpointSpec
from fairlead.model.errors import Invalid
from fairlead.model.network import Address, Network

DEFAULT_BRIDGE, HOST, NONE = "bridge", "host", "none"
CONTAINER_PREFIX = "container:"
HOST_AND_LINKS = (
    "conflicting options: host type networking can't be used with links. This would result in undefined behavior"
)
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


@dataclass(frozen=True, slots=True)
class Mode:
    """`network` is the network named first, "" with `container` set, which is another container's reference."""

    network: str = ""
    container: str = ""

    @property
    def shared(self) -> bool:
        """The network stack belongs to somebody else: the host or another container."""
        return bool(self.container) or self.network == HOST


def mode_of(spec: NetworkingSpec) -> Mode:
    """Raises Invalid for a container mode that names nobody."""
    if not spec.mode.startswith(CONTAINER_PREFIX) and spec.mode != CONTAINER_PREFIX[:-1]:
        return Mode(network=DEFAULT_BRIDGE if spec.mode in ("", "default") else spec.mode)
    reference = spec.mode.partition(":")[2]
    if not reference:
        raise Invalid("invalid network mode: invalid container format container:<name|id>")
    return Mode(container=reference)


def first_attachments(container: Container) -> Attachments:
    """The wishes that a container is created with: its mode's network first, then the others as given."""
    spec = container.spec.network
    mode = mode_of(spec)
    if mode.container or spec.disabled:
        return Attachments(container.id)
    given = {_canonical(name): endpoint for name, endpoint in spec.endpoints.items()}
    named = () if given and container.spec.task_id else (mode.network,)
    order = [*named, *(name for name in given if name not in named)]
    wishes = (
        Attachment(name, _with_mac(given.get(name, EndpointSpec()), spec, name == mode.network)) for name in order
    )
    return Attachments(container.id, tuple(wishes))


def _canonical(name: str) -> str:
    return DEFAULT_BRIDGE if name == "default" else name


def _with_mac(endpoint: EndpointSpec, spec: NetworkingSpec, primary: bool) -> EndpointSpec:
    """The container-wide MAC of older clients belongs to the network that the mode names."""
    if not primary or not spec.mac or endpoint.mac:
        return endpoint
    return EndpointSpec(
        endpoint.ipv4,
        endpoint.ipv6,
        endpoint.link_local,
        spec.mac,
        endpoint.aliases,
        endpoint.links,
        endpoint.driver_opts,
        endpoint.gw_priority,
    )


# --- refusing nonsense ----------------------------------------------------------------------------


def check_conflicts(spec: NetworkingSpec) -> None:
    """Options that contradict the mode. Raises Invalid with Docker's words for the first."""
    mode = mode_of(spec)
    if mode.network == HOST and spec.links:
        raise Invalid(HOST_AND_LINKS)
    if not mode.container:
        return
    conflicts = (
        (spec.hostname, "hostname and the network mode"),
        (spec.links, "container type network can't be used with links. This would result in undefined behavior"),
        (spec.dns, "dns and the network mode"),
        (spec.extra_hosts, "custom host-to-IP mapping and the network mode"),
        (spec.ports or spec.publish_all, "port publishing and the container type network mode"),
        (spec.exposed, "port exposing and the container type network mode"),
    )
    for given, words in conflicts:
        if given:
            raise Invalid(f"conflicting options: {words}")


def check_endpoint(spec: EndpointSpec, network: Network | None) -> None:
    """Everything that a user may say about an endpoint, against its network if this host knows it. Raises Invalid with
    all that is wrong."""
    wrong = [*_form_faults(spec)]
    if network is not None:
        wrong = [*_scope_faults(spec, network), *wrong, *_range_faults(spec, network)]
    if len(wrong) == 1:
        raise Invalid(f"invalid endpoint settings:\n{wrong[0]}")
    if wrong:
        raise Invalid("invalid endpoint settings:\n" + "\n".join(f"* {fault}" for fault in wrong))


def _scope_faults(spec: EndpointSpec, network: Network) -> Iterator[str]:
    if not network.predefined:
        return
    if spec.ipv4 or spec.ipv6:
        yield "user specified IP address is supported on user defined networks only"
    if spec.aliases:
        yield "network-scoped alias is supported only for containers in user defined networks"


def _form_faults(spec: EndpointSpec) -> Iterator[str]:
    if spec.ipv4 and not _is(IPv4Address, spec.ipv4):
        yield f"invalid IPv4 address: {spec.ipv4}"
    if spec.ipv6 and not _is(IPv6Address, spec.ipv6):
        yield f"invalid IPv6 address: {spec.ipv6}"
    for address in spec.link_local:
        if not (_is(IPv4Address, address) or _is(IPv6Address, address)):
            yield f"invalid link-local IP address: {address}"
    if spec.mac and _MAC.fullmatch(spec.mac) is None:
        yield f"invalid MAC address: address {spec.mac}: invalid MAC address"
    elif spec.mac and not _is_of_an_interface(spec.mac):
        yield f"invalid MAC address: {spec.mac}: it must be unicast and not zero"


def _is_of_an_interface(mac: str) -> bool:
    """What the kernel takes (is_valid_ether_addr)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return any(octets) and not octets[0] & 1


def _range_faults(spec: EndpointSpec, network: Network) -> Iterator[str]:
    for typed, version in ((spec.ipv4, 4), (spec.ipv6, 6)):
        if not typed:
            continue
        subnets = [pool.subnet for pool in network.pools if pool.requested and pool.subnet.version == version]
        if not subnets:
            yield (
                "user specified IP address is supported only when connecting to networks with user configured subnets"
            )
        elif (address := _parsed(typed)) is None or not any(address in subnet for subnet in subnets):
            yield f"no configured subnet or ip-range contain the IP address {typed}"


def _is(kind: type[IPv4Address | IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except (AddressValueError, ValueError):
        return False
    return True


def _parsed(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None

"""Where a node listens, and where others find it: what a user typed, or what the host's addresses tell.

Without a word from the user the host's only address is taken, as Docker does: loopback, link-local addresses and the
subnets of the engine's own networks do not count, IPv4 goes before IPv6, and a host with several is asked to choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from fairlead.model.errors import Invalid, Unavailable
from fairlead.model.network import Address, Subnet

PORT = 2377

BAD_LISTEN = "listen address must be an IP address or network interface (with optional port number)"
BAD_ADVERTISE = "advertise address must be a non-zero IP address or network interface (with optional port number)"
BAD_DATA_PATH = "data path address must be a non-zero IP address or network interface (without a port number)"
NO_ADDRESS = "could not find the system's IP address - specify one with --advertise-addr"

Held = Sequence[tuple[str, Address]]
"""(interface, address) of every address that the host has."""


def split(text: str) -> tuple[str, int]:
    """ "192.168.0.1:2377", "eth0", "[fd00::1]:2377" as host and port, 0 when none is given. Raises Invalid."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise Invalid(f'invalid port in "{text}"')
    return host, int(port or 0)


def joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def with_port(text: str) -> str:
    """A manager's address with the port that it has unless another is said."""
    host, port = split(text)
    return joined(host, port or PORT)


def listening(text: str, held: Held) -> str:
    """HOST:PORT to listen on. Raises Invalid."""
    if not text:
        raise Invalid('invalid ListenAddr "": invalid empty address')
    host, port = split(text)
    return joined(str(_resolved(host, held, BAD_LISTEN)), port or PORT)


def advertised(text: str, listen: str, held: Held, own: Iterable[Subnet]) -> str:
    """HOST:PORT where others find the node. Raises Invalid, or Unavailable when the user must choose."""
    listen_host, listen_port = split(listen)
    if text:
        host, port = split(text)
        address = _resolved(host, held, BAD_ADVERTISE)
        if address.is_unspecified:
            raise Invalid(BAD_ADVERTISE)
        _require_own(address, held, "advertise")
        return joined(str(address), port or listen_port)
    if not ip_address(listen_host).is_unspecified:
        return listen
    return joined(str(only_address(held, own)), listen_port)


def data_path(text: str, held: Held) -> str:
    """The address that was typed, "" for none. Raises Invalid."""
    if not text:
        return ""
    address = _resolved(text, held, BAD_DATA_PATH)
    if address.is_unspecified:
        raise Invalid(BAD_DATA_PATH)
    _require_own(address, held, "data path")
    return str(address)


def only_address(held: Held, own: Iterable[Subnet]) -> Address:
    """The host's address, if there is no question which. `own` are the subnets of the engine's networks."""
    subnets = tuple(own)
    chosen: tuple[str, Address] | None = None
    for link in dict.fromkeys(name for name, _ in held):
        addresses = [address for name, address in held if name == link and _global(address)]
        if any(address in subnet for address in addresses for subnet in subnets):
            continue
        for version in (4, 6):
            same = [address for address in addresses if address.version == version]
            if len(same) > 1:
                raise Unavailable(_several(f"interface {link} ({same[0]} and {same[1]})"))
        if not addresses:
            continue
        found = min(addresses, key=lambda address: address.version)
        if chosen is not None:
            where = f"different interfaces ({chosen[1]} on {chosen[0]} and {found} on {link})"
            raise Unavailable(_several(where))
        chosen = (link, found)
    if chosen is None:
        raise Unavailable(NO_ADDRESS)
    return chosen[1]


def _several(where: str) -> str:
    return (
        f"could not choose an IP address to advertise since this system has multiple addresses on {where} - "
        "specify one with --advertise-addr"
    )


def _global(address: Address) -> bool:
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def _require_own(address: Address, held: Held, what: str) -> None:
    """Consensus, gossip and VXLAN have their sockets at the very address that others send to."""
    if not address.is_loopback and all(address != own for _, own in held):
        has = ", ".join(str(own) for _, own in held if _global(own)) or "none"
        raise Invalid(
            f"{what} address {address} is not an address of this host (it has {has}): "
            "a node behind address translation is not supported"
        )


def _resolved(host: str, held: Held, complaint: str) -> Address:
    """An address as it stands, or that of an interface."""
    on_link = [address for name, address in held if name == host and not address.is_link_local]
    if on_link:
        for version in (4, 6):
            same = [address for address in on_link if address.version == version]
            if len(same) > 1:
                raise Invalid(f"interface {host} has more than one IPv{version} address ({same[0]} and {same[1]})")
        return min(on_link, key=lambda address: address.version)
    try:
        return ip_address(host)
    except ValueError as error:
        raise Invalid(complaint) from error

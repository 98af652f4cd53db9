"""/etc/hosts and /etc/hostname of a sandbox (hosts(5)), in Docker's order.

First what every host has, then `--add-host`, then legacy links, then the container itself once for
each of its addresses in the order of connection. While it runs only lines are added and taken
away, so that what somebody wrote into the file stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from fairlead.model.errors import Invalid
from fairlead.model.network import Address

HOST_GATEWAY = "host-gateway"


@dataclass(frozen=True, slots=True)
class HostsLine:
    """An address and what it is called, the canonical name first."""

    address: Address
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.address}\t{' '.join(self.names)}\n"


_LOCAL4 = "127.0.0.1\tlocalhost\n"
_LOCAL6 = """\
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def hosts_text(lines: Iterable[HostsLine], *, ipv6: bool = True) -> str:
    """A whole file. Without `ipv6` the loopback of that family is not mentioned."""
    return _LOCAL4 + (_LOCAL6 if ipv6 else "") + "".join(map(str, lines))


def with_lines(text: str, lines: Iterable[HostsLine]) -> str:
    """The file with these lines at its end, as far as it does not have them."""
    present = set(text.splitlines(keepends=True))
    added = "".join(dict.fromkeys(str(line) for line in lines if str(line) not in present))
    return text + ("\n" if added and text and not text.endswith("\n") else "") + added


def without_lines(text: str, lines: Iterable[HostsLine]) -> str:
    """The file without these lines; others about the same address stay."""
    gone = set(map(str, lines))
    return "".join(line for line in text.splitlines(keepends=True) if line not in gone)


def own_line(address: Address, hostname: str, domainname: str = "") -> HostsLine:
    """The container's line for one of its addresses. A domain, given apart or within the hostname, makes the full
    name the canonical one and the first label an alias."""
    full = f"{hostname}.{domainname}" if domainname else hostname
    first, dot, _ = full.partition(".")
    return HostsLine(address, (full, first) if dot else (full,))


def extra_lines(extra_hosts: Iterable[str], host_gateway: Sequence[Address]) -> list[HostsLine]:
    """The lines of `--add-host`, one for each address that stands for the host where `host-gateway` was asked for.

    Raises Invalid for what is not `name:address`.
    """
    return [line for text in extra_hosts for line in _extra(text, host_gateway)]


def _extra(text: str, host_gateway: Sequence[Address]) -> list[HostsLine]:
    name, _, value = text.partition("=" if "=" in text.partition(":")[0] else ":")
    if not name or not value:
        raise Invalid(f'bad format for add-host: "{text}"')
    if value == HOST_GATEWAY:
        if not host_gateway:
            raise Invalid(f"unable to derive the IP value for {HOST_GATEWAY}")
        return [HostsLine(address, (name,)) for address in host_gateway]
    try:
        return [HostsLine(ip_address(value.removeprefix("[").removesuffix("]")), (name,))]
    except ValueError:
        raise Invalid(f'invalid IP address in add-host: "{value}"') from None


def hostname_text(hostname: str) -> str:
    """A whole /etc/hostname."""
    return hostname + "\n"

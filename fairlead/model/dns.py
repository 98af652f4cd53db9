"""Name resolution in values: what the answering side (pure) and the sockets (effects) say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fairlead.model.network import Address

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Upstream:
    """A nameserver for everything that no network knows.

    `inside` tells from where it is asked: a server given with `--dns` from the container's own
    namespace, so that it may be another container or 127.0.0.1 of the container and so that the
    container reaches nothing by name that it does not reach by packet; a server taken from the
    host's resolv.conf from the host's namespace, where that file means what it says (127.0.0.53,
    a VPN's resolver, policy routes).
    """

    address: Address
    inside: bool = False
    port: int = DNS_PORT

    def __str__(self) -> str:
        return str(self.address) if self.inside else f"host({self.address})"


@dataclass(frozen=True, slots=True)
class DnsPorts:
    """Where a sandbox's resolver listens on 127.0.0.11."""

    udp: int
    tcp: int


class Verdict(Enum):
    """What becomes of a query that is not answered at once."""

    FORWARD = "forward"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to an upstream: over UDP or TCP from the namespace of `sandbox` ("" for the host's)."""

    sandbox: str
    upstream: Upstream
    tcp: bool = False


@dataclass(frozen=True, slots=True)
class Transmit:
    """`data` goes out through `channel`, unframed also for TCP.

    Over TCP `number` tells connections apart: each carries one query, and what is received or
    failed on it is reported with the same number. It is 0 over UDP.
    """

    channel: Channel
    data: bytes
    number: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """The end of a forwarded query: `data` for the client that asked under `token`."""

    token: int
    data: bytes

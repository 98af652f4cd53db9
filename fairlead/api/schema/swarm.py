"""What `/swarm/init` and `/swarm/join` take, and what is wrong with it whatever the state of the node."""

from __future__ import annotations

import re
from ipaddress import ip_network

from msgspec import Struct, field

from fairlead.model.errors import Failed, Invalid

DATA_PATH_PORTS = range(1024, 49152)
_TOKEN = re.compile(r"SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}")


class SwarmInit(Struct):
    ListenAddr: str = ""
    DataPathPort: int = 0
    DefaultAddrPool: list[str] | None = field(default_factory=list)
    SubnetSize: int = 0

    def validate(self) -> None:
        """Raises with Docker's words and status."""
        _check_listen_address(self.ListenAddr)
        if self.DataPathPort and self.DataPathPort not in DATA_PATH_PORTS:
            ports = f"{DATA_PATH_PORTS.start}-{DATA_PATH_PORTS.stop - 1}"
            raise Failed(f"Datapath port number is not in valid range ({ports}) : {self.DataPathPort}")
        if self.SubnetSize > 29:
            raise Failed(f"subnet size is out of range: {self.SubnetSize}")
        for pool in self.DefaultAddrPool or ():
            _check_pool(pool, self.SubnetSize or 24)


class SwarmJoin(Struct):
    ListenAddr: str = ""
    JoinToken: str = ""

    def validate(self) -> None:
        _check_listen_address(self.ListenAddr)
        if not _TOKEN.fullmatch(self.JoinToken):
            raise Failed("invalid join token")


def _check_listen_address(address: str) -> None:
    if not address:
        raise Invalid('invalid ListenAddr "": invalid empty address')


def _check_pool(pool: str, subnet_size: int) -> None:
    try:
        prefix = ip_network(pool).prefixlen
    except ValueError as error:
        raise Invalid(f"invalid CIDR address: {pool}") from error
    if subnet_size < prefix:
        raise Failed(f'invalid CIDR: "{pool}". Subnet size is too small for pool: {subnet_size}')

"""The way from a lab to the machine's own network: one veth pair, and translation in a table of its own.

    lab's router  uplink ────────── flab<digest>  machine
                  100.x.y.2         100.x.y.1     table ip fairlead_lab_<digest>: masquerade

Names, subnet and table follow from the lab's directory, so that two labs do not meet and `down` knows what to remove
even if it was not written down. Forwarding is turned on where it was off, and off again with the last lab that needs
it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path

from fairlead.lab.node import Node
from fairlead.model.errors import Failed

IFNAME = "uplink"
"""The router's end."""
_SHARED = IPv4Network("100.64.0.0/10")
"""For carriers' translators (RFC 6598): nobody's own network has it."""
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True, slots=True)
class Uplink:
    """A lab's way out. `link` is the machine's end."""

    link: str
    table: str
    subnet: IPv4Network

    @property
    def machine(self) -> IPv4Address:
        return self.subnet[1]

    @property
    def router(self) -> IPv4Address:
        return self.subnet[2]


def of(directory: Path) -> Uplink:
    """Pure: the uplink of the lab in that directory."""
    digest = sha256(str(directory).encode()).hexdigest()
    place = int(digest[:8], 16) % (1 << (30 - _SHARED.prefixlen))
    subnet = IPv4Network((int(_SHARED.network_address) + 4 * place, 30))
    return Uplink(f"flab{digest[:8]}", f"fairlead_lab_{digest[:8]}", subnet)


def machine_rules(uplink: Uplink) -> str:
    """An nft file for the machine."""
    leaving = f'ip saddr {uplink.subnet} oifname != "{uplink.link}" masquerade'
    chain = f"type nat hook postrouting priority 100; {leaving};"
    return f"table ip {uplink.table} {{ chain post {{ {chain} }}; }}\n"


def make(uplink: Uplink, router: Node) -> None:
    """Build it, and turn forwarding on. Raises `Failed`."""
    length = uplink.subnet.prefixlen
    _ip(f"link add {uplink.link} type veth peer name {IFNAME} netns {router.pid}")
    _ip(f"address add {uplink.machine}/{length} dev {uplink.link}")
    _ip(f"link set {uplink.link} up")
    _run(["nft", "-f", "-"], machine_rules(uplink))
    lines = [f"address add {uplink.router}/{length} dev {IFNAME}", f"link set {IFNAME} up"]
    router.batch("ip", [*lines, f"route replace default via {uplink.machine}"])
    turn_forwarding(on=True)


def remove(uplink: Uplink) -> None:
    """Take away whatever of it is there."""
    _run(["ip", "link", "del", uplink.link], check=False)
    _run(["nft", "delete", "table", "ip", uplink.table], check=False)


def forwarding() -> bool:
    """Whether the machine forwards packets."""
    return _FORWARDING.read_text().strip() == "1"


def turn_forwarding(on: bool) -> None:
    if forwarding() is not on:
        _FORWARDING.write_text("1" if on else "0")


def nameservers(resolv_conf: str) -> list[str]:
    """Pure: the servers of a resolv.conf that a lab can reach: none on loopback, IPv4 only."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                address = ip_address(words[1])
            except ValueError:
                continue
            if address.version == 4 and not address.is_loopback:
                found.append(str(address))
    return found


def _ip(line: str) -> None:
    _run(["ip", *line.split()])


def _run(command: Sequence[str], text: str = "", check: bool = True) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")

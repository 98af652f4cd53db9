"""A topology file, which is TOML:

[switches.lan]                      # a learning switch; tagged frames pass through (a trunk)
subnet = "192.168.50.0/24"
mtu = 1500                          # of its links that say no other

[hosts.a]                           # a machine with a Fairlead daemon
links = [{ switch = "lan", address = "192.168.50.11/24" }]
daemon = ["--icc=false"]            # further flags of its daemon; `false` for a host without one
role = "manager"                    # or "worker": hosts with a role make a swarm
gateway = "192.168.50.1"

[routers.r1]                        # forwards between its links, and masquerades towards the switch `nat`
links = [{ switch = "lan", address = "192.168.50.1/24" },
         { switch = "office", address = "10.9.0.1/24", mtu = 1400, ifname = "wan0" },
         { switch = "trunk", vlan = 10, address = "192.168.10.1/24" }]
nat = "office"
uplink = true                       # one router may lead on to the machine's own network
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from fairlead.lab.parts import DEFAULT_MTU, Host, Link, Router, Switch, Topology
from fairlead.lab.soundness import complete
from fairlead.model.errors import Invalid

Entry = Mapping[str, Any]
_Kind = TypeVar("_Kind", IPv4Network, IPv4Interface)


def read(file: Path) -> Topology:
    """Raises `Invalid` naming the file and the entry that is wrong."""
    try:
        return parse(file.read_text())
    except (OSError, UnicodeDecodeError, Invalid) as error:
        raise Invalid(f"{file}: {error.message if isinstance(error, Invalid) else error}") from error


def parse(text: str) -> Topology:
    """The text of a file. Raises `Invalid` naming the entry that is wrong."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"topology: {error}") from error
    _only(data, "topology", ("switches", "hosts", "routers"))
    topology = Topology(
        {name: _switch(name, entry) for name, entry in _entries(data, "switches")},
        {name: _host(name, entry) for name, entry in _entries(data, "hosts")},
        {name: _router(name, entry) for name, entry in _entries(data, "routers")},
    )
    return complete(topology)


def _entries(data: Entry, kind: str) -> Iterator[tuple[str, Entry]]:
    entries = data.get(kind, {})
    if not isinstance(entries, Mapping):
        raise Invalid(f"topology: {kind} are tables: [{kind}.NAME]")
    for name, entry in entries.items():
        if not isinstance(entry, Mapping):
            raise Invalid(f"{kind}.{name}: expected a table: [{kind}.{name}]")
        yield name, entry


def _switch(name: str, entry: Entry) -> Switch:
    where = f"switches.{name}"
    _only(entry, where, ("subnet", "mtu"))
    subnet = _text(entry, where, "subnet")
    return Switch(
        name,
        _address(IPv4Network, subnet, f"{where}.subnet") if subnet else None,
        _mtu(entry, where, DEFAULT_MTU),
    )


def _host(name: str, entry: Entry) -> Host:
    where = f"hosts.{name}"
    _only(entry, where, ("links", "daemon", "role", "gateway"))
    role, gateway = _text(entry, where, "role"), _text(entry, where, "gateway")
    return Host(name, _links(entry, where), _daemon(entry, where), role, gateway)


def _daemon(entry: Entry, where: str) -> tuple[str, ...] | None:
    flags = entry.get("daemon", True)
    if isinstance(flags, bool):
        return () if flags else None
    if isinstance(flags, list) and all(isinstance(flag, str) for flag in flags):
        return tuple(flags)
    raise Invalid(f'{where}.daemon: expected true, false or a list of flags such as ["--icc=false"], not {flags!r}')


def _router(name: str, entry: Entry) -> Router:
    where = f"routers.{name}"
    _only(entry, where, ("links", "nat", "uplink"))
    uplink = entry.get("uplink", False)
    if not isinstance(uplink, bool):
        raise Invalid(f"{where}.uplink: expected true or false, not {uplink!r}")
    return Router(name, _links(entry, where), _text(entry, where, "nat"), uplink)


def _links(entry: Entry, where: str) -> tuple[Link, ...]:
    links = entry.get("links", [])
    if not isinstance(links, list):
        raise Invalid(f'{where}.links: expected a list such as [{{ switch = "lan" }}], not {links!r}')
    return tuple(_link(f"{where}.links[{i}]", link) for i, link in enumerate(links))


def _link(where: str, entry: object) -> Link:
    if not isinstance(entry, Mapping):
        raise Invalid(f'{where}: expected a table such as {{ switch = "lan" }}, not {entry!r}')
    _only(entry, where, ("switch", "ifname", "address", "vlan", "mtu"))
    if "switch" not in entry:
        raise Invalid(f'{where}: a link needs a "switch"')
    vlan = _number(entry, where, "vlan", 0)
    if "vlan" in entry and not 1 <= vlan <= 4094:
        raise Invalid(f"{where}.vlan: VLAN id {vlan} is out of range (1-4094)")
    written = _text(entry, where, "address")
    address = _address(IPv4Interface, written, f"{where}.address") if written else None
    if address is not None and "/" not in written:
        raise Invalid(f'{where}.address: "{written}" lacks the length of its subnet, as in {written}/24')
    return Link(_text(entry, where, "switch"), _text(entry, where, "ifname"), address, vlan, _mtu(entry, where, 0))


# --- values of a kind -------------------------------------------------------------------------------


def _only(entry: Entry, where: str, allowed: tuple[str, ...]) -> None:
    for key in entry:
        if key not in allowed:
            raise Invalid(f'{where}: unknown key "{key}"; there are: {", ".join(allowed)}')


def _text(entry: Entry, where: str, key: str) -> str:
    value = entry.get(key, "")
    if not isinstance(value, str):
        raise Invalid(f"{where}.{key}: expected a string, not {value!r}")
    return value


def _number(entry: Entry, where: str, key: str, default: int) -> int:
    value = entry.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f"{where}.{key}: expected a whole number, not {value!r}")
    return value


def _mtu(entry: Entry, where: str, default: int) -> int:
    mtu = _number(entry, where, "mtu", default)
    if "mtu" in entry and not 68 <= mtu <= 65535:
        raise Invalid(f"{where}.mtu: {mtu} is out of range (68-65535)")
    return mtu


def _address(kind: Callable[[str], _Kind], text: str, where: str) -> _Kind:
    if ":" in text:
        raise Invalid(f"{where}: the underlay is IPv4, {text} is not")
    try:
        return kind(text)
    except ValueError as error:
        raise Invalid(f'{where}: "{text}": {error}') from error

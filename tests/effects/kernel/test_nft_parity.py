"""Random sets and elements: what we wrote, `nft -j` reads, and what `nft` wrote, we read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.effects.kernel import netns
from fairlead.effects.kernel.netlink import NETFILTER, Channel
from fairlead.effects.kernel.nft import Nftables
from fairlead.model.ruleset import Element, Interval, Key, Set, Table, Transaction, Value
from tests.effects.kernel.conftest import nft, run

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=15).filter(str.strip)
macs = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
ports = st.integers(0, 65535)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "ipv4_addr": st.ip_addresses(v=4),
    "ipv6_addr": st.ip_addresses(v=6),
    "ether_addr": macs,
    "inet_proto": st.sampled_from([1, 6, 17, 132]),
    "inet_service": ports,
    "mark": st.integers(0, 2**32 - 1),
    "ifname": names,
}
RANGES: dict[str, st.SearchStrategy[Any]] = {
    "ipv4_addr": st.one_of(
        st.ip_addresses(v=4),
        st.builds(lambda a, p: IPv4Network((a, p), strict=False), st.ip_addresses(v=4), st.integers(1, 31)),
    ),
    "ipv6_addr": st.builds(lambda a, p: IPv6Network((a, p), strict=False), st.ip_addresses(v=6), st.integers(1, 127)),
    "inet_service": st.one_of(
        ports, st.tuples(ports, ports).filter(lambda p: p[0] < p[1]).map(lambda pair: Interval(*pair))
    ),
    "inet_proto": SCALARS["inet_proto"],
    "ifname": names,
}


@pytest.fixture(scope="module")
def nftables() -> Iterator[tuple[Nftables, int]]:
    """One namespace for all examples: each writes the whole table."""
    descriptor = netns.make_namespace()
    with netns.entered_descriptor(descriptor):
        channel = Channel(NETFILTER)
    yield Nftables(channel), descriptor
    channel.close()
    os.close(descriptor)


@st.composite
def filled_sets(draw: st.DrawFn) -> tuple[Set, tuple[Element, ...]]:
    interval = draw(st.booleans())
    known = RANGES if interval else SCALARS
    kinds = tuple(draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=4)))
    if interval and kinds == ("ifname",):
        kinds = ("ifname", "inet_service")
    # nft 1.0.6 prints marks in the concatenated data of interval maps reversed, also those it wrote itself
    data = tuple(
        draw(st.lists(st.sampled_from(["ipv4_addr", "inet_service", *([] if interval else ["mark"])]), max_size=2))
    )
    declared = Set("s", kinds, data, frozenset({"interval"}) if interval else frozenset())
    most = 1 if interval else 20  # random intervals overlap, which is refused
    keys = draw(st.lists(st.tuples(*(known[kind] for kind in kinds)), unique_by=str, min_size=1, max_size=most))
    return declared, tuple(Element("s", key, draw_data(draw, data), draw(comments)) for key in keys)


comments = st.text("abc xyz-:/", max_size=20).map(str.strip)


def draw_data(draw: st.DrawFn, kinds: tuple[str, ...]) -> tuple[Any, ...] | None:
    return draw(st.tuples(*(SCALARS[kind] for kind in kinds))) if kinds else None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filled=filled_sets())
def test_what_we_write_nft_reads(nftables: tuple[Nftables, int], filled: tuple[Set, tuple[Element, ...]]) -> None:
    tables, descriptor = nftables
    declared, elements = filled
    table = Table("inet", "parity", (declared,))
    tables.commit(Transaction("inet", "parity", replace=table, add=elements))
    assert set(tables.elements("inet", "parity", "s") or ()) == {canonical(element) for element in elements}
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    kind = "map" if declared.data else "set"
    (seen,) = [entry[kind] for entry in nft("list", "table", "inet", "parity", ns=path) if kind in entry]
    assert sorted(map(str, (read(entry) for entry in seen["elem"]))) == sorted(
        str((spoken(element.key), spoken(element.data) if element.data else None)) for element in elements
    )


def canonical(element: Element) -> Element:
    """Networks of one address, and intervals of one key, come back as that key."""
    key: Key = tuple(
        part.network_address if isinstance(part, IPv4Network | IPv6Network) and part.num_addresses == 1 else part
        for part in element.key
    )
    return Element(element.set, key, element.data, element.comment)


PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}


def read(entry: Any) -> tuple[list[str], list[str] | None]:
    """An element of `nft -j` as (key, data) in words."""
    key, data = entry if isinstance(entry, list) else (entry, None)
    if isinstance(key, dict) and "elem" in key:
        key = key["elem"]["val"]
    return heard(key), None if data is None else heard(data)


def heard(value: Any) -> list[str]:
    if isinstance(value, dict) and "concat" in value:
        return [heard_part(part) for part in value["concat"]]
    return [heard_part(value)]


def heard_part(part: Any) -> str:
    if isinstance(part, dict) and "prefix" in part:
        return f"{pythonic(part['prefix']['addr'])}/{part['prefix']['len']}"
    if isinstance(part, dict) and "range" in part:
        return "-".join(pythonic(end) for end in part["range"])
    return pythonic(PROTOCOLS.get(part, part))


def pythonic(word: Any) -> str:
    """Addresses as Python writes them: nft ends mapped IPv6 addresses in dots."""
    try:
        return str(ip_address(word)) if isinstance(word, str) else str(word)
    except ValueError:
        return word


def spoken(values: Any) -> list[str]:
    return [spoken_part(value) for value in values]


def spoken_part(value: Value) -> str:
    if isinstance(value, Interval):
        return f"{value.low}-{value.high}"
    return str(value)


def test_what_nft_writes_we_read(nftables: tuple[Nftables, int]) -> None:
    tables, descriptor = nftables
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    script = """add table inet theirs; add set inet theirs s { type ipv4_addr; flags interval;
        elements = { 0.0.0.0-9.255.255.255, 10.0.0.0/8, 12.0.0.1, 255.255.255.0/24 } }"""
    run("nft", script, ns=path)
    found = tables.elements("inet", "theirs", "s")
    assert {element.key[0] for element in found or ()} == {
        Interval(ip_address("0.0.0.0"), ip_address("9.255.255.255")),
        IPv4Network("10.0.0.0/8"),
        ip_address("12.0.0.1"),
        IPv4Network("255.255.255.0/24"),
    }

"""A view says what follows from its rows, whatever happened before; and any bytes are a row or are refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, ip_address

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.discovery.presence import Origin, Refused, decode, encode
from fairlead.core.discovery.view import NetworkView
from fairlead.model.discovery import BALANCER, CONTAINER, TASK, MeshPort, Presence
from tests.core.discovery.rows import ELSEWHERE, HERE, THERE, VTEPS, Listener

NODES = st.sampled_from([HERE, THERE, ELSEWHERE])
ADDRESSES = st.integers(1, 6).map(lambda last: ip_address(f"10.0.1.{last}"))
SERVICES = st.sampled_from(["web", "db"])


@st.composite
def presences(draw: st.DrawFn) -> Presence:
    """Few of everything, so that ids, addresses, MACs, names and services collide."""
    node, address, service = draw(NODES), draw(ADDRESSES), draw(SERVICES)
    kind = draw(st.sampled_from([TASK, TASK, CONTAINER, BALANCER]))
    plain = Presence(
        endpoint_id=draw(st.sampled_from("abcdef")),
        kind=kind,
        node_id=node,
        vtep=ip_address(VTEPS[node]),
        mac=f"02:00:00:00:00:0{draw(st.integers(1, 4))}",
        addresses=(address,),
        name=draw(st.sampled_from(["x", "y", "z"])),
        serving=draw(st.booleans()),
    )
    if kind != TASK:
        return plain
    vips = draw(st.sampled_from([(), (ip_address("10.0.9.9"),), (ip_address("10.0.9.8"),)]))
    mesh = draw(st.sampled_from([(), (MeshPort(80, 8080),), (MeshPort(81, 8080),)]))
    return replace(plain, service_id=service + "id", service=service, vips=vips, mesh=mesh)


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, Presence, int]:
    verb = draw(st.sampled_from(["put", "put", "put", "silence", "drop", "take"]))
    return verb, draw(presences()), draw(st.integers(1, 5))


def origin(presence: Presence) -> Origin:
    return Origin(presence.node_id, presence.endpoint_id)


def _packed(values: list[object]) -> bytes:
    """As MessagePack, where it can say them."""
    try:
        return msgspec.msgpack.encode(values)
    except OverflowError:
        return b""


def same(one: Listener, other: Listener) -> None:
    assert one.ways() == other.ways()
    assert one.named == other.named
    assert one.standing() == other.standing()
    assert one.balancers == other.balancers


@settings(max_examples=400, deadline=None)
@given(st.lists(steps(), max_size=60), st.randoms())
def test_a_view_that_lived_equals_one_made_anew_in_any_order(history, random) -> None:  # type: ignore[no-untyped-def]
    view, heard = NetworkView(HERE), Listener()
    for verb, presence, written in history:
        if verb == "put":
            view.put(presence, written)
        elif verb == "silence":
            view.silence(origin(presence))
        elif verb == "drop":
            view.drop(origin(presence))
        else:
            heard.hear(view.take())
    heard.hear(view.take())
    rows = list(view.rows())
    random.shuffle(rows)
    anew = NetworkView(HERE)
    for row in rows:
        anew.put(row.presence, row.written)
        if row.silent:
            anew.silence(row.origin)
    same(heard, Listener().hear(anew.take()))


@settings(deadline=None)
@given(st.lists(presences(), max_size=30))
def test_no_address_leads_to_two_endpoints(all_of_them: list[Presence]) -> None:
    view = NetworkView(HERE)
    for written, presence in enumerate(all_of_them):
        view.put(presence, written)
    forwarded = Listener().hear(view.take()).forwarded.values()
    used = [key for presence in forwarded for key in (*presence.addresses, presence.mac)]
    assert len(used) == len(set(used))


@given(presences())
def test_every_endpoint_survives_its_row(presence: Presence) -> None:
    assert decode(encode(presence), origin(presence)) == presence


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200) | st.lists(st.none() | st.integers() | st.text() | st.binary()).map(_packed))
def test_any_bytes_are_a_row_or_are_refused(value: bytes) -> None:
    with suppress(Refused):
        decode(value, Origin(THERE, "a"))


@given(presences(), st.data())
def test_a_mutated_row_is_a_row_or_is_refused(presence: Presence, data: st.DataObject) -> None:
    value = bytearray(encode(presence))
    for at in data.draw(st.lists(st.integers(0, len(value) - 1), min_size=1, max_size=4)):
        value[at] = data.draw(st.integers(0, 255))
    try:
        told = decode(bytes(value), origin(presence))
    except Refused:
        return
    assert told.node_id == presence.node_id
    assert all(isinstance(address, IPv4Address) or address.version == 6 for address in told.addresses)

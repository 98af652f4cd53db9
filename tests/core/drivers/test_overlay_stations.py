"""From what discovery says to entries of the kernel: the end is right whatever the order."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.drivers.overlay_options import VNIS
from fairlead.core.drivers.overlay_stations import Entry, Stations, announced, entries
from fairlead.model.discovery import CONTAINER, Presence
from fairlead.model.plan import AddFdb, AddNeighbour, AnnounceAddress, DelFdb, DelNeighbour, Operation
from tests.core.drivers.builders import network

NET = network("overlay", subnet="10.0.1.0/24 10.0.2.0/24", scope="swarm", options={VNIS: "4097,4098"})
HOME = "/netns/1"
VTEP = IPv4Address("192.168.60.12")


def presence(
    name: str, address: str = "10.0.1.5", vtep: str = "192.168.60.12", mac: str = "02:42:0a:00:01:05"
) -> Presence:
    return Presence(name, CONTAINER, "node", ip_address(vtep), mac, (ip_address(address),))


def made(one: Presence) -> tuple[Entry, ...]:
    return entries(NET, one, HOME)


def test_new_neighbours_are_announced_where_the_containers_hear_it() -> None:
    changes = [*made(presence("a", "10.0.2.5")), DelNeighbour("vxlan0", ip_address("10.0.1.9"), HOME)]
    (told,) = announced(NET, changes, ())
    assert told == AnnounceAddress("br1", ip_address("10.0.2.5"), "02:42:0a:00:01:05", HOME)


def test_neighbours_that_can_be_no_other_are_announced_only_where_one_was() -> None:
    stations, usual, chosen = Stations(), presence("a"), presence("b", mac="02:42:0a:00:01:99")
    stations.put(usual, made(usual))
    assert not list(announced(NET, stations.changes(), stations.unsteady))
    stations.put(chosen, made(chosen))
    assert len(list(announced(NET, stations.changes(), stations.unsteady))) == 1
    stations.drop("b")
    (told,) = announced(NET, stations.changes(), stations.unsteady)
    assert told.mac == usual.mac


class Kernel:
    """What a sequence of changes leaves."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, object], object] = {}

    def do(self, operations: list[Operation]) -> None:
        for each in operations:
            match each:
                case AddFdb(link=link, mac=mac, remote=remote):
                    self.entries[link, mac] = remote
                case AddNeighbour(link=link, address=address, mac=mac):
                    self.entries[link, address] = mac
                case DelFdb(link=link, mac=mac, remote=remote):
                    assert self.entries.pop((link, mac)) == remote
                case DelNeighbour(link=link, address=address):
                    del self.entries[link, address]


def test_an_endpoint_is_one_way_and_its_neighbours() -> None:
    assert made(presence("a", "10.0.2.5")) == (
        AddFdb("vxlan1", "02:42:0a:00:01:05", VTEP, HOME),
        AddNeighbour("vxlan1", ip_address("10.0.2.5"), "02:42:0a:00:01:05", HOME),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        presence("a", "10.9.9.9"),
        presence("a", "10.0.1.1"),
        presence("a", mac="ff:ff:ff:ff:ff:ff"),
        presence("a", mac="01:00:5e:00:00:01"),
        presence("a", mac="02:42"),
    ],
    ids=["foreign address", "the gateway", "everybody", "a group", "no hardware address"],
)
def test_what_makes_no_sense_is_nothing(wrong: Presence) -> None:
    assert made(wrong) == ()


def test_a_change_costs_its_own_entries() -> None:
    stations = Stations()
    stations.seen(())
    for number in range(500):
        one = presence(
            f"e{number}",
            str(IPv4Address("10.0.1.2") + number % 250),
            mac=f"02:42:00:00:{number >> 8:02x}:{number & 255:02x}",
        )
        stations.put(one, made(one))
    assert stations.changes()
    assert stations.changes() == []
    one = presence("e7", "10.0.2.9", mac="02:42:00:00:09:09")
    stations.put(one, made(one))
    stations.complete()
    assert len(stations.changes()) <= 4


def test_entries_of_an_earlier_life_stay_until_all_have_spoken() -> None:
    old, new = made(presence("old", "10.0.1.9", mac="02:42:0a:00:01:09")), presence("new")
    stations = Stations()
    stations.seen(old)
    stations.put(new, made(new))
    assert stations.changes() == list(made(new))
    stations.complete()
    assert set(stations.changes()) == {each.inverse() for each in old}


def test_who_spoke_and_went_is_gone_at_once() -> None:
    stations = Stations()
    stations.seen(made(presence("a")))
    stations.put(presence("a"), made(presence("a")))
    assert stations.changes() == []
    stations.drop("a")
    assert len(stations.changes()) == 2


_PRESENCES = st.builds(
    presence,
    st.sampled_from("abcd"),
    st.sampled_from(["10.0.1.5", "10.0.1.6", "10.0.2.5"]),
    st.sampled_from(["192.168.60.12", "192.168.60.13"]),
    st.sampled_from(["02:42:0a:00:01:05", "02:42:0a:00:01:06"]),
)


@settings(max_examples=300)
@given(st.lists(st.one_of(_PRESENCES, st.sampled_from("abcd"), st.none())))
def test_whatever_is_said_in_whatever_batches_the_last_word_holds(said: list[Presence | str | None]) -> None:
    stations, kernel, order = Stations(), Kernel(), dict[str, Presence]()
    stations.seen(())
    for word in said:
        if isinstance(word, Presence):
            order.pop(word.endpoint_id, None)
            order[word.endpoint_id] = word
            stations.put(word, made(word))
        elif word is None:
            kernel.do(stations.changes())
        else:
            order.pop(word, None)
            stations.drop(word)
    kernel.do(stations.changes())
    wanted = Kernel()
    for each in order.values():
        wanted.do(list(made(each)))
    assert kernel.entries == wanted.entries
    expected = Kernel()
    expected.do(list(stations.expected()))
    assert expected.entries == wanted.entries

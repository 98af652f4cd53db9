"""From the swarm's keys to associations between two nodes."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.overlay import esp
from fairlead.model.plan import AddAssociation, AddPolicy, DelAssociation, DelPolicy, PortBlock
from fairlead.model.swarm.cluster import IPSEC, EncryptionKey

RING = [EncryptionKey(IPSEC, number, f"{number:032x}") for number in range(1, 9)]
NODES = [IPv4Address("192.168.60.11") + number for number in range(20)]
PORT, SOURCES = 4789, PortBlock(0xF000, 0xF000)


def ring(newest: int) -> list[EncryptionKey]:
    return RING[newest - 3 : newest]


def test_both_ends_agree_on_each_direction_and_on_nothing_else() -> None:
    a, b = NODES[:2]
    sent, heard = esp.wanted(a, [b], ring(3), 2)
    back, there = esp.wanted(b, [a], ring(3), 2)
    assert set(sent) <= set(there)
    assert set(back) <= set(heard)
    assert len(sent) == 1
    assert len(heard) == 3 * esp.GENERATIONS
    assert not {each.key for each in sent} & {each.key for each in heard}


def test_no_two_ways_share_a_key_or_an_spi_at_their_end() -> None:
    ways = [(a, b) for a in NODES for b in NODES if a != b]
    every = [esp.association(key, a, b, each) for key in RING[:3] for a, b in ways for each in range(esp.GENERATIONS)]
    assert len({each.key for each in every}) == len(every)
    assert len({(each.destination, each.spi) for each in every}) == len(every)
    assert all(len(each.key) == 20 and each.spi >= 256 for each in every)


@given(st.integers(3, 8), st.sets(st.sampled_from(NODES[1:])), st.integers(3, 8), st.sets(st.sampled_from(NODES[1:])))
def test_at_no_step_does_a_policy_lead_nowhere(
    newest: int, peers: set[IPv4Address], next_newest: int, next_peers: set[IPv4Address]
) -> None:
    own = NODES[0]
    sent, heard = esp.wanted(own, peers, ring(newest), newest - 1)
    led = esp.policies(sent, PORT, SOURCES)
    later_sent, later_heard = esp.wanted(own, next_peers, ring(next_newest), next_newest - 1)
    later_led = esp.policies(later_sent, PORT, SOURCES)
    associations = {(each.destination, each.spi) for each in (*sent, *heard)}
    policies = {each.way: each for each in led}
    for step in esp.changes([*later_sent, *later_heard], later_led, [*sent, *heard], led):
        match step:
            case AddAssociation():
                associations.add((step.destination, step.spi))
            case DelAssociation():
                associations.remove((step.destination, step.spi))
            case AddPolicy():
                policies[step.way] = step
            case DelPolicy():
                del policies[step.source, step.destination, step.port]
        assert all((each.destination, each.spi) in associations for each in policies.values())
    assert associations == {(each.destination, each.spi) for each in (*later_sent, *later_heard)}
    assert set(policies.values()) == set(later_led)


def test_a_sender_goes_on_before_its_numbers_end() -> None:
    """And the other end understands it; a new key begins anew; a restart goes on where it was."""
    a, b = NODES[:2]
    _, understood = esp.wanted(b, [a], ring(3), 2)
    generation, packets = 0, esp.ENOUGH
    for step in range(1, esp.GENERATIONS + 3):
        sent, _ = esp.wanted(a, [b], ring(3), 2, generation)
        assert set(sent) <= set(understood)
        led = esp.policies(sent, PORT, SOURCES)
        assert esp.generation_of(a, ring(3), 2, led, {sent[0].spi: packets - 1}) == generation
        generation = esp.generation_of(a, ring(3), 2, led, {sent[0].spi: packets})
        assert generation == min(step, esp.GENERATIONS - 1)
        assert esp.generation_of(a, ring(4), 3, led, {}) == 0
    assert esp.generation_of(a, [], 0, [], {}) == 0


def test_neighbouring_rings_understand_each_other() -> None:
    """While one end has rotated and the other has not."""
    a, b = NODES[:2]
    before, _ = esp.wanted(a, [b], ring(3), 2)
    _, understood = esp.wanted(b, [a], ring(4), 3)
    after, _ = esp.wanted(a, [b], ring(4), 3)
    _, still = esp.wanted(b, [a], ring(3), 2)
    assert set(before) <= set(understood)
    assert set(after) <= set(still)

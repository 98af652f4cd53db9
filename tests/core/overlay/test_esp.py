"""From the swarm's keys to associations between two nodes."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.overlay import esp
from fairlead.model.plan import AddAssociation, AddPolicy, DelAssociation, DelPolicy
from fairlead.model.swarm.cluster import IPSEC, EncryptionKey

RING = [EncryptionKey(IPSEC, number, f"{number:032x}") for number in range(1, 9)]
NODES = [IPv4Address("192.168.60.11") + number for number in range(20)]
PORT, MARK = 4789, 7


def ring(newest: int) -> list[EncryptionKey]:
    return RING[newest - 3 : newest]


def test_both_ends_agree_on_each_direction_and_on_nothing_else() -> None:
    a, b = NODES[:2]
    sent, heard = esp.wanted(a, [b], ring(3), 2)
    back, there = esp.wanted(b, [a], ring(3), 2)
    assert set(sent) <= set(there)
    assert set(back) <= set(heard)
    assert len(sent) == 1
    assert len(heard) == 3
    assert not {each.key for each in sent} & {each.key for each in heard}


def test_no_two_ways_share_a_key_or_an_spi_at_their_end() -> None:
    every = [esp.association(key, a, b) for key in RING for a in NODES for b in NODES if a != b]
    assert len({each.key for each in every}) == len(every)
    assert len({(each.destination, each.spi) for each in every}) == len(every)
    assert all(len(each.key) == 20 and each.spi >= 256 for each in every)


@given(st.integers(3, 8), st.sets(st.sampled_from(NODES[1:])), st.integers(3, 8), st.sets(st.sampled_from(NODES[1:])))
def test_at_no_step_does_a_policy_lead_nowhere(
    newest: int, peers: set[IPv4Address], next_newest: int, next_peers: set[IPv4Address]
) -> None:
    own = NODES[0]
    sent, heard = esp.wanted(own, peers, ring(newest), newest - 1)
    led = esp.policies(sent, PORT, MARK)
    later_sent, later_heard = esp.wanted(own, next_peers, ring(next_newest), next_newest - 1)
    later_led = esp.policies(later_sent, PORT, MARK)
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


def test_neighbouring_rings_understand_each_other() -> None:
    """While one end has rotated and the other has not."""
    a, b = NODES[:2]
    before, _ = esp.wanted(a, [b], ring(3), 2)
    _, understood = esp.wanted(b, [a], ring(4), 3)
    after, _ = esp.wanted(a, [b], ring(4), 3)
    _, still = esp.wanted(b, [a], ring(3), 2)
    assert set(before) <= set(understood)
    assert set(after) <= set(still)

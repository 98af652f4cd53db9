"""Whom a node asks next."""

from __future__ import annotations

from fairlead.effects.clock import SystemEntropy
from fairlead.engine.swarm.leader_search import LONGEST_PAUSE, LONGEST_REFUSED, LeaderSearch

ALL = ("a:1", "b:1", "c:1")


def search(*addresses: str) -> LeaderSearch:
    return LeaderSearch(addresses, SystemEntropy())


def test_everybody_is_asked_in_turn_until_somebody_leads() -> None:
    looking = search(*ALL)
    asked = []
    for _ in ALL:
        asked.append(looking.next())
        looking.failed(asked[-1])
    assert sorted(asked) == sorted(ALL)
    looking.leads("b:1")
    assert looking.next() == "b:1"
    looking.failed("b:1")
    assert looking.next() in ALL


def test_who_does_not_lead_says_who_does() -> None:
    looking = search(*ALL)
    first = looking.next()
    looking.redirected(first, "d:1")
    assert looking.next() == "d:1"
    looking.redirected("d:1", "")
    assert looking.next() in set(ALL) - {first}


def test_nobody_is_known_or_all_are_gone() -> None:
    looking = search()
    assert looking.next() == ""
    looking.know(["x:1"])
    assert looking.next() == "x:1"
    looking.know([])
    assert looking.addresses == ("x:1",)


def test_a_question_of_its_own_does_not_change_the_search() -> None:
    looking = search(*ALL)
    looking.leads("a:1")
    fork = looking.fork()
    fork.failed("a:1")
    assert looking.next() == "a:1"


def test_pauses_grow_and_begin_anew() -> None:
    looking = search(*ALL)
    pauses = [looking.pause() for _ in range(8)]
    assert max(pauses) <= LONGEST_PAUSE * 1.5
    assert min(pauses[4:]) > max(pauses[:1])
    looking.leads("a:1")
    assert looking.pause() <= 0.15


def test_who_is_refused_asks_less_and_less_often_until_somebody_leads() -> None:
    looking = search(*ALL)
    pauses = []
    for _ in range(12):
        looking.refused(looking.next())
        pauses.append(looking.pause())
    assert max(pauses[:3]) < LONGEST_PAUSE
    assert LONGEST_REFUSED / 2 <= pauses[-1] <= LONGEST_REFUSED * 1.5
    looking.leads("b:1")
    assert looking.pause() < LONGEST_PAUSE

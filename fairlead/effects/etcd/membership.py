"""Members as etcd lists them, and whether the others can decide without one of them.

etcd's own check (`--strict-reconfig-check`) wants every member connected for five seconds before anything may change; a
second manager that joins would wait for the first. So it is off, and what it guards is asked here of the members
themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.effects.etcd.gateway import Json, number
from fairlead.model.swarm.consensus import ConsensusMember


def peer_urls(listed: Json) -> list[str]:
    found = listed.get("peerURLs", [])
    return [str(url) for url in found] if isinstance(found, list) else []


def member(listed: Json, leader: int) -> ConsensusMember:
    id_, name = number(listed, "ID"), str(listed.get("name", ""))
    return ConsensusMember(
        id=f"{id_:016x}",
        name=name,
        peer_url=next(iter(peer_urls(listed)), ""),
        learner=bool(listed.get("isLearner")),
        started=bool(name),
        healthy=False,
        leader=id_ == leader,
    )


def majority_without(members: Sequence[ConsensusMember], gone: str) -> bool:
    """Do enough of the voters that are left without member `gone` answer?"""
    left = [one for one in members if not one.learner and one.id != gone]
    return _majority(left, sum(one.healthy for one in left))


def majority_with(members: Sequence[ConsensusMember], new: str) -> bool:
    """Do enough voters answer once member `new` votes too?"""
    voters = [one for one in members if not one.learner or one.id == new]
    return _majority(voters, sum(one.healthy for one in voters))


def heirs(members: Sequence[ConsensusMember]) -> list[ConsensusMember]:
    """Those that can lead."""
    return [one for one in members if not one.learner and one.healthy]


def _majority(voters: Sequence[ConsensusMember], answering: int) -> bool:
    return answering > len(voters) // 2

"""The members of the managers' consensus, and how one of them starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ConsensusMember:
    """`id` hex. `started`: has it ever spoken? `learner`: it does not vote yet. `healthy`: it answers now."""

    id: str
    name: str
    peer_url: str
    learner: bool = False
    started: bool = True
    healthy: bool = True
    leader: bool = False


@dataclass(frozen=True, slots=True)
class ConsensusFiles:
    """PEM of the member's certificate, key and trust."""

    certificate: str
    key: str
    trust: str


@dataclass(frozen=True, slots=True)
class ConsensusStart:
    """How a member starts. `initial_cluster` () means: alone, a new cluster. `join`: the others already run.
    `force_new`: alone with the data that is there (after a lost majority). `peer_url` is where the others reach it,
    `listen_url` where it listens ("": there). `token` sets apart clusters that are made at the same addresses."""

    name: str
    peer_url: str
    files: ConsensusFiles
    initial_cluster: Mapping[str, str] = field(default_factory=dict)
    join: bool = False
    force_new: bool = False
    token: str = ""
    listen_url: str = ""

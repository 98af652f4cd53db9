"""What a node knows and does, as plain data for people and for JSON. Read-only, without keys and without values."""

from __future__ import annotations

from fairlead.core.gossip.member import Member
from fairlead.core.gossip.parts import Parts
from fairlead.core.gossip.wire.messages import Entry


def report(parts: Parts) -> dict[str, object]:
    turn, roster = parts.turn, parts.roster
    deadline = turn.timers.next()
    return {
        "name": roster.own_name,
        "cluster": turn.identity.cluster,
        "running_s": round(turn.now - turn.started, 3),
        "health": parts.membership.awareness.score,
        "silent": parts.silent,
        "keys": parts.keyring.fingerprints(),
        "lamport": parts.tables.clock,
        "members_present": roster.present,
        "members_digest": f"{roster.digest:016x}",
        "members": {member.name: _member(parts, member) for member in roster},
        "networks": {network or "*": _network(parts, network) for network in parts.tables.networks},
        "queue_depth": len(parts.queue),
        "calls_open": len(parts.calls),
        "next_deadline": None if deadline is None else [round(deadline[0] - turn.now, 3), deadline[1].kind],
        "counters": turn.counters.as_dict(),
    }


def _member(parts: Parts, member: Member) -> dict[str, object]:
    place = parts.coordinates.of(member.name)
    suspicion = parts.membership.suspicions.get(member.name)
    return {
        "address": list(member.address),
        "status": member.status.name.lower(),
        "epoch": member.epoch,
        "incarnation": member.incarnation,
        "rtt_ms": None if place is None else round(1000 * parts.coordinates.to(place), 3),
        "witnesses": {}
        if suspicion is None
        else {name: verdict.name.lower() for name, verdict in suspicion.witnesses.items()},
    }


def _network(parts: Parts, network: str) -> dict[str, object]:
    rows = parts.tables.networks[network]
    counts: dict[str, int] = {}
    for row in rows:
        if isinstance(row, Entry):
            counts[row.table] = counts.get(row.table, 0) + 1
    tombstones = len(rows) - sum(counts.values())
    return {
        "digest": f"{rows.digest:016x}",
        "entries": counts,
        "tombstones": tombstones,
        "participants": len(parts.tables.participants(network)) if network else parts.roster.present,
    }

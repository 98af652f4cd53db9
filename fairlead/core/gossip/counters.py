"""What one node did and saw, in numbers that only grow."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Counters:
    packets_sent: int = 0
    packets_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    calls_made: int = 0
    calls_answered: int = 0
    call_bytes_sent: int = 0
    call_bytes_received: int = 0
    probes: int = 0
    probes_failed: int = 0
    suspicions: int = 0
    refutations: int = 0
    deaths_declared: int = 0
    pushes: int = 0
    syncs: int = 0
    syncs_fruitless: int = 0
    refused_records: dict[str, int] = field(default_factory=dict)
    peer_errors: dict[str, int] = field(default_factory=dict)

    def peer_error(self, reason: str) -> None:
        self.peer_errors[reason] = self.peer_errors.get(reason, 0) + 1

    def refused(self, reason: str) -> None:
        self.refused_records[reason] = self.refused_records.get(reason, 0) + 1

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

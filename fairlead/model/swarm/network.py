"""Networks of the whole swarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.network import NetworkSpec, Pool


@dataclass(frozen=True, slots=True)
class SwarmNetwork:
    """A network of scope swarm. The allocator fills `driver`, `pools`, `vnis` (VXLAN ids, one per subnet) and
    `options`; until then `allocated` is false and `error` may say what is in the way.

    `pending_delete` is set when a user removed it while containers still stop.
    """

    id: str
    spec: NetworkSpec
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    vnis: tuple[int, ...] = ()
    allocated: bool = False
    error: str = ""
    pending_delete: bool = False
    version: int = 0
    created: int = 0
    updated: int = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def leases_addresses(self) -> bool:
        """Does the swarm give out addresses on it? Else each host does, by itself or through a config-only network."""
        return (self.driver or self.spec.driver or "overlay") == "overlay"

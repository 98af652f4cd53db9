"""What the engine needs from the world, as Protocols. `fairlead.effects` fulfils them; `daemon.py` joins the two.

Every method that may block is a coroutine. Errors are those of `fairlead.model.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from fairlead.model.change import Change, Delete, Put
from fairlead.model.host import HostFacts
from fairlead.model.observed import Drift, ObservedLink
from fairlead.model.plan import Operation, Plan
from fairlead.model.ruleset import Element

__all__ = ["Change", "Clock", "Delete", "Drift", "Entropy", "Kernel", "Namespaces", "ObservedLink", "PortHold"]
__all__ += ["Ports", "Put", "Store"]


class Clock(Protocol):
    def now(self) -> int:
        """Wall clock, ns since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds, for deadlines."""
        ...


class Entropy(Protocol):
    def local_id(self) -> str:
        """64 hex digits."""
        ...

    def swarm_id(self) -> str:
        """25 characters of [0-9a-z]."""
        ...

    def number(self, below: int) -> int: ...


class Store(Protocol):
    """Durable documents by kind and id. A commit is atomic and survives `kill -9` once it returned.

    Commits that wait at the same time are written together.
    """

    def load(self) -> Mapping[str, Mapping[str, bytes]]: ...

    async def commit(self, changes: Sequence[Change]) -> None: ...

    def close(self) -> None: ...


class Kernel(Protocol):
    """The hands on links, addresses, routes, rules and namespaces. One worker does all, in order."""

    async def apply(self, plan: Plan) -> None:
        """Do the plan; on failure undo what was changed, then raise `KernelRefused`."""
        ...

    async def attempt(self, plan: Plan) -> list[Exception]:
        """Do as much of the plan as possible, in order, and return what failed (teardown)."""
        ...

    async def facts(self) -> HostFacts: ...

    async def links(self, ns: str = "") -> Sequence[ObservedLink]: ...

    async def elements(self, family: str, table: str, set_name: str) -> Sequence[Element] | None:
        """The elements of a set or map; None when the table or set is not there."""
        ...

    async def missing(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Those whose effect is not there now (links, addresses, routes, sysctls, elements)."""
        ...

    def watch(self, on_drift: Callable[[Drift], None]) -> None:
        """Report changes of links and tables made by others, from now on."""
        ...


class Namespaces(Protocol):
    """Network namespaces for sandboxes, made ahead and kept as files in `<exec-root>/netns`."""

    async def take(self, sandbox_id: str, ipv6: bool) -> str:
        """A fresh namespace (lo up; IPv6 off unless asked for); returns its path, named after the sandbox."""
        ...

    async def release(self, path: str) -> None:
        """Forget it; missing is fine. Its links die with it."""
        ...

    async def existing(self) -> Sequence[str]:
        """Paths of all sandbox namespaces that are there, taken ones only."""
        ...


PortHold = tuple[str, int, str]
"""(host address, port, protocol)"""


class Ports(Protocol):
    """Holds host ports so that no other process takes them, and finds out whether one has."""

    async def hold(self, wanted: Sequence[PortHold]) -> None:
        """Hold all or none; raises Failed "failed to bind host port for ...: address already in use"."""
        ...

    async def release(self, held: Sequence[PortHold]) -> None: ...

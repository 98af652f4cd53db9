"""Logs of services and tasks, from whatever nodes they run on, on any manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from fairlead.engine.records import decode, encode
from fairlead.engine.swarm.hearing import heard
from fairlead.engine.swarm.messages import LogsRequest, Publish, TaskLines
from fairlead.engine.swarm.ports import Answerer, Call
from fairlead.model.errors import NotAllowed
from fairlead.model.swarm.errors import Elsewhere

if TYPE_CHECKING:
    from fairlead.engine.swarm.log_broker import LogBroker


class Leader(Protocol):
    """The way from this manager to the one that leads (`Seat`)."""

    @property
    def leader_address(self) -> str:
        """HOST:PORT, "" while none is known."""
        ...

    def ask_leader(self, name: str, body: bytes) -> AsyncIterator[bytes]:
        """A streamed call. Raises Unavailable while there is none."""
        ...


class Logs:
    """Every manager has one; the leader's reads from nodes, the others' from the leader's. `leader` raises Unavailable
    where this node is no manager."""

    def __init__(self, leader: Callable[[], Leader]) -> None:
        self._leader = leader
        self.broker: LogBroker | None = None
        """Set while this manager leads."""
        self.calls: Mapping[str, Answerer] = {"publish": self.publish, "logs": self.logs}

    async def read(self, request: LogsRequest) -> AsyncIterator[TaskLines]:
        """Raises Unavailable while nobody leads."""
        if self.broker is not None:
            async for lines in self.broker.read(request):
                yield lines
            return
        async for line in self._leader().ask_leader("logs", encode(request)):
            yield decode(TaskLines, line)

    # --- calls of nodes and of other managers -------------------------------------------------

    async def publish(self, call: Call) -> bytes:
        if call.peer is None:
            raise NotAllowed("publish is for nodes of the swarm")
        await self._leading().published(heard(Publish, call), call.peer.node_id)
        return b""

    async def logs(self, call: Call) -> AsyncIterator[bytes]:
        lines = self._leading().read(heard(LogsRequest, call))
        return (encode(one) async for one in lines)

    def _leading(self) -> LogBroker:
        if self.broker is None:
            raise Elsewhere(self._leader().leader_address)
        return self.broker

"""A simulated stream: connect, hello, question, answer, with what can go wrong at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fairlead.core.gossip import Call, Verdict
from fairlead.sim.gossip.host import Host, State
from fairlead.sim.gossip.network import Network
from fairlead.sim.gossip.schedule import Schedule


class Stage(Protocol):
    """What a conversation needs of the simulated world."""

    schedule: Schedule
    network: Network

    @property
    def now(self) -> float: ...

    def act(self, host: Host, action: Callable[..., None], *arguments: Any) -> None:
        """Something for the host's process to do; it waits while the process stands still."""
        ...


class Conversation:
    """One call of one node. It ends once: answered, or failed with the verdict its kernel would give."""

    __slots__ = ("_call", "_caller", "_deadline", "_life", "_over", "_server", "_server_life", "_verdict", "_world")

    def __init__(self, world: Stage, caller: Host, server: Host | None, call: Call) -> None:
        self._world = world
        self._caller = caller
        self._server = server
        self._call = call
        self._life = caller.life
        self._server_life = 0 if server is None else server.life
        self._deadline = world.now + call.patience
        self._verdict = Verdict.SILENT
        self._over = False

    def connect(self) -> None:
        self._world.schedule.at(self._deadline, self._fail)
        if self._server is not None:
            self._travel(self._caller, self._server, self._connected, first=True)

    def _connected(self) -> None:
        server = self._server
        assert server is not None
        if server.state in (State.OFF, State.FROZEN):
            return
        if server.state is State.KILLED:
            self._verdict = Verdict.REFUSED
            self._travel(server, self._caller, self._fail)
            return
        self._verdict = Verdict.STALLED
        self._server_life = server.life
        self._world.act(server, self._accept)

    def _accept(self) -> None:
        assert self._server is not None
        hello = self._server.node.hello()
        self._travel(self._server, self._caller, self._greeted, hello)

    def _greeted(self, hello: bytes) -> None:
        if not self._over and self._caller.life == self._life:
            self._world.act(self._caller, self._ask, hello)

    def _ask(self, hello: bytes) -> None:
        assert self._server is not None
        question = self._caller.node.ask(self._call.id, hello)
        if question is not None:
            self._travel(self._caller, self._server, self._asked, hello, question)

    def _asked(self, hello: bytes, question: bytes) -> None:
        assert self._server is not None
        if self._server.life == self._server_life:
            self._world.act(self._server, self._answer, hello, question)

    def _answer(self, hello: bytes, question: bytes) -> None:
        server = self._server
        assert server is not None
        answer = server.node.answer(hello, question, self._caller.address, server.local(self._world.now))
        if answer is None:
            self._travel(server, self._caller, self._fail)
        else:
            self._travel(server, self._caller, self._answered, answer)

    def _answered(self, answer: bytes) -> None:
        if self._over or self._caller.life != self._life:
            return
        self._over = True
        self._world.act(self._caller, self._hand_over, answer)

    def _hand_over(self, answer: bytes) -> None:
        self._caller.node.answered(self._call.id, answer, self._caller.local(self._world.now))

    def _fail(self) -> None:
        if self._over or self._caller.life != self._life:
            return
        self._over = True
        self._world.act(self._caller, self._give_up)

    def _give_up(self) -> None:
        self._caller.node.call_failed(self._call.id, self._verdict.name.lower(), self._caller.local(self._world.now))

    def _travel(self, source: Host, target: Host, action: object, *arguments: object, first: bool = False) -> None:
        delay = self._world.network.segment(source.number, target.number, first=first)
        if delay is not None:
            self._world.schedule.after(delay, action, *arguments)  # type: ignore[arg-type]

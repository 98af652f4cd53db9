"""A manager that listens on loopback, and callers of every kind."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from fairlead.core.swarm.identity import may_call
from fairlead.effects.wire.nodes.caller import Caller
from fairlead.effects.wire.nodes.listener import Listener
from fairlead.model.errors import NotFound
from fairlead.model.swarm.calls import Answerer, Call, Reply
from fairlead.model.swarm.identity import Identity, digest
from tests.effects.pki.swarm import AUTHORITY, MANAGING, WORKING, identity, now

LOOPBACK = "127.0.0.1:0"


class Manager:
    """A listener and what it heard. `answers` are made by tests: by name of the call."""

    def __init__(self) -> None:
        self.root = AUTHORITY.root(now())
        self.digest = digest(self.root.certificate)
        self.identity = identity(self.root, MANAGING)
        self.listener = Listener(may_call)
        self.heard: list[Call] = []
        self.answers: dict[str, Answerer] = {"root": self._root, "report": self._echo}

    @property
    def address(self) -> str:
        return self.listener.address

    async def answer(self, call: Call) -> Reply:
        self.heard.append(call)
        if call.name not in self.answers:
            raise NotFound(f"nothing answers {call.name}")
        return await self.answers[call.name](call)

    async def _root(self, call: Call) -> Reply:
        return json.dumps({"certificates": self.root.certificate}).encode()

    async def _echo(self, call: Call) -> Reply:
        return call.body


@pytest.fixture
async def manager() -> AsyncIterator[Manager]:
    one = Manager()
    await one.listener.open(LOOPBACK, one.identity, one.answer)
    try:
        yield one
    finally:
        await one.listener.close()


@asynccontextmanager
async def calling_as(who: Identity | None) -> AsyncIterator[Caller]:
    caller = Caller()
    try:
        caller.renew(who)
        yield caller
    finally:
        await caller.close()


@pytest.fixture
async def worker(manager: Manager) -> AsyncIterator[Caller]:
    async with calling_as(identity(manager.root, WORKING)) as caller:
        yield caller


@pytest.fixture
def refusals(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The log lines of refusals, each with the address of who was refused."""
    caplog.set_level(logging.WARNING)

    def found() -> list[str]:
        lines = [record for record in caplog.records if record.msg.startswith("refused")]
        assert all(getattr(record, "address", "").startswith("127.0.0.1:") for record in lines)
        return [record.getMessage() for record in lines]

    return found


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for what will soon be so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is nobody who would set an event
            await asyncio.sleep(0.005)


async def settled(number: Callable[[], int], quiet: float = 0.2) -> int:
    """The number, when it has stopped to change."""
    seen, since = number(), asyncio.get_running_loop().time()

    def still() -> bool:
        nonlocal seen, since
        if number() != seen:
            seen, since = number(), asyncio.get_running_loop().time()
        return asyncio.get_running_loop().time() - since > quiet

    await until(still, 30)
    return seen

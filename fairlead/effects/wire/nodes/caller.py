"""A node's mouth towards managers.

Calls take a connection that is idle, or make one; a stream has one of its own, which ends with it. The other end must
be a manager of our swarm: TLS asks it for the host "swarm-manager", and its subject must name our swarm.

A stranger that is to join knows a swarm by the digest of its root only (`root`). It takes the root from whoever
answers, believes it if the digest is right, and asks again over a connection for which that very root must vouch: who
passes the right root on but ends TLS itself lures nobody.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import msgspec

from fairlead.effects.wire.nodes.asking import AskingConnection, Broken
from fairlead.effects.wire.nodes.connecting import NotOurs, connect
from fairlead.effects.wire.nodes.pool import Pool
from fairlead.effects.wire.nodes.tls import blind, calling
from fairlead.model.errors import Invalid, NotAllowed, Unavailable
from fairlead.model.swarm.identity import Identity, vouched

PATIENCE, JOIN_PATIENCE = 5.0, 30.0
"""Seconds for a call of a stranger and for a stream to begin; for the answer to `join`."""

log = logging.getLogger(__name__)


class Caller:
    """Fulfils `engine.swarm.ports.Caller`. It begins as a stranger's."""

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._cluster_id = ""
        self._pool = Pool()

    def renew(self, identity: Identity | None) -> None:
        self._context = calling(identity.trust, identity) if identity is not None else None
        self._cluster_id = identity.peer.cluster_id if identity is not None else ""
        self._pool.renew()

    async def call(self, address: str, name: str, body: bytes = b"", *, patience: float = PATIENCE) -> bytes:
        async with _within(patience, address, name):
            connection = self._pool.take(address)
            if connection is not None:
                try:
                    return await self._ask(connection, name, body)
                except Broken as broken:
                    if not broken.unheard:
                        raise
            # The manager may have closed an idle connection just when it was taken: a new one tells.
            return await self._ask(self._pool.add(await self._connect(address)), name, body)

    async def stream(self, address: str, name: str, body: bytes = b"") -> AsyncGenerator[bytes, None]:
        connection = None
        try:
            async with _within(PATIENCE, address, name):
                connection = await self._connect(address)
                await connection.open_stream(name, body)
            async with aclosing(connection.lines()) as lines:
                async for line in lines:
                    yield line
        finally:
            if connection is not None:
                connection.abort()

    async def root(self, address: str, digest: str) -> str:
        try:
            return await _root(address, digest)
        except NotAllowed as refusal:
            log.warning("refused to join a swarm: %s", refusal.message, extra={"address": address})
            raise

    async def join(self, address: str, trust: str, body: bytes) -> bytes:
        return await _ask_once(address, calling(trust), "join", body, JOIN_PATIENCE)

    async def close(self) -> None:
        self._pool.close()

    async def _connect(self, address: str) -> AskingConnection:
        if self._context is None:
            raise Unavailable("This node is not part of a swarm")
        return await connect(address, self._context, self._cluster_id)

    async def _ask(self, connection: AskingConnection, name: str, body: bytes) -> bytes:
        try:
            return await connection.ask(name, body)
        finally:
            self._pool.give(connection)


async def _ask_once(
    address: str, context: ssl.SSLContext, name: str, body: bytes = b"", patience: float = PATIENCE
) -> bytes:
    """As a stranger."""
    async with _within(patience, address, name):
        connection = await connect(address, context)
        try:
            return await connection.ask(name, body)
        finally:
            connection.abort()


@asynccontextmanager
async def _within(patience: float, address: str, name: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(patience):
            yield
    except TimeoutError as error:
        raise Unavailable(f"the manager at {address} did not answer {name} within {patience:g} s") from error


# --- the root that a token names ------------------------------------------------------------------


class _RootAnswer(msgspec.Struct):
    """`engine.swarm.messages.RootAnswer`."""

    certificates: str


async def _root(address: str, digest: str) -> str:
    try:
        told = _bundle(await _ask_once(address, blind(), "root"))
        again = _bundle(await _ask_once(address, calling(vouched(told, digest)), "root"))
        vouched(again, digest)
    except NotOurs as refusal:
        raise NotAllowed(f"{address} shows the root of the swarm without being its manager: {refusal}") from refusal
    except Invalid as refusal:
        raise NotAllowed(f"what {address} sent as the swarm's root is not understood: {refusal}") from refusal
    return again


def _bundle(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_RootAnswer).certificates
    except msgspec.MsgspecError as error:
        raise Invalid(str(error)) from error

"""etcd's JSON gateway as calls. Keys and values are base64 on the wire, 64-bit numbers decimal strings.

Requests carry `hasleader`: a member that knows it has no leader refuses at once instead of after its own long
time-out, and what it refused that way was certainly not done.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path

import msgspec

from fairlead.effects.etcd.exchange import Exchange, Interrupted, Server, Unreachable, request

Json = Mapping[str, object]
CONNECTING = 2.0
HAS_LEADER = "Grpc-Metadata-hasleader: true"

UNKNOWN, INVALID, NOT_FOUND, EXHAUSTED, PRECONDITION, OUT_OF_RANGE, UNAVAILABLE = 2, 3, 5, 8, 9, 11, 14
"""gRPC status codes that callers tell apart."""

_DECIDED = (INVALID, NOT_FOUND, EXHAUSTED, PRECONDITION, OUT_OF_RANGE)
LEARNING = "rpc not supported for learner"
"""A member that has no vote yet says so of everything; also for a moment after the others have given it one."""
_AT_THE_DOOR = ("etcdserver: no leader", f"etcdserver: {LEARNING}")


class Refused(Exception):  # noqa: N818 - etcd's own no
    """etcd's answer is an error: its gRPC code and text. `undecided`: what was asked may have been done, or may yet be:
    a proposal that etcd gave up waiting for can still be committed."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text.removeprefix("etcdserver: "))
        self.code = code
        self.undecided = code not in _DECIDED and text not in _AT_THE_DOOR


def text64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def bytes64(text: object) -> bytes:
    return base64.b64decode(str(text))


def number(message: Json, field: str) -> int:
    """A 64-bit number of a message; absent is 0."""
    return int(str(message.get(field, 0)))


def table(message: Json, field: str) -> Json:
    """A message inside a message; absent is empty."""
    found = message.get(field, {})
    return found if isinstance(found, dict) else {}


def rows(message: Json, field: str) -> list[Json]:
    """The repeated messages of a field."""
    found = message.get(field, ())
    return list(found) if isinstance(found, list) else []


def revision(answer: Json) -> int:
    return number(table(answer, "header"), "revision")


class Gateway:
    """The member whose client socket is `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server = Server(self._connect)

    async def call(self, name: str, message: Json, patience: float = 5.0) -> Json:
        """One call, such as "kv/txn". Raises `Refused`, `Unreachable` or `Interrupted`."""
        return await self._ask(request(f"/v3/{name}", msgspec.json.encode(message), HAS_LEADER), patience)

    async def ask_member(self, name: str, patience: float = 2.0) -> Json:
        """A call that the member answers by itself, also while it has no leader."""
        return await self._ask(request(f"/v3/{name}", b"{}"), patience)

    async def stream(self, name: str, message: Json) -> AsyncGenerator[Json, None]:
        """The messages of a streamed answer. Raises as `call`."""
        lines = self._server.lines(request(f"/v3/{name}", msgspec.json.encode(message)), CONNECTING)
        async with aclosing(lines):
            async for line in lines:
                if line:
                    yield _result(msgspec.json.decode(line))

    def close(self) -> None:
        self._server.close()

    async def _ask(self, message: bytes, patience: float) -> Json:
        return _checked(*await self._server.ask(message, patience))

    async def _connect(self) -> Exchange:
        # A socket's path may have 107 bytes; through the folder's descriptor it is always short.
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            path = f"/proc/self/fd/{folder}/{self._path.name}"
            _, exchange = await asyncio.get_running_loop().create_unix_connection(Exchange, path)
        finally:
            os.close(folder)
        return exchange


def _checked(status: int, body: bytes) -> Json:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise Refused(UNKNOWN, body.decode(errors="replace").strip() or f"status {status}") from None
    if status != 200:
        raise Refused(int(answer.get("code", UNKNOWN)), str(answer.get("error", body.decode())))
    return _result(answer)


def _result(answer: Json) -> Json:
    error = answer.get("error")
    if isinstance(error, dict):
        raise Refused(int(error.get("grpc_code", UNKNOWN)), str(error.get("message", error)))
    result = answer.get("result")
    return result if isinstance(result, dict) else answer


__all__ = ["Gateway", "Interrupted", "Refused", "Unreachable"]

"""What a route sees of HTTP: a request, and the three kinds of answer.

A handler is `async def handler(request) -> Answer`, or a plain `def` for reads that never wait (the
server then answers without a task). Refusals are raised and become `{"message": ...}` with the
status of their class.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec

from fairlead.api.spelling import spelled
from fairlead.api.syntax import complaint
from fairlead.model.errors import Invalid

T = TypeVar("T")
JSON = "application/json"


@dataclass(slots=True)
class Request:
    """One request. `path` has no version prefix; `version` is (1, 50) when the path had none.

    `query` keeps the first value of each parameter, `values` has them all. Header names are lower case. `body`
    is complete, except for routes that asked to stream it: they read `stream`, which raises `Invalid` when the
    client leaves or errs in the middle.
    """

    method: str
    path: str
    version: tuple[int, int]
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    query_string: str = ""

    def values(self, name: str) -> list[str]:
        """Every value of a parameter that may be given several times, in order."""
        pairs = parse_qsl(self.query_string, keep_blank_values=True)
        return [value for key, value in pairs if key == name]

    def json(self, kind: type[T]) -> T:
        """The body as `kind` (a msgspec Struct). Raises `Invalid` with Docker's words for bad JSON."""
        content_type = self.headers.get("content-type", "")
        if self.body and content_type.split(";")[0].strip().lower() != JSON:
            raise Invalid(f"unsupported Content-Type header ({content_type}): must be 'application/json'")
        try:
            given = msgspec.json.decode(self.body or b"{}")
            return msgspec.convert(spelled({} if given is None else given, kind), kind, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid(f"invalid JSON: {error}") from error
        except msgspec.DecodeError as error:
            raise Invalid(complaint(self.body) or f"invalid JSON: {error}") from error
        except RecursionError:
            raise Invalid("invalid JSON: exceeded max depth") from None

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean parameter by Docker's rule: absent is `default`; "", 0, no, false, none are false."""
        value = self.query.get(name)
        if value is None:
            return default
        return value.strip().lower() not in ("", "0", "no", "false", "none")


@dataclass(slots=True)
class Response:
    """A complete answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class StreamResponse:
    """A chunked answer; its headers go out before the first chunk exists.

    `chunks` is closed (a generator's `finally` runs) when it ends and when the client is gone.
    """

    chunks: AsyncIterator[bytes]
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Channel(Protocol):
    """A connection taken over from HTTP (attach, exec): raw bytes both ways."""

    async def read(self) -> bytes:
        """The next bytes; b"" when the client closed its side."""
        ...

    async def write(self, data: bytes) -> None:
        """Send, and wait while the client is slow. Raises ConnectionError when it is gone."""
        ...

    async def write_eof(self) -> None: ...


@dataclass(slots=True)
class Hijack:
    """Take the connection over. Answers 101 UPGRADED when the client asked to upgrade, else 200; then `run`.

    `run` is cancelled when the client is gone; the connection is closed when it returns. With `websocket_accept`
    the answer is that of a WebSocket's handshake.
    """

    run: Callable[[Channel], Awaitable[None]]
    content_type: str = "application/vnd.docker.raw-stream"
    websocket_accept: str = ""


Answer = Response | StreamResponse | Hijack
Handler = Callable[[Request], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern` has `{name}` parts: "/networks/{id}/connect"; a part `{name...}` takes slashes too (image names)."""

    method: str
    pattern: str
    handler: Handler
    streams_body: bool = False


def json_response(value: object, status: int = 200) -> Response:
    """`value` as JSON with the line end that people at a terminal are glad of."""
    return Response(status, msgspec.json.encode(value) + b"\n")


def empty(status: int = 204) -> Response:
    return Response(status, b"", "")

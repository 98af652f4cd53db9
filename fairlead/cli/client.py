"""A small HTTP client for one daemon: requests with JSON, streams both ways, and connections that are taken over.

One connection a request. `httptools` reads the answers; imports are few, because a command line is started anew
each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, urlencode

import httptools

from fairlead.cli.endpoint import Connection, Endpoint
from fairlead.cli.faults import DaemonRefused, Fault
from fairlead.cli.fields import Json

API = "/v1.50"
END = b"\r\n\r\n"
Query = Mapping[str, str | int | bool | list[str] | None]
Body = bytes | Iterable[bytes] | None


class Answer:
    """An answer whose head has been read; its body comes as it is asked for."""

    def __init__(self, connection: Connection, method: str) -> None:
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._done = False
        self.headers: dict[str, str] = {}
        head, rest = self._head()
        self._feed(head)
        self.status = self._parser.get_status_code()
        self.rest = b""
        if self.status == 101:
            self.rest = rest
        elif method == "HEAD":
            self._done = True
        elif rest:
            self._feed(rest)

    # Called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        self._done = True

    # Called by us

    def chunks(self) -> Iterator[bytes]:
        """The body, as it arrives."""
        while True:
            yield from self._pieces
            self._pieces.clear()
            if self._done:
                self._connection.close()
                return
            self._read()

    def body(self) -> bytes:
        return b"".join(self.chunks())

    def json(self) -> object:
        body = self.body()
        return json.loads(body) if body else None

    def lines(self) -> Iterator[Json]:
        """A stream of JSON objects."""
        decoder, text = json.JSONDecoder(), ""
        for chunk in self.chunks():
            text = (text + chunk.decode("utf-8", "replace")).lstrip()
            while text:
                try:
                    value, end = decoder.raw_decode(text)
                except ValueError:
                    break
                yield value
                text = text[end:].lstrip()

    def take_over(self) -> Connection:
        """The connection itself, after 101; `rest` is what has been read of its bytes."""
        return self._connection

    def _head(self) -> tuple[bytes, bytes]:
        data = b""
        while END not in data:
            received = self._connection.recv(1 << 16)
            if not received:
                raise Fault("the daemon closed the connection without an answer")
            data += received
        head, _, rest = data.partition(END)
        return head + END, rest

    def _read(self) -> None:
        data = self._connection.recv(1 << 16)
        if data:
            self._feed(data)
        elif "content-length" in self.headers or self._chunked():
            raise Fault("the daemon closed the connection in the middle of its answer")
        else:
            self._done = True

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return
        except httptools.HttpParserError as error:
            raise Fault(f"the daemon's answer is not HTTP: {error}") from error

    def _chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"


class Client:
    """All that the commands need of a daemon."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send; returns when the head of the answer is here. Raises `DaemonRefused` for 4xx and 5xx."""
        connection = self.endpoint.connect()
        send_request(connection, method, target(path, query), body, headers or {})
        answer = Answer(connection, method)
        if answer.status >= 400:
            raise DaemonRefused(answer.status, _message(answer))
        return answer

    def get(self, path: str, query: Query | None = None) -> object:
        return self.request("GET", path, query).json()

    def get_object(self, path: str, query: Query | None = None) -> Json:
        value = self.get(path, query)
        if not isinstance(value, dict):
            raise Fault(f"the daemon's answer to {path} is not an object")
        return value

    def get_list(self, path: str, query: Query | None = None) -> list[Json]:
        value = self.get(path, query)
        return value if isinstance(value, list) else []

    def post(self, path: str, query: Query | None = None, value: object = None) -> object:
        """POST with a JSON body if there is a value."""
        body = None if value is None else json.dumps(value).encode()
        return self.request("POST", path, query, body, JSON_HEADERS if body is not None else {}).json()

    def post_object(self, path: str, query: Query | None = None, value: object = None) -> Json:
        answer = self.post(path, query, value)
        return answer if isinstance(answer, dict) else {}

    def delete(self, path: str, query: Query | None = None) -> object:
        return self.request("DELETE", path, query).json()

    def hijack(self, path: str, query: Query | None = None, value: object = None) -> tuple[Connection, bytes, str]:
        """Take a connection over: the socket, its first bytes, and the content type that tells how it is framed."""
        body = None if value is None else json.dumps(value).encode()
        headers = {"Connection": "Upgrade", "Upgrade": "tcp", **(JSON_HEADERS if body is not None else {})}
        answer = self.request("POST", path, query, body, headers)
        return answer.take_over(), answer.rest, answer.headers.get("content-type", "")


JSON_HEADERS = {"Content-Type": "application/json"}


def send_request(connection: Connection, method: str, where: str, body: Body, headers: Mapping[str, str]) -> None:
    """Write one request; an iterable body goes in chunks."""
    lines = [f"{method} {where} HTTP/1.1", "Host: fairlead", "User-Agent: fairlead-cli"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if isinstance(body, bytes):
        lines.append(f"Content-Length: {len(body)}")
    elif body is not None:
        lines.append("Transfer-Encoding: chunked")
    elif method == "POST" and "Upgrade" not in headers:
        lines.append("Content-Length: 0")
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + (body if isinstance(body, bytes) else b""))
    if body is None or isinstance(body, bytes):
        return
    try:
        for chunk in body:
            if chunk:
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        connection.sendall(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        return  # the daemon has answered early; its answer says why


def target(path: str, query: Query | None) -> str:
    """Path and query of a request; parameters that are None, false or empty are left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        if isinstance(value, list):
            pairs += [(name, item) for item in value]
        elif value is True:
            pairs.append((name, "1"))
        elif value not in (None, False, ""):
            pairs.append((name, str(value)))
    encoded = quote(path, safe="/:@")
    return f"{API}{encoded}" + (f"?{urlencode(pairs)}" if pairs else "")


def _message(answer: Answer) -> str:
    body = answer.body()
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace").strip() or f"HTTP status {answer.status}"

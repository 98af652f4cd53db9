"""A small Docker API client: one keep-alive connection over a unix socket, and nothing that costs time."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from pathlib import Path
from typing import Any


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=300)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(300)
        self.sock.connect(self._path)


class Client:
    """`post`, `get` and `delete` return the decoded answer and raise `ApiError` on a status of 400 or more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _Connection(path)
        self._wire: Wire | None = None

    def request(self, method: str, path: str, body: Any = None, raw: bytes | None = None) -> Any:
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        kind = "application/x-tar" if raw is not None else "application/json"
        headers = {"Content-Type": kind} if data is not None else {}
        self._connection.request(method, f"/v1.41{path}", body=data, headers=headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise ApiError(f"{method} {path}: {answer.status} {text.decode(errors='replace').strip()}")
        if not text or not (answer.getheader("Content-Type") or "").startswith("application/json"):
            return text
        return json.loads(text) if text.count(b"\n") <= 1 else text

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.request("POST", path, body)

    def delete(self, path: str) -> Any:
        return self.request("DELETE", path)

    def timed(self, method: str, path: str, body: Any = None) -> float:
        """Seconds that one request took, over a `Wire` of its own."""
        if self._wire is None:
            self._wire = Wire(self._path)
        return self._wire.timed(method, path, body)

    def run(self, name: str, image: str = "bench", network: str = "bridge", **host: Any) -> str:
        """`docker run -d`: create and start; returns the id."""
        exposed: dict[str, Any] = {port: {} for port in host.get("PortBindings", {})}
        body = {"Image": image, "ExposedPorts": exposed, "HostConfig": {"NetworkMode": network, **host}}
        made = self.post(f"/containers/create?name={name}", body)
        self.post(f"/containers/{made['Id']}/start")
        return str(made["Id"])

    def remove(self, name: str) -> None:
        self.delete(f"/containers/{name}?force=1&v=1")

    def close(self) -> None:
        self._connection.close()
        if self._wire is not None:
            self._wire.close()

    def another(self) -> Client:
        """A second connection, for requests in parallel."""
        return Client(self._path)


class Wire:
    """Requests over one connection with nothing around the system calls: `http.client` alone takes longer than the
    answers that are to be measured, and a third of a millisecond when it has not run for a while."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(300)
        self._socket.connect(str(path))

    def timed(self, method: str, path: str, body: Any = None, times: int = 1) -> float:
        """Seconds that a request takes on average."""
        request = _request(method, path, body)
        started = time.perf_counter()
        for _ in range(times):
            self._socket.sendall(request)
            self._answer()
        return (time.perf_counter() - started) / times

    def _answer(self) -> None:
        data = self._socket.recv(1 << 20)
        head, found, body = data.partition(b"\r\n\r\n")
        if not found or not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201", b"HTTP/1.1 204")):
            raise ApiError(data.decode(errors="replace"))
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if head.startswith(b"HTTP/1.1 204"):
            return
        while len(body) < int(length[1]) if length else not body.endswith(b"0\r\n\r\n"):
            body += self._socket.recv(1 << 20)

    def close(self) -> None:
        self._socket.close()


def _request(method: str, path: str, body: Any) -> bytes:
    head = f"{method} /v1.41{path} HTTP/1.1\r\nHost: bench\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    data = json.dumps(body)
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()


class ApiError(Exception):
    pass

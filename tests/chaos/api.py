"""The Engine API over a unix socket, as a blocking client: one connection per call, so that a daemon may die at any."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class Refused(Exception):  # noqa: N818 - the daemon's answer, not a fault of the test
    """An answer of 400 or more: the daemon lived and said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class Gone(Exception):  # noqa: N818 - what happened to the daemon
    """No answer: the daemon died before it gave one, so nobody knows whether the verb was done."""


class Api:
    def __init__(self, path: Path, timeout: float = 60) -> None:
        self._path, self._timeout = str(path), timeout

    def call(self, verb: str, path: str, body: Any = None) -> Any:
        """The decoded answer (None without one). Raises Refused or Gone."""
        connection = _Connection(self._path, self._timeout)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(verb, f"/v1.50{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Gone(f"{verb} {path}: {error!r}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(response.status, json.loads(text)["message"])
        return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)

    def delete(self, path: str) -> Any:
        return self.call("DELETE", path)

    # --- verbs that every storm needs ---------------------------------------------------------------

    def create_network(self, name: str, **fields: Any) -> str:
        return str(self.post("/networks/create", {"Name": name, **fields})["Id"])

    def create(self, name: str, spec: Any) -> str:
        return str(self.post(f"/containers/create?name={name}", spec)["Id"])

    def run(self, name: str, spec: Any) -> str:
        container_id = self.create(name, spec)
        self.post(f"/containers/{container_id}/start")
        return container_id

    def inspect(self, reference: str) -> Any:
        return self.get(f"/containers/{reference}/json")

    def containers(self) -> list[Any]:
        """Full descriptions of all, also of those at rest, but for what goes while it is asked for."""
        found = []
        for each in self.get("/containers/json?all=1"):
            try:
                found.append(self.inspect(each["Id"]))
            except Refused as refused:
                if refused.status != 404:
                    raise
        return found


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def spec(
    network: str = "", ports: dict[int, int] | None = None, command: str = "", restart: str = "", **host: Any
) -> dict[str, Any]:
    """A container whose web server on port 80 says its short id; `ports` is host port -> container port (0: any)."""
    bindings: dict[str, Any] = {}
    for outside, inside in (ports or {}).items():
        bindings.setdefault(f"{inside}/tcp", []).append({"HostPort": str(outside)})
    config: dict[str, Any] = {
        "Image": "busybox",
        "Cmd": ["sh", "-c", command or "hostname > /tmp/index.html; exec httpd -f -p [::]:80 -h /tmp"],
        "StopTimeout": 0,
        "ExposedPorts": {key: {} for key in bindings},
        "HostConfig": {"PortBindings": bindings, "RestartPolicy": {"Name": restart}, **host},
    }
    if network:
        config["HostConfig"]["NetworkMode"] = network
    return config

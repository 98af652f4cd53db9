"""The two engines of a comparison, each in a node of its own, with the same one image."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import ApiError, Client, Wire
from fairlead.lab.node import Node, boot, until
from tests.support.images import StandIn, archive_of

FAIRLEAD, DOCKER = "fairlead", "dockerd"
LIVE_RESTORE = "--live-restore"
"""Containers survive a restart of dockerd only so, and then it joins no swarm."""
IMAGE = StandIn(
    "bench",
    {"/www/index.html": "bench\n"},
    ('CMD ["httpd", "-f", "-p", "[::]:80", "-h", "/www"]', "EXPOSE 80"),
)


@dataclass(slots=True)
class Engine:
    """A running engine. `command` starts it again after a stop."""

    name: str
    node: Node
    socket: Path
    command: Sequence[str]
    pidfile: Path

    def client(self) -> Client:
        return Client(self.socket)

    def wire(self) -> Wire:
        return Wire(self.socket)

    def launch(self) -> None:
        self.node.spawn(self.command, self.node.directory / "engine.log")

    def answers(self) -> bool:
        with contextlib.suppress(OSError, ApiError, http.client.HTTPException):
            client = self.client()
            try:
                client.get("/_ping")
            finally:
                client.close()
            return True
        return False

    def start(self) -> None:
        self.launch()
        until(self.answers, f"{self.name} to answer", 60)

    def stop(self) -> None:
        pid = self.pidfile.read_text().strip()
        self.node.run(["kill", "-TERM", pid], check=False)
        until(lambda: self.node.run(["kill", "-0", pid], check=False).returncode != 0, f"{self.name} to stop", 60)

    def within(self, container: Mapping[str, Any]) -> list[str]:
        """The command that leads into the network namespace of a container, given as `inspect` shows it."""
        return self.node.inside(["nsenter", "--target", str(container["State"]["Pid"]), "--net", "--"])

    def processes(self) -> list[tuple[int, str]]:
        """(pid as the machine sees it, command name) of everything in the node but its init and sleep."""
        namespace = Path(f"/proc/{self.node.pid}/ns/pid").readlink()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and (entry / "ns/pid").readlink() == namespace:
                    name = (entry / "comm").read_text().strip()
                    if name not in ("tini", "sleep"):
                        found.append((int(entry.name), name))
        return found


def _fairlead(directory: Path) -> Sequence[str]:
    return [
        *(sys.executable, "-m", "fairlead", "daemon", "-H", f"unix://{directory}/api.sock"),
        *("--pidfile", f"{directory}/pid", "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"),
        *("--log-level", "warn"),
    ]


def _dockerd(directory: Path) -> Sequence[str]:
    return [
        *("dockerd", "-H", f"unix://{directory}/api.sock", "--pidfile", f"{directory}/pid"),
        *("--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec", "--storage-driver", "vfs"),
        *("--log-level", "warn", "--config-file", f"{directory}/daemon.json"),
    ]


def furnished(name: str, node: Node, *flags: str) -> Engine:
    """An engine for a node, not yet running."""
    directory = node.directory
    (directory / "daemon.json").write_text("{}")
    command = [*(_fairlead if name == FAIRLEAD else _dockerd)(directory), *flags]
    return Engine(name, node, directory / "api.sock", command, directory / "pid")


def provide(engine: Engine) -> None:
    """Give a running engine the image."""
    client = engine.client()
    changes = "&".join(f"changes={_quoted(change)}" for change in IMAGE.changes)
    client.request("POST", f"/images/create?fromSrc=-&repo=bench&tag=latest&{changes}", raw=archive_of(IMAGE))
    client.close()


@contextlib.contextmanager
def engine(name: str) -> Iterator[Engine]:
    """Start one engine and give it the image; everything is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir="/var/tmp"))
    node = boot(name, directory)
    try:
        node.batch("ip", ["link set lo up", "link add eth0 type veth peer name outside", "link set eth0 up"])
        node.batch("ip", ["link set outside up", "address add 192.168.50.11/24 dev eth0"])
        node.batch("ip", ["route add default via 192.168.50.1"])
        made = furnished(name, node, *(() if name == FAIRLEAD else (LIVE_RESTORE,)))
        made.start()
        provide(made)
        yield made
    finally:
        node.end()
        shutil.rmtree(directory, ignore_errors=True)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text)


@contextlib.contextmanager
def both() -> Iterator[tuple[Engine, Engine]]:
    """(Fairlead, dockerd), both running."""
    with engine(FAIRLEAD) as ours, engine(DOCKER) as peer:
        yield ours, peer

"""Many clients at once doing random verbs, and a ledger of what the daemon acknowledged.

Each client has containers and networks of its own, so that the ledger needs no order between clients; all use the
shared networks too. What a client was doing when the daemon died is in doubt: it may have happened, and is from then
on whatever the daemon says.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.api import Api, Gone, Refused, spec

SHARED = ("shared-a", "shared-b")
FIRST_PORT = 20000
PORTS_EACH = 20


@dataclass(slots=True)
class Expected:
    """A container as it was acknowledged. `fluid` names what was under way when the daemon died."""

    id: str
    running: bool = True
    networks: set[str] = field(default_factory=set)


class Client:
    """One source of verbs. Its random numbers come from the seed and its own number alone."""

    def __init__(self, api: Api, number: int, seed: int) -> None:
        self._api, self.number = api, number
        self._random = random.Random(seed * 1000 + number)
        self._names = iter(range(10**6))
        self.containers: dict[str, Expected] = {}
        self.networks: dict[str, str] = {}
        self.doubtful: set[str] = set()
        self.wrong: list[str] = []
        self.history: list[str] = []
        self._port = 0

    @property
    def killed(self) -> list[str]:
        """Containers that were being killed when the daemon died."""
        ending = {"kill", "stop", "remove"}
        return [name for name in self.doubtful if name.startswith("c") and self.history[-1].split()[1] in ending]

    @property
    def ports(self) -> Iterator[int]:
        first = FIRST_PORT + self.number * PORTS_EACH
        return iter(range(first, first + PORTS_EACH))

    def step(self) -> None:
        """One random verb. Raises Gone when the daemon is; a refusal is a fault, since all verbs are sensible."""
        verb, subject = self._choose()
        began = _now()
        outcome = "done"
        try:
            verb(subject)
        except Gone:
            self.doubtful.add(subject)
            outcome = "in doubt"
            raise
        except Refused as refused:
            outcome = str(refused)
            self.wrong.append(f"{verb.__name__} {subject}: {refused}")
        finally:
            self.history.append(f"{began}-{_now()} {verb.__name__} {subject}: {outcome}")

    def _choose(self) -> tuple[Callable[[str], None], str]:
        running = [name for name, each in self.containers.items() if each.running]
        stopped = [name for name, each in self.containers.items() if not each.running]
        free = [name for name in self.networks if not any(name in c.networks for c in self.containers.values())]
        choices: list[tuple[int, Callable[[str], None], list[str]]] = [
            (6 if len(self.containers) < 6 else 1, self.run, [f"c{self.number}-{next(self._names)}"]),
            (3, self.create_network, [f"n{self.number}-{next(self._names)}"] if len(self.networks) < 4 else []),
            (4, self.connect, [*running, *stopped]),
            (3, self.disconnect, [name for name in running if len(self.containers[name].networks) > 1]),
            (3, self.remove, list(self.containers)),
            (2, self.remove_network, free),
            (2, self.kill, running),
            (2, self.stop, running),
            (3, self.start, stopped),
        ]
        possible = [(weight, verb, subjects) for weight, verb, subjects in choices if subjects]
        _, verb, subjects = self._random.choices(possible, [weight for weight, _, _ in possible])[0]
        return verb, self._random.choice(subjects)

    def run(self, name: str) -> None:
        network = self._random.choice(["bridge", *SHARED, *self.networks])
        ports = {self._next_port(): 80} if self._random.random() < 0.5 else {}
        container_id = self._api.create(name, spec(network, ports))
        self.containers[name] = Expected(container_id, False, {network})
        self._api.post(f"/containers/{container_id}/start")
        self.containers[name].running = True

    def _next_port(self) -> int:
        """In turn: all have gone again before the first is asked for once more, or the daemon is asked to choose."""
        self._port += 1
        used = set(self.ports)
        port = FIRST_PORT + self.number * PORTS_EACH + self._port
        return port if port in used else 0

    def create_network(self, name: str) -> None:
        self.networks[name] = self._api.create_network(name)

    def connect(self, name: str) -> None:
        expected = self.containers[name]
        others = sorted({*SHARED, *self.networks} - expected.networks)
        if others:
            network = self._random.choice(others)
            self._api.post(f"/networks/{network}/connect", {"Container": name})
            expected.networks.add(network)

    def disconnect(self, name: str) -> None:
        expected = self.containers[name]
        network = self._random.choice(sorted(expected.networks))
        self._api.post(f"/networks/{network}/disconnect", {"Container": name})
        expected.networks.discard(network)

    def remove(self, name: str) -> None:
        self._api.delete(f"/containers/{name}?force=1&v=1")
        del self.containers[name]

    def remove_network(self, name: str) -> None:
        self._api.delete(f"/networks/{name}")
        del self.networks[name]

    def kill(self, name: str) -> None:
        self._api.post(f"/containers/{name}/kill")
        self.containers[name].running = False

    def stop(self, name: str) -> None:
        self._api.post(f"/containers/{name}/stop?t=0")
        self.containers[name].running = False

    def start(self, name: str) -> None:
        self._api.post(f"/containers/{name}/start")
        self.containers[name].running = True

    # --- after a restart ----------------------------------------------------------------------------

    def check(self, containers: dict[str, Any], networks: dict[str, str]) -> Iterator[str]:
        """Everything acknowledged is as it was; what is in doubt is taken as it is found."""
        mine = {name for name in containers if name.startswith(f"c{self.number}-")}
        theirs = {name for name in networks if name.startswith(f"n{self.number}-")}
        for name in (mine | theirs | set(self.containers) | set(self.networks)) - self.doubtful:
            yield from self._check_one(name, containers, networks)
        self.containers = {name: _found(containers[name]) for name in mine}
        self.networks = {name: networks[name] for name in theirs}
        self.doubtful.clear()

    def _check_one(self, name: str, containers: dict[str, Any], networks: dict[str, str]) -> Iterator[str]:
        if name.startswith("n"):
            if self.networks.get(name) != networks.get(name):
                yield f"network {name}: acknowledged {self.networks.get(name)}, found {networks.get(name)}"
            return
        wanted = self.containers.get(name)
        found = _found(containers[name]) if name in containers else None
        if wanted != found:
            yield f"container {name}: acknowledged {wanted}, found {found} {containers.get(name, {}).get('State')}"


def _now() -> str:
    return datetime.now(UTC).strftime("%M:%S.%f")[:-3]


def _found(described: Any) -> Expected:
    networks = set(described["NetworkSettings"]["Networks"])
    return Expected(described["Id"], described["State"]["Running"], networks)


class Storm:
    """`clients` clients; a round ends after `steps` verbs in all, or when the daemon is gone."""

    def __init__(self, api: Api, clients: int, seed: int) -> None:
        self._api = api
        self.clients = [Client(api, number, seed) for number in range(clients)]
        self._done = 0
        self._lock = threading.Lock()
        for name in SHARED:
            api.create_network(name)

    def round(self, steps: int, at: int, then: Callable[[], None]) -> None:
        """Let all clients run; call `then` (which kills) as soon as `at` verbs were acknowledged."""
        self._done, struck = 0, threading.Event()

        def work(client: Client) -> None:
            while self._done < steps:
                try:
                    client.step()
                except Gone:
                    return
                with self._lock:
                    self._done += 1
                    strike = self._done >= at and not struck.is_set()
                    if strike:
                        struck.set()
                if strike:
                    then()

        threads = [threading.Thread(target=work, args=(client,)) for client in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def faults(self) -> list[str]:
        """Refusals of sensible verbs so far, and what differs from the ledgers now."""
        self._let_the_killed_die()
        containers = {each["Name"][1:]: each for each in self._api.containers()}
        networks = {each["Name"]: each["Id"] for each in self._api.get("/networks")}
        wrong = [line for client in self.clients for line in client.wrong]
        for client in self.clients:
            client.wrong.clear()
        return wrong + [line for client in self.clients for line in client.check(containers, networks)]

    def _let_the_killed_die(self) -> None:
        """A signal may have been sent just before the daemon died: such a container ends a moment after the restart."""
        killed = [name for client in self.clients for name in client.killed]
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and any(self._runs(name) for name in killed):
            time.sleep(0.1)

    def _runs(self, name: str) -> bool:
        try:
            return bool(self._api.inspect(name)["State"]["Running"])
        except Refused:
            return False

    def history(self, faults: list[str]) -> list[str]:
        """What was done to the objects that `faults` name."""
        lines = [line for client in self.clients for line in client.history]
        return sorted(line for line in lines if any(line.split()[2].rstrip(":") in fault for fault in faults))

    def ports(self) -> list[int]:
        return [port for client in self.clients for port in client.ports]

    def clear(self) -> None:
        """Remove everything that the storm made."""
        for container in self._api.get("/containers/json?all=1"):
            self._api.delete(f"/containers/{container['Id']}?force=1&v=1")
        for network in self._api.get("/networks"):
            if network["Name"] not in ("bridge", "host", "none"):
                self._api.delete(f"/networks/{network['Id']}")

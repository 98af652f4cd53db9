"""Users of a swarm who create, scale, update and remove services and networks at any of its managers, and the ledger of
what was acknowledged to them.

Each client has names of its own, so that the ledger needs no order between clients. The ledger holds for each name all
the states that it may rightly be in: one after an acknowledged verb, two after a verb whose answer did not come. A name
in doubt is let alone until the swarm is at rest and can be asked.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from fairlead.lab.machine import Machine
from tests.chaos.api import Api, Gone, Refused
from tests.chaos.swarm_hosts import Swarm, wish

FIRST_PORT, PORTS_EACH = 30100, 200
MOST_SERVICES, MOST_REPLICAS = 4, 4
NOT_NOW = (
    "does not have a leader",
    "not a swarm manager",
    "nothing was changed",
    "does not hear of the others",
    "update out of sequence",
)
"""Refusals that say that nothing was done, and that another time or another manager may be better."""
IN_DOUBT = "may or may not"


@dataclass(frozen=True, slots=True)
class Kept:
    """A service as it was acknowledged."""

    name: str
    replicas: int
    revision: int
    networks: tuple[str, ...]
    port: int


Possible = list[Kept | None]
"""None: there is no such service."""


class Client:
    """One user. The random numbers come from the seed and the client's number alone."""

    def __init__(self, swarm: Swarm, number: int, seed: int) -> None:
        self._swarm, self.number = swarm, number
        self._random = random.Random(seed * 1000 + number)
        self._serial = 0
        self.services: dict[str, Possible] = {}
        self.networks: dict[str, list[bool]] = {}
        self.wrong: list[str] = []
        self.history: list[str] = []
        self.done = 0

    def step(self) -> None:
        """One random verb at a random manager."""
        verb, subject = self._choose()
        through = self._random.choice(self._swarm.managers)
        outcome, began = "done", time.monotonic()
        try:
            verb(self._swarm.api(through), subject)
            self.done += 1
        except Gone as gone:
            outcome = self._gone(gone, subject)
        except Refused as refused:
            outcome = self._refused(refused, subject, through)
        at = time.strftime("%H:%M:%S")
        spent = time.monotonic() - began
        self.history.append(f"{at} {through.name} {verb.__name__} {subject} ({spent:.1f} s): {outcome}")

    def _gone(self, gone: Gone, subject: str) -> str:
        if isinstance(gone.__cause__, ConnectionRefusedError | FileNotFoundError):
            self._undo(subject)
            return "nobody there"
        return f"in doubt ({gone})"

    def _refused(self, refused: Refused, subject: str, through: Machine) -> str:
        if IN_DOUBT in refused.message:
            return "in doubt (refused)"
        self._undo(subject)
        if not any(words in refused.message for words in NOT_NOW):
            self.wrong.append(f"{through.name} refused what was right to ask of {subject}: {refused}")
        return str(refused)

    def _undo(self, subject: str) -> None:
        """The verb was certainly not done: what was before is what is."""
        for ledger in (self.services, self.networks):
            if subject in ledger:
                del ledger[subject][1:]

    # --- verbs --------------------------------------------------------------------------------------

    def _choose(self) -> tuple[Callable[[Api, str], None], str]:
        mine = [name for name, states in self.services.items() if len(states) == 1 and states[0] is not None]
        nets = [name for name, there in self.networks.items() if there == [True]]
        used = {net for states in self.services.values() for state in states if state for net in state.networks}
        self._serial += 1
        choices: list[tuple[int, Callable[[Api, str], None], Sequence[str]]] = [
            (5, self.create, [f"s{self.number}-{self._serial}"] if len(mine) < MOST_SERVICES else []),
            (4, self.scale, mine),
            (3, self.update, mine),
            (2 if len(mine) > 1 else 0, self.remove, mine),
            (2, self.create_network, [f"n{self.number}-{self._serial}"] if len(nets) < 2 else []),
            (1, self.remove_network, [net for net in nets if net not in used]),
        ]
        possible = [(weight, verb, subjects) for weight, verb, subjects in choices if subjects and weight]
        _, verb, subjects = self._random.choices(possible, [weight for weight, _, _ in possible])[0]
        return verb, self._random.choice(list(subjects))

    def create(self, api: Api, name: str) -> None:
        nets = [net for net, there in self.networks.items() if there == [True]]
        networks = (self._random.choice(nets),) if nets and self._random.random() < 0.6 else ()
        port = FIRST_PORT + self.number * PORTS_EACH + self._serial % PORTS_EACH
        kept = Kept(
            name, self._random.randint(1, MOST_REPLICAS), 0, networks, port if self._random.random() < 0.5 else 0
        )
        self.services[name] = [None, kept]
        api.post("/services/create", self._body(kept))
        self.services[name] = [kept]

    def scale(self, api: Api, name: str) -> None:
        self._revise(api, name, replicas=self._random.randint(0, MOST_REPLICAS))

    def update(self, api: Api, name: str) -> None:
        self._revise(api, name, revision=self._serial)

    def remove(self, api: Api, name: str) -> None:
        (before,) = self.services[name]
        self.services[name] = [before, None]
        api.delete(f"/services/{name}")
        self.services[name] = [None]

    def _revise(self, api: Api, name: str, **fields: int) -> None:
        (before,) = self.services[name]
        assert before is not None
        after = replace(before, **fields)  # type: ignore[arg-type]
        present = api.get(f"/services/{name}")
        self.services[name] = [before, after]
        api.post(f"/services/{present['ID']}/update?version={present['Version']['Index']}", self._body(after))
        self.services[name] = [after]

    def create_network(self, api: Api, name: str) -> None:
        self.networks[name] = [False, True]
        api.create_network(name, Driver="overlay")
        self.networks[name] = [True]

    def remove_network(self, api: Api, name: str) -> None:
        self.networks[name] = [True, False]
        api.delete(f"/networks/{name}")
        self.networks[name] = [False]

    def _body(self, kept: Kept) -> dict[str, Any]:
        return wish(
            kept.name,
            self._swarm.folder,
            kept.replicas,
            networks=kept.networks,
            port=kept.port,
            revision=kept.revision,
        )

    # --- at rest ------------------------------------------------------------------------------------

    def check(self, services: dict[str, Kept], networks: set[str]) -> Iterator[str]:
        """Everything acknowledged is as it was; what is in doubt is one of what it may be, and from then on known."""
        mine = {name for name in services if name.startswith(f"s{self.number}-")}
        for name in sorted(mine | set(self.services)):
            states, found = self.services.get(name, [None]), services.get(name)
            if found not in states:
                yield f"service {name}: acknowledged {states}, found {found}"
            self.services[name] = [found]
        theirs = {name for name in networks if name.startswith(f"n{self.number}-")}
        for name in sorted(theirs | set(self.networks)):
            if (name in networks) not in self.networks.get(name, [False]):
                yield f"network {name}: acknowledged {self.networks.get(name)}, found {name in networks}"
            self.networks[name] = [name in networks]


class Storm:
    """Some clients at work."""

    def __init__(self, swarm: Swarm, clients: int, seed: int) -> None:
        self._swarm = swarm
        self.clients = [Client(swarm, number, seed) for number in range(clients)]
        self._over = threading.Event()

    @contextmanager
    def raging(self, pause: float) -> Iterator[None]:
        """Meanwhile all clients are busy; each waits about `pause` seconds after each verb."""
        self._over.clear()
        threads = [threading.Thread(target=self._work, args=(client, pause)) for client in self.clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _work(self, client: Client, pause: float) -> None:
        chance = random.Random(client.number)
        while not self._over.wait(pause * 2 * chance.random()):
            client.step()

    @property
    def acknowledged(self) -> int:
        return sum(client.done for client in self.clients)

    def faults(self, through: Machine) -> list[str]:
        """What was refused though it was right, and what differs from the ledgers, as that manager tells."""
        api = self._swarm.api(through)
        services = {kept.name: kept for kept in map(_found, api.get("/services"))}
        networks = {network["Name"] for network in api.get("/networks") if network["Scope"] == "swarm"}
        ids = {network["Id"]: network["Name"] for network in api.get("/networks")}
        services = {
            name: replace(kept, networks=tuple(ids.get(net, net) for net in kept.networks))
            for name, kept in services.items()
        }
        found = []
        for client in self.clients:
            found += client.wrong
            client.wrong.clear()
            found += client.check(services, networks)
        return found

    def expected(self) -> dict[str, int]:
        """Replicas of the services that are there for certain (all, after `faults`)."""
        states = [state for client in self.clients for states in client.services.values() for state in states]
        return {state.name: state.replicas for state in states if state is not None}

    def clear(self, through: Machine) -> None:
        """Remove everything that the clients made, as `faults` found it last."""
        api = self._swarm.api(through)
        for client in self.clients:
            for name, states in client.services.items():
                if states != [None]:
                    api.delete(f"/services/{name}")
            for name, there in client.networks.items():
                if there == [True]:
                    api.delete(f"/networks/{name}")
            client.services.clear()
            client.networks.clear()

    def history(self, faults: Sequence[str]) -> list[str]:
        """What was done to the objects that `faults` name."""
        lines = [line for client in self.clients for line in client.history]
        return sorted(line for line in lines if any(line.split()[3] in fault for fault in faults))


def _found(service: Any) -> Kept:
    spec = service["Spec"]
    env = dict(line.split("=", 1) for line in spec["TaskTemplate"]["ContainerSpec"].get("Env", ()))
    networks = tuple(network["Target"] for network in spec["TaskTemplate"].get("Networks", ()))
    ports = [port["PublishedPort"] for port in spec.get("EndpointSpec", {}).get("Ports", ())]
    replicas = spec["Mode"]["Replicated"]["Replicas"]
    return Kept(spec["Name"], replicas, int(env.get("REVISION", 0)), networks, ports[0] if ports else 0)

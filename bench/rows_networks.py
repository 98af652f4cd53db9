"""Networks: create and remove, connect and disconnect on a running container, and connect beside 500 others."""

from __future__ import annotations

import statistics
import sys
import time
from itertools import count

from bench import floor
from bench.client import Client
from bench.engines import Engine
from bench.figures import Figure, interleaved, milliseconds

CROWD = 500
SETTLING = 0.1
"""Seconds before each turn: what the one before still takes down behind its answer holds the kernel's lock, and would
be waited for. And all begin alike, after a pause, as users do."""


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    a, b = ours.client(), peer.client()
    return [*_networks(a, b, rounds), *_attachments(a, b, rounds), _beside_floor(ours, rounds), _crowded(a, rounds)]


def _networks(a: Client, b: Client, rounds: int) -> list[Figure]:
    serial = count()
    made: dict[int, list[str]] = {id(a): [], id(b): []}

    def create(client: Client) -> float:
        name = f"n{next(serial)}"
        made[id(client)].append(name)
        return client.timed("POST", "/networks/create", {"Name": name, "CheckDuplicate": True})

    def remove(client: Client) -> float:
        return client.timed("DELETE", f"/networks/{made[id(client)].pop()}")

    rounds = min(rounds, 12)
    created = interleaved(lambda: create(a), lambda: create(b), rounds)
    removed = interleaved(lambda: remove(a), lambda: remove(b), rounds)
    return [milliseconds("network create", created, 0.1), milliseconds("network rm", removed, 0.1)]


def _attachments(a: Client, b: Client, rounds: int) -> list[Figure]:
    for client in (a, b):
        client.post("/networks/create", {"Name": "att", "CheckDuplicate": True})
        client.run("att")

    def attach(client: Client, verb: str) -> float:
        return client.timed("POST", f"/networks/att/{verb}", {"Container": "att"})

    def both_ways(client: Client) -> tuple[float, float]:
        time.sleep(SETTLING)
        return attach(client, "connect"), attach(client, "disconnect")

    both_ways(a), both_ways(b)
    pairs = [(both_ways(a), both_ways(b)) for _ in range(rounds)]
    figures = []
    for index, verb in enumerate(("connect", "disconnect")):
        samples = ([x[index] for x, _ in pairs], [y[index] for _, y in pairs])
        figures.append(milliseconds(f"network {verb}", samples, 0.1))
    for client in (a, b):
        client.remove("att")
    return figures


def _beside_floor(ours: Engine, rounds: int) -> Figure:
    """Connect over the API against the same kernel work in one straight line, in the same namespace."""
    client = ours.client()
    client.post("/networks/create", {"Name": "floor"})
    client.run("floor", network="none")
    client.post("/networks/none/disconnect", {"Container": "floor"})

    def connect() -> float:
        time.sleep(SETTLING)
        taken = client.timed("POST", "/networks/floor/connect", {"Container": "floor"})
        client.post("/networks/floor/disconnect", {"Container": "floor"})
        return taken

    with floor.remote(ours.node.inside([sys.executable, floor.__file__])) as raw:

        def straight() -> float:
            time.sleep(SETTLING)
            return raw()

        samples = interleaved(connect, straight, max(rounds, 40), warm_up=2)
    client.remove("floor")
    client.close()
    return milliseconds("network connect", samples, 3.0, "base: raw netlink")


def _crowded(client: Client, rounds: int) -> Figure:
    """Connect on a network with 500 endpoints against one with none: ours against ourselves."""
    for name in ("lone", "crowd"):
        subnet = {"lone": "10.201.0.0/16", "crowd": "10.202.0.0/16"}[name]
        client.post("/networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}})
    client.run("walker")
    for number in range(CROWD):
        client.run(f"crowd{number}", network="crowd")

    def connect(network: str) -> float:
        time.sleep(SETTLING)
        taken = client.timed("POST", f"/networks/{network}/connect", {"Container": "walker"})
        client.post(f"/networks/{network}/disconnect", {"Container": "walker"})
        return taken

    samples = interleaved(lambda: connect("crowd"), lambda: connect("lone"), max(rounds, 30))
    crowd, lone = ([1000 * value for value in values] for values in samples)
    started = time.perf_counter()
    for number in range(CROWD):
        client.remove(f"crowd{number}")
    note = f"base: with 1; {CROWD} x rm -f took {time.perf_counter() - started:.1f} s"
    return Figure(f"connect beside {CROWD}", statistics.median(crowd), statistics.median(lone), "ms", 1.3, False, note)

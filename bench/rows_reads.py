"""Reads over a keep-alive connection: what `ls` and `inspect` cost."""

from __future__ import annotations

from bench.client import Client
from bench.engines import Engine
from bench.figures import Figure, interleaved, milliseconds

PATHS = {
    "ping": "/_ping",
    "network inspect": "/networks/reads",
    "network ls": "/networks",
    "inspect": "/containers/reads0/json",
    "ps": "/containers/json",
}
BURST = 20


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    a, b = ours.client(), peer.client()
    for client in (a, b):
        client.post("/networks/create", {"Name": "reads", "CheckDuplicate": True})
        for number in range(10):
            client.run(f"reads{number}", network="reads")

    def burst(client: Client, path: str) -> float:
        return sum(client.timed("GET", path) for _ in range(BURST)) / BURST

    figures = []
    for row, path in PATHS.items():
        samples = interleaved(lambda p=path: burst(a, p), lambda p=path: burst(b, p), rounds)  # type: ignore[misc]
        figures.append(milliseconds(row, samples, 0.5))
    return figures

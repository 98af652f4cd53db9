"""Reads over a keep-alive connection: what `ls` and `inspect` cost."""

from __future__ import annotations

from bench.engines import Engine
from bench.figures import Figure, interleaved, milliseconds

PATHS = {
    "ping": "/_ping",
    "network inspect": "/networks/reads",
    "network ls": "/networks",
    "inspect": "/containers/reads0/json",
    "ps": "/containers/json",
}
BURST = 50


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    for engine in (ours, peer):
        client = engine.client()
        client.post("/networks/create", {"Name": "reads", "CheckDuplicate": True})
        for number in range(10):
            client.run(f"reads{number}", network="reads")
        client.close()
    a, b = ours.reader(), peer.reader()
    figures = []
    for row, path in PATHS.items():
        samples = interleaved(lambda p=path: a.timed(p, BURST), lambda p=path: b.timed(p, BURST), rounds)  # type: ignore[misc]
        figures.append(milliseconds(row, samples, 0.5))
    a.close(), b.close()
    return figures

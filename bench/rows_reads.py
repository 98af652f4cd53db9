"""Reads over a keep-alive connection: what `ls` and `inspect` cost."""

from __future__ import annotations

from functools import partial

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
    a, b = ours.wire(), peer.wire()
    figures = []
    for row, path in PATHS.items():
        samples = interleaved(
            partial(a.timed, "GET", path, times=BURST), partial(b.timed, "GET", path, times=BURST), rounds
        )
        figures.append(milliseconds(row, samples, 0.5))
    a.close()
    b.close()
    return figures

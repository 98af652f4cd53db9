"""Packets between two macvlan containers of one parent, against Docker's and against the same interfaces by hand."""

from __future__ import annotations

import statistics

from bench.engines import Engine
from bench.figures import Figure
from bench.rows_traffic import Wire

ROUNDS = 5
SUBNET, FIRST, SECOND = "10.204.0.0/24", "10.204.0.11", "10.204.0.12"


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    wires = [_containers(ours), _containers(peer), _by_hand(ours)]
    fast = [[wire.throughput() for wire in wires] for _ in range(ROUNDS)]
    quick = [[wire.latency() for wire in wires] for _ in range(ROUNDS)]
    gbit = [statistics.median(column) for column in zip(*fast, strict=True)]
    micro = [statistics.median(column) for column in zip(*quick, strict=True)]
    return [
        Figure("macvlan throughput", gbit[0], gbit[1], "Gbit/s", 1.0, True),
        Figure("macvlan throughput", gbit[0], gbit[2], "Gbit/s", 0.97, True, "base: macvlan by hand"),
        Figure("macvlan request-response", micro[0], micro[1], "us", 1.0),
        Figure("macvlan request-response", micro[0], micro[2], "us", 1.03, False, "base: macvlan by hand"),
    ]


def _containers(engine: Engine) -> Wire:
    client = engine.client()
    network = {"Name": "flat", "Driver": "macvlan", "CheckDuplicate": True, "Options": {"parent": "eth0"}}
    client.post("/networks/create", {**network, "IPAM": {"Config": [{"Subnet": SUBNET}]}})
    for name in ("flat-a", "flat-b"):
        client.run(name, network="flat")
    seen = [client.get(f"/containers/{name}/json") for name in ("flat-a", "flat-b")]
    client.close()
    ends = [["nsenter", "--target", str(each["State"]["Pid"]), "--net", "--"] for each in seen]
    return Wire(engine, ends[0], ends[1], seen[1]["NetworkSettings"]["Networks"]["flat"]["IPAddress"])


def _by_hand(engine: Engine) -> Wire:
    """The limit: two namespaces with a macvlan each, and nothing else."""
    script = f"""
for n in 1 2; do
    ip netns delete flat$n 2>/dev/null || true
    ip netns add flat$n
    ip link add link eth0 name flat$n netns flat$n type macvlan mode bridge
    nsenter --net=/run/netns/flat$n ip link set flat$n up
    nsenter --net=/run/netns/flat$n ip address add {FIRST[:-1]}$n/24 dev flat$n
done
"""
    engine.node.run(["sh", "-ec", script])
    ends = [["nsenter", f"--net=/run/netns/flat{n}", "--"] for n in (1, 2)]
    return Wire(engine, ends[0], ends[1], SECOND)

"""Packets between two macvlan containers of one parent, against Docker's and against the same interfaces by hand."""

from __future__ import annotations

from bench.engines import Engine
from bench.figures import Figure
from bench.wires import Wire, compared

SUBNET, FIRST, SECOND = "10.204.0.0/24", "10.204.0.11", "10.204.0.12"


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    return compared(_containers(ours), _containers(peer), _by_hand(ours), "macvlan", "macvlan", 1.03)


def _containers(engine: Engine) -> Wire:
    client = engine.client()
    network = {"Name": "flat", "Driver": "macvlan", "CheckDuplicate": True, "Options": {"parent": "eth0"}}
    client.post("/networks/create", {**network, "IPAM": {"Config": [{"Subnet": SUBNET}]}})
    for name in ("flat-a", "flat-b"):
        client.run(name, network="flat")
    seen = [client.get(f"/containers/{name}/json") for name in ("flat-a", "flat-b")]
    client.close()
    ends = [engine.within(each) for each in seen]
    return Wire(ends[0], ends[1], seen[1]["NetworkSettings"]["Networks"]["flat"]["IPAddress"])


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
    ends = [engine.node.inside(["nsenter", f"--net=/run/netns/flat{n}", "--"]) for n in (1, 2)]
    return Wire(ends[0], ends[1], SECOND)

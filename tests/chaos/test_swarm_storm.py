"""Random faults of a swarm's hosts while users change it: nothing acknowledged is lost, nothing is held twice at any
moment of the store's history, no place runs two tasks, and in the end everything is as it was wished, and nothing else.

`FAIRLEAD_CHAOS_FAULTS=200` plays the long version, `FAIRLEAD_CHAOS_SEED=...` the same verbs and faults again (though
they meet differently).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial

import pytest

from fairlead.lab.node import PATIENCE
from tests.chaos.api import Gone, Refused
from tests.chaos.swarm_faults import Faults
from tests.chaos.swarm_history import History
from tests.chaos.swarm_hosts import Swarm, swarm
from tests.chaos.swarm_storm import Storm
from tests.chaos.test_kill import seed_of_this_run
from tests.support.machines import missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

FAULTS = int(os.environ.get("FAIRLEAD_CHAOS_FAULTS", "12"))
BETWEEN_LOOKS = 25
"""Faults between two looks at a swarm that was mended and came to rest."""
CLIENTS, PAUSE = 3, 0.6
REST_SECONDS = 90


def test_random_faults_among_random_verbs() -> None:
    seed = seed_of_this_run()
    with swarm(3, 2, ("--log-level", "debug")) as house:
        play(house, seed, FAULTS)


def play(house: Swarm, seed: int, count: int) -> None:
    chance = random.Random(seed)
    storm, faults, history = Storm(house, CLIENTS, seed), Faults(house, seed), History()
    before = furnished(house)
    done = 0
    while done < count:
        with storm.raging(PAUSE), faults.mended():
            for _ in range(min(BETWEEN_LOOKS, count - done)):
                time.sleep(chance.uniform(0.2, 2.5))
                faults.strike()
                done += 1
        look(house, storm, history, f"seed {seed}, after {done} faults", faults.history)
    print(f"seed {seed}: {storm.acknowledged} acknowledged verbs, {history.transactions} transactions, {done} faults")
    storm.clear(house.managers[0])
    wait_for_nothing_more(house, before, f"seed {seed}")


def look(house: Swarm, storm: Storm, history: History, when: str, struck: Sequence[str]) -> None:
    """The swarm is mended: bring it to rest and compare it with everything that is known."""
    for host in house.managers:
        wait_for(partial(house.whole, host), REST_SECONDS, f"{when}: {host.name} to see the swarm whole")
    wrong = [f"{host.name}: {line}" for host in house.managers for line in storm.faults(host)]
    wait_for_rest(house, storm.expected(), when)
    history.read(house.managers[0])
    wrong += [*history.faults, *house.intruders()]
    assert not wrong, "\n".join([f"{when}:", *wrong, *storm.history(wrong), "faults:", *struck])


def wait_for_rest(house: Swarm, expected: dict[str, int], when: str) -> None:
    deadline = time.monotonic() + REST_SECONDS * PATIENCE
    while found := unrest(house, expected):
        if time.monotonic() > deadline:
            pytest.fail(f"{when}: no rest: {'; '.join(found)}")
        time.sleep(0.2)


def wait_for_nothing_more(house: Swarm, before: Mapping[str, object], when: str) -> None:
    """Until nothing is there that was not there before."""
    deadline = time.monotonic() + REST_SECONDS * PATIENCE
    while (found := left_over(house)) != before:
        if time.monotonic() > deadline:
            more = "\n".join(
                f"{where}: {before[where]} became {now}" for where, now in found.items() if now != before[where]
            )
            pytest.fail(f"{when}: not everything goes with its services:\n{more}")
        time.sleep(0.5)


def unrest(house: Swarm, expected: dict[str, int]) -> list[str]:
    """What keeps the swarm from rest: services without their number of tasks, hosts whose containers differ."""
    api = house.api(house.managers[0])
    try:
        names = {service["ID"]: service["Spec"]["Name"] for service in api.get("/services")}
        tasks = [task for task in api.get("/tasks") if task["ServiceID"] in names]
        nodes = {node["ID"]: node["Description"]["Hostname"] for node in api.get("/nodes")}
        there = {(host.name, task) for host in house.hosts for task in house.tasks_on(host)}
    except (Refused, Gone) as failure:
        return [str(failure)]
    running = [task for task in tasks if task["Status"]["State"] == "running" and task["DesiredState"] == "running"]
    wanted = {(nodes[task["NodeID"]], task["ID"]) for task in running}
    found = [f"containers missing: {sorted(wanted - there)}, of nobody: {sorted(there - wanted)}"]
    found = found if wanted != there else []
    for name, replicas in expected.items():
        mine = [task for task in tasks if names[task["ServiceID"]] == name]
        places = [task["Slot"] for task in running if task in mine]
        if len(places) != replicas or len(set(places)) != replicas:
            states = " ".join(f"{one['Slot']}:{one['Status']['State']}/{one['DesiredState']}" for one in mine)
            found.append(f"{name}: {len(places)} of {replicas} run ({states})")
    return found


def furnished(house: Swarm) -> dict[str, object]:
    """What is there of a swarm without services, once every host has its end of the mesh: a namespace for the ingress
    network, and one to answer in."""
    folders = [host.directory / "exec/netns" for host in house.hosts]
    wait_for(
        lambda: all(len(list(one.glob("*"))) == 2 for one in folders), 30, "every host to have its end of the mesh"
    )
    seen: list[dict[str, object]] = [{}]

    def steady() -> bool:
        seen.append(left_over(house))
        return seen[-1] == seen[-2]

    wait_for(steady, 30, "all to be at rest")
    return seen[-1]


def left_over(house: Swarm) -> dict[str, object]:
    """What of services and networks is on each host, and what the swarm knows of them."""
    found: dict[str, object] = {}
    for host in house.hosts:
        folder = host.directory
        found[host.name] = {
            "containers": sorted(one["Names"][0] for one in house.api(host).get("/containers/json?all=1")),
            "networks": sorted(one["Name"] for one in house.api(host).get("/networks")),
            "links": sorted(_plain(host.sh("ls /sys/class/net").stdout)),
            "processes": sorted(set(host.sh("ps -eo comm=").stdout.split())),
            **{kind: sorted(path.name for path in (folder / kind).glob("*")) for kind in KINDS},
        }
    api = house.api(house.managers[0])
    for kind in ("services", "tasks"):
        found[kind] = sorted(one["ID"] for one in api.get(f"/{kind}"))
    # A host's own default network is another one after each start of its daemon.
    found["networks of the swarm"] = sorted(one["Id"] for one in api.get("/networks") if one["Scope"] == "swarm")
    return found


KINDS = ("exec/netns", "exec/containers", "exec/runc", "data/containers", "data/rootfs")


def _plain(listed: str) -> list[str]:
    return [name for name in listed.split() if not name.startswith(("veth", "gone-"))]

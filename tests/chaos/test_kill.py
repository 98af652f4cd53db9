"""`kill -9` of the daemon among random verbs: what it acknowledged is there and works, and nothing else is left.

The seed is random; a failure names it, and `FAIRLEAD_CHAOS_SEED=...` plays the same verbs again (though threads meet
differently).
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time

import pytest

from fairlead.lab.machine import Machine
from tests.chaos.api import Api
from tests.chaos.audit import Audit
from tests.chaos.storm import Storm
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

CLIENTS = 6


def seed_of_this_run() -> int:
    return int(os.environ.get("FAIRLEAD_CHAOS_SEED") or random.SystemRandom().randrange(10**6))


@pytest.mark.parametrize("strikes", [4])
def test_kill_among_two_hundred_verbs(strikes: int) -> None:
    seed = seed_of_this_run()
    with machine("--log-level", "debug") as host:
        provide(host, "busybox")
        play(host, seed, strikes, 50)


def play(host: Machine, seed: int, strikes: int, verbs: int) -> None:
    """`strikes` rounds of `verbs` verbs, each with a kill at a random moment of its second half."""
    chance = random.Random(seed)
    before = picture(host)
    storm = Storm(Api(host.socket), CLIENTS, seed)
    for strike in range(strikes):
        delay = chance.random() * 0.15
        storm.round(verbs, chance.randrange(verbs // 2, verbs), lambda delay=delay: strike_down(host, delay))
        host.start()
        faults = [*storm.faults(), *Audit(host, storm.ports()).faults()]
        assert not faults, "\n".join([f"seed {seed}, strike {strike}:", *faults, *storm.history(faults)])
    storm.clear()
    assert picture(host) == before, f"seed {seed}: something is left in the end"
    wait_for(lambda: not unsettled(host), what=f"the intents in the store to be settled (seed {seed})")


def strike_down(host: Machine, delay: float) -> None:
    """Kill the daemon a moment from now, from a thread of its own, so that verbs are under way."""

    def strike() -> None:
        time.sleep(delay)
        host.kill()

    thread = threading.Thread(target=strike)
    thread.start()
    thread.join()


def picture(host: Machine) -> dict[str, object]:
    """What a host looks like without containers: the same before and after."""
    wait_for(lambda: "gone-" not in host.sh("ip -o link").stdout, what="doomed links to go")
    wait_for(lambda: "rm" not in host.sh("ps -eo comm=").stdout.split(), what="doomed files to go")
    found = json.loads(host.sh("nft -j list table inet fairlead").stdout)["nftables"]
    sets = [entry.get("set") or entry.get("map") for entry in found if "set" in entry or "map" in entry]
    folder = host.directory
    kept = ("exec/netns", "exec/containers", "exec/runc", "data/containers", "data/rootfs", "data/volumes")
    mounts = [line.split()[1] for line in host.sh("cat /proc/mounts").stdout.splitlines()]
    return {
        "elements": {each["name"]: each.get("elem") for each in sets},
        "links": sorted(link["ifname"] for link in json.loads(host.sh("ip -j link").stdout)),
        "mounts": sorted(path for path in mounts if path.startswith(str(folder))),
        "processes": sorted(set(host.sh("ps -eo comm=").stdout.split())),
        **{name: sorted(path.name for path in (folder / name).glob("*")) for name in kept},
    }


def unsettled(host: Machine) -> list[tuple[str, str]]:
    database = sqlite3.connect(f"file:{host.directory}/data/state.db?mode=ro", uri=True)
    try:
        return database.execute("SELECT kind, id FROM document WHERE kind LIKE 'intended-%'").fetchall()
    finally:
        database.close()

"""The leading manager dies, or is cut off while it still believes: how soon others take writes, and what it can do.

`FAIRLEAD_CHAOS_ROUNDS` says how often each is tried, and the times are printed.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from fairlead.lab.machine import Machine
from fairlead.lab.node import PATIENCE
from tests.chaos.api import Api, Gone, Refused
from tests.chaos.swarm_hosts import Swarm, swarm, wish
from tests.support.machines import missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

ROUNDS = int(os.environ.get("FAIRLEAD_CHAOS_ROUNDS", "2"))
WRITES_AGAIN = 5.0
"""Seconds from the loss of the leader to a write that another manager acknowledged."""
REPLICAS = 6


@pytest.fixture(scope="module")
def house() -> Iterator[Swarm]:
    with swarm() as made:
        made.api(made.managers[0]).post("/services/create", wish("kept", made.folder, REPLICAS))
        wait_for(lambda: made.running(made.managers[0], "kept") == REPLICAS, 30, "the service to run")
        yield made


def seconds_to_write(house: Swarm, through: Machine, name: str) -> float:
    """How long a user who asks that manager waits for a new service to be acknowledged."""
    began = time.monotonic()
    while True:
        try:
            Api(through.socket, 20).post("/services/create", wish(name, house.folder))
        except (Refused, Gone):
            assert time.monotonic() - began < 60, "no manager took a write"
            time.sleep(0.05)
        else:
            return time.monotonic() - began


def runs(house: Swarm, through: Machine, name: str) -> bool:
    return house.running(through, name) == 1


def settled(house: Swarm) -> None:
    for host in house.managers:
        wait_for(partial(house.whole, host), 60, f"the swarm to be whole as {host.name} sees it")
    wait_for(lambda: house.running(house.managers[0], "kept") == REPLICAS, 60, "the service to run")


def judge(house: Swarm, what: str, times: list[float]) -> None:
    shown = " ".join(f"{one:.2f}" for one in times)
    print(f"{what}: another manager took a write after {shown} s, median {statistics.median(times):.2f}")
    assert max(times) < WRITES_AGAIN * PATIENCE
    assert not house.intruders()


def test_a_killed_leader_is_followed_in_time(house: Swarm) -> None:
    times = []
    for number in range(ROUNDS):
        settled(house)
        first = house.leader()
        other = next(host for host in house.managers if host is not first)
        first.kill()
        times.append(seconds_to_write(house, other, f"killed{number}"))
        wait_for(partial(runs, house, other, f"killed{number}"), 30, "it to run")
        first.start()
    settled(house)
    judge(house, "killed with -9", times)


def test_a_leader_that_is_cut_off_is_followed_and_can_write_nothing(house: Swarm) -> None:
    times = []
    for number in range(ROUNDS):
        settled(house)
        first = house.leader()
        other = next(host for host in house.managers if host is not first)
        house.lab.isolate(first)
        try:
            stray = Stray(house, first, f"stray{number}")
            times.append(seconds_to_write(house, other, f"cut{number}"))
            wait_for(partial(runs, house, other, f"cut{number}"), 40, "it to run")
            refusal = stray.refusal()
        finally:
            house.lab.heal()
        assert refusal.status in (500, 503), refusal
        settled(house)
        for host in house.managers:
            names = {service["Spec"]["Name"] for service in house.api(host).get("/services")}
            assert f"stray{number}" not in names, "what the one cut off was asked, it has written after all"
            assert f"cut{number}" in names
    judge(house, "cut off", times)


class Stray:
    """A user at the old leader, from the moment of the cut on."""

    def __init__(self, house: Swarm, at: Machine, name: str) -> None:
        self._said: list[Refused] = []
        self._api, self._wish = Api(at.socket, 60), wish(name, house.folder)
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._api.post("/services/create", self._wish)
        except Refused as refused:
            self._said.append(refused)

    def refusal(self) -> Refused:
        self._thread.join()
        assert self._said, "the old leader acknowledged a write"
        return self._said[0]


def test_a_leader_that_was_paused_finds_itself_deposed(house: Swarm) -> None:
    settled(house)
    first = house.leader()
    other = next(host for host in house.managers if host is not first)
    first.pause()
    try:
        wait_for(lambda: house.nodes(other) and house.leader() is not first, 30, "another leader")
        house.api(other).post("/services/create", wish("while-paused", house.folder, 2))
        wait_for(lambda: house.running(other, "while-paused") == 2, 40, "it to run")
    finally:
        first.resume()
    settled(house)
    assert house.leader() is not first
    house.api(first).post("/services/create", wish("after-pause", house.folder))
    assert not house.intruders()

"""A daemon that dies at any step of any verb: the next one finds what was acknowledged, and leaves nothing else.

Each verb is tried again and again, and killed one call of a hand later every time, before and after the call took
effect, until it gets through. What dies is everything at once: the undoing of the verb finds no hands either.
"""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from fairlead.model.endpoint import PortRequest
from tests.engine.networking.house import House, Killed

PUBLISHED = (PortRequest(80, host_ports=(8080, 8080)), PortRequest(53, "udp", host_ports=(5353, 5353)))
MOST_STEPS = 40


def inside(house: House, *command: str) -> str:
    """What a command says in the sandbox of `web`."""
    program = ["nsenter", f"--net={house.ns('web')}", *command]
    return subprocess.run(program, capture_output=True, text=True, check=True, timeout=10).stdout


async def nothing(_house: House) -> None:
    pass


async def until_it_gets_through(
    house: House,
    verb: Callable[[House], Awaitable[object]],
    after: bool,
    between: Callable[[House], Awaitable[object]] = nothing,
) -> int:
    """Kill the verb at its first call, its second, ...; check the world after each, then do what is to be done
    `between`. Returns how often it died."""
    for step in range(MOST_STEPS):
        house.fuse.set(step, after)
        try:
            await verb(house)
        except Killed:
            await house.restart()
            await house.check()
            await between(house)
            continue
        if house.fuse.burnt:
            # It died after the last thing that matters to the caller.
            await house.restart()
            await house.check()
            continue
        house.fuse.left = None
        return step
    raise AssertionError("the verb never got through")


@pytest.mark.parametrize("after", [False, True])
async def test_create_and_remove(house: House, after: bool) -> None:
    async def create(house: House) -> None:
        if house.state.find_network("pets") is None:
            await house.network("pets", "10.5.0.0/24")

    async def remove(house: House) -> None:
        if house.state.find_network("pets") is not None:
            await house.networks.remove("pets")

    assert await until_it_gets_through(house, create, after) >= 2
    assert house.state.find_network("pets") is not None
    await house.restart()
    await house.check()
    assert await until_it_gets_through(house, remove, after) >= 1
    assert house.state.find_network("pets") is None
    await house.check()


@pytest.mark.parametrize("after", [False, True])
async def test_start_and_stop(house: House, after: bool) -> None:
    await house.network("pets", "10.5.0.0/24")

    async def start(house: House) -> None:
        await house.run("web", "pets", ports=PUBLISHED)

    async def stop(house: House) -> None:
        await house.stop("web")

    assert await until_it_gets_through(house, start, after) >= 6
    endpoint = house.endpoint("web", "pets")
    assert str(endpoint.ipv4) == "10.5.0.2/24"
    await house.restart()
    assert house.endpoint("web", "pets") == endpoint
    await house.check()
    assert await until_it_gets_through(house, stop, after) >= 1
    assert not house.state.endpoints
    await house.run("other", "pets", ports=PUBLISHED)
    await house.check()


@pytest.mark.parametrize("after", [False, True])
async def test_connect_and_disconnect(house: House, after: bool) -> None:
    await house.network("alpha", "10.5.0.0/24")
    await house.run("web", ports=PUBLISHED)
    web = house.state.container("web")

    def connected() -> bool:
        alpha = house.state.network("alpha")
        return any(item.network_id == alpha.id for item in house.state.endpoints_of(web.id))

    async def connect(house: House) -> None:
        if not connected():
            await house.connect("alpha", "web")

    async def disconnect(house: House) -> None:
        if connected():
            await house.disconnect("alpha", "web")

    finished = 0

    async def undo_what_was_finished(house: House) -> None:
        nonlocal finished
        if not connected():
            return
        finished += 1
        assert str(house.endpoint("web", "alpha").ipv4) in inside(house, "ip", "-o", "address")
        assert "127.0.0.11" in inside(house, "nft", "list", "ruleset")
        await house.disconnect("alpha", "web")
        await house.check()

    assert await until_it_gets_through(house, connect, after, undo_what_was_finished) >= 3
    assert finished, "what was written before the kernel was changed is finished by the next daemon"
    assert house.endpoint("web", "alpha").published
    await house.restart()
    await house.check()
    assert await until_it_gets_through(house, disconnect, after) >= 1
    assert not connected()
    assert house.endpoint("web", "bridge").published
    await house.check()


async def test_a_reboot_of_the_host_takes_sandboxes_and_keeps_networks(house: House) -> None:
    await house.network("pets")
    await house.run("web", "pets")
    ns = house.ns("web")
    await house.die()
    netns.forget_namespace(Path(ns))
    await house.start()
    assert not house.state.sandboxes
    assert not house.state.endpoints
    assert house.state.find_network("pets") is not None
    await house.check()

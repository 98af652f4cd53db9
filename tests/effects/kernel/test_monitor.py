"""What others do is reported, what we do is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.observed import Drift
from fairlead.model.plan import AddBridge, AddVeth, ChangeRules, DelLink, Plan, SetLink
from fairlead.model.ruleset import Chain, Element, Set, Table, Transaction
from tests.effects.kernel.conftest import OWNER, run

Container = Callable[[str], str]
TABLE = Table("inet", "fairlead", (Set("ports", ("inet_service",)),), (Chain("c"),))
WEB = Element("ports", (80,))
MARKER = Drift("link-gone", "marker0")


class Watched:
    """Drift as it comes in."""

    def __init__(self, kernel: LinuxKernel) -> None:
        self._seen: asyncio.Queue[Drift] = asyncio.Queue()
        kernel.watch(self._seen.put_nowait)

    async def after(self, *command: str) -> list[Drift]:
        """What is reported for a foreign command, up to a marker that is reported in any case."""
        run("ip", "link", "add", "marker0", "type", "bridge")
        run("ip", "link", "set", "marker0", "alias", OWNER)
        if command:
            run(*command)
        run("ip", "link", "del", "marker0")
        found: list[Drift] = []
        async with asyncio.timeout(30):
            while MARKER not in found:
                found.append(await self._seen.get())
            await asyncio.sleep(0)
        while not self._seen.empty():
            found.append(self._seen.get_nowait())
        return [each for each in found if each.name != MARKER.name]


@pytest.fixture
async def watched(kernel: LinuxKernel, container: Container) -> Watched:
    plan = (
        AddBridge("br0", alias=OWNER),
        AddVeth("veth1", "eth0", container("c1"), master="br0", alias=f"{OWNER}:endpoint"),
        ChangeRules(Transaction("inet", "fairlead", replace=TABLE, add=(WEB,))),
    )
    await kernel.apply(Plan(plan))
    return Watched(kernel)


@pytest.mark.parametrize(
    ("command", "drift"),
    [
        ("ip link del br0", Drift("link-gone", "br0")),
        ("ip link del veth1", Drift("link-gone", "veth1")),
        ("ip link set br0 down", Drift("link-down", "br0")),
        ("nft delete table inet fairlead", Drift("table-gone", "fairlead")),
        ("nft flush ruleset", Drift("table-gone", "fairlead")),
        ("nft delete element inet fairlead ports { 80 }", Drift("element-gone", "fairlead")),
    ],
)
async def test_foreign_hands(watched: Watched, command: str, drift: Drift) -> None:
    assert drift in await watched.after(*command.split())


async def test_our_own_hands(watched: Watched, kernel: LinuxKernel) -> None:
    await kernel.apply(
        Plan(
            (
                SetLink("br0", mtu=1400),
                ChangeRules(Transaction("inet", "fairlead", remove=(WEB,))),
                ChangeRules(Transaction("inet", "fairlead", replace=TABLE)),
                ChangeRules(Transaction("inet", "fairlead", destroy=True)),
                AddBridge("br1", alias=OWNER),
                DelLink("veth1", deferred=True),
                DelLink("br1"),
                DelLink("br0"),
            )
        )
    )
    deadline = time.monotonic() + 2
    while "veth1" in {each.name for each in await kernel.links()}:
        assert time.monotonic() < deadline
    assert await watched.after() == []


async def test_links_of_strangers_are_their_own_affair(watched: Watched) -> None:
    run("ip", "link", "add", "br7", "type", "bridge")
    assert await watched.after("ip", "link", "del", "br7") == [Drift("link-new", "br7")]


async def test_a_renamed_link_is_new(watched: Watched) -> None:
    run("ip", "link", "add", "br7", "type", "bridge")
    assert Drift("link-new", "br8") in await watched.after("ip", "link", "set", "br7", "name", "br8")

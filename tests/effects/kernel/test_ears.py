"""What is heard inside namespaces that are not the host's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import IPv4Address

import pytest

from fairlead.effects.kernel.apply import Executor
from fairlead.effects.kernel.operations import perform
from fairlead.effects.kernel.reaper import Reaper
from fairlead.effects.kernel.tables_inside import TablesInside
from fairlead.model.observed import Drift
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import Element, Set, Table, Transaction
from tests.effects.kernel.conftest import run
from tests.support.machines import eventually

MANY = 5_000
TABLE = Table("ip", "fairlead", (Set("slots", ("ipv4_addr",)),))


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(perform, Reaper())
    made.open()
    with closing(made):
        yield made


async def test_large_tables_of_our_own_are_no_news(executor: Executor, container: Callable[[str], str]) -> None:
    """Written while nobody listens, as when many tasks start at once: more than a socket's queue would hold."""
    inside = container("c1")
    slots = tuple(Element("slots", (IPv4Address(0x0A000000 + number),)) for number in range(MANY))
    seen: list[Drift] = []
    with closing(TablesInside(inside, "fairlead", seen.append)):
        for _ in range(2):
            executor.apply(Plan((ChangeRules(Transaction("ip", "fairlead", replace=TABLE, add=slots), inside),)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == []
        run("nft", "delete", "table", "ip", "fairlead", ns=inside)
        await eventually(lambda: seen)
        assert set(seen) == {Drift("rules-gone", inside)}

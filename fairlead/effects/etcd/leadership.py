"""The right to lead: one key, on a lease that its holder must keep alive.

Who makes the key leads, and the revision at which it was made is the fence of all its writes: they ask in the same
transaction whether the key still is that one, so a leader that does not know yet that it was deposed can write nothing.
The holder counts its lease from before each request to prolong it, by its own monotonic clock, and gives up before the
lease can have ended. Others do not wait for that end when the consensus itself has had to elect a leader (`_succeed`).
Safety is the fence's alone; leases only decide how soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fairlead.effects.etcd import transaction as tx
from fairlead.effects.etcd.elections import Elections
from fairlead.effects.etcd.gateway import (
    Gateway,
    Interrupted,
    Json,
    Refused,
    Unreachable,
    bytes64,
    number,
    revision,
    rows,
    table,
    text64,
)
from fairlead.effects.etcd.history import follow
from fairlead.effects.etcd.keys import LEADER
from fairlead.model.swarm.errors import Stale
from fairlead.model.swarm.store import Fence

_PAUSE = 0.2
_LOOKS = 2.0
"""Seconds between looks of a candidate at whether the consensus has another leader, when it hears of no election."""
_SAFETY = 0.9
"""Part of the lease's time after which its holder counts it as over: clocks differ a little in pace."""

_ERRORS = (Refused, Interrupted, Unreachable)


class EtcdLeadership:
    """Won. `lost` returns when it is over."""

    def __init__(self, gateway: Gateway, lease: int, ttl: float, won: tuple[int, float]) -> None:
        made, since = won
        self.fence = Fence(LEADER, made)
        self._gateway = gateway
        self._lease, self._ttl = lease, ttl
        self._until = since + ttl * _SAFETY
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._keep()), asyncio.create_task(self._observe())]

    async def lost(self) -> None:
        await self._over.wait()

    async def resign(self) -> None:
        """Let another lead at once."""
        self._end()
        with contextlib.suppress(*_ERRORS):
            await self._gateway.call("lease/revoke", {"ID": str(self._lease)}, self._ttl)

    def _end(self) -> None:
        self._over.set()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def _keep(self) -> None:
        """Prolong the lease thrice in its time, until that does not succeed in time or it is gone."""
        loop = asyncio.get_running_loop()
        rest = self._ttl / 3
        while (left := self._until - loop.time()) > 0:
            await asyncio.sleep(min(rest, left))
            asked = loop.time()
            try:
                async with asyncio.timeout(max(0.0, min(self._until - asked, self._ttl / 3))):
                    held = await self._prolong()
            except (*_ERRORS, TimeoutError):
                rest = _PAUSE
                continue
            if not held:
                break
            self._until, rest = asked + self._ttl * _SAFETY, self._ttl / 3
        self._end()

    async def _prolong(self) -> bool:
        """Is the lease alive, and the key its? A member that was cut off renews leases by itself until it notices, so
        a majority is asked for the key."""
        answer = await self._gateway.call("lease/keepalive", {"ID": str(self._lease)})
        if not number(answer, "TTL"):
            return False
        found = rows(await self._gateway.call("kv/range", {"key": text64(LEADER)}), "kvs")
        return bool(found) and number(found[0], "create_revision") == self.fence.revision

    async def _observe(self) -> None:
        """The key's end is the leadership's."""
        with contextlib.suppress(Stale):
            async with aclosing(follow(self._gateway, LEADER, "", self.fence.revision)) as history:
                async for events in history:
                    if any(event.get("type") == "DELETE" for event in events):
                        break
        self._end()


async def campaign(gateway: Gateway, elections: Elections, who: str, ttl: float) -> EtcdLeadership:
    """Wait until nobody leads, and lead. `ttl` in seconds; etcd makes it one and a half election times at least."""
    while True:
        await _vacancy(gateway, elections)
        try:
            lease, seconds, since = await _lease(gateway, ttl)
            made = await _won(gateway, who, lease)
        except _ERRORS:
            await asyncio.sleep(_PAUSE)
            continue
        if made:
            return EtcdLeadership(gateway, lease, seconds, (made, since))


async def _lease(gateway: Gateway, ttl: float) -> tuple[int, float, float]:
    """A new lease: id, seconds, and since when it counts."""
    since = asyncio.get_running_loop().time()
    answer = await gateway.call("lease/grant", {"TTL": str(math.ceil(ttl))})
    return number(answer, "ID"), float(number(answer, "TTL")), since


async def _won(gateway: Gateway, who: str, lease: int) -> int:
    """The revision at which this lease took the key, 0 when another holds it (the lease is given back then)."""
    try:
        answer = await gateway.call(
            "kv/txn",
            {"compare": [tx.created(LEADER, 0)], "success": [tx.put(LEADER, who.encode(), lease)]},
        )
        if answer.get("succeeded"):
            return revision(answer)
    except BaseException:
        # Taken or not: with the lease the key goes too.
        with contextlib.suppress(*_ERRORS):
            await asyncio.shield(gateway.call("lease/revoke", {"ID": str(lease)}))
        raise
    await gateway.call("lease/revoke", {"ID": str(lease)})
    return 0


async def _vacancy(gateway: Gateway, elections: Elections) -> None:
    """Returns when nobody may be leading."""
    succession = asyncio.create_task(_succeed(gateway, elections))
    try:
        async with aclosing(holders(gateway)) as leaders:
            async for who in leaders:
                if not who:
                    return
    finally:
        succession.cancel()


async def _succeed(gateway: Gateway, elections: Elections) -> None:
    """End the holder's lease when this member comes to lead the consensus itself: the member that led it was not heard
    of for a whole election, and most likely it was the holder's. etcd would prolong all leases from here on. A holder
    that was well loses little: it knows at once, and its fence keeps it from writing."""
    led = True
    while True:
        known, patience = elections.count, _LOOKS
        try:
            leads = await _leads(gateway)
            if leads and not led:
                found = rows(await gateway.call("kv/range", {"key": text64(LEADER)}), "kvs")
                if found:
                    await gateway.call("lease/revoke", {"ID": str(number(found[0], "lease"))})
            led = leads
        except _ERRORS:
            patience = _PAUSE
        await elections.after(known, patience)


async def _leads(gateway: Gateway) -> bool:
    status = await gateway.ask_member("maintenance/status")
    return number(status, "leader") == number(table(status, "header"), "member_id")


async def holders(gateway: Gateway) -> AsyncGenerator[str, None]:
    """Who leads, now and at each change."""
    while True:
        try:
            answer = await gateway.call("kv/range", {"key": text64(LEADER)})
        except _ERRORS:
            await asyncio.sleep(_PAUSE)
            continue
        yield holder(answer)
        with contextlib.suppress(Stale):
            async with aclosing(follow(gateway, LEADER, "", revision(answer))) as history:
                async for events in history:
                    yield "" if events[-1].get("type") == "DELETE" else _value(events[-1])


def holder(answer: Json) -> str:
    """Who leads, by the answer to a read of the key."""
    found = rows(answer, "kvs")
    return bytes64(found[0].get("value", "")).decode() if found else ""


def _value(event: Json) -> str:
    pair = event["kv"]
    assert isinstance(pair, dict)
    return bytes64(pair.get("value", "")).decode()

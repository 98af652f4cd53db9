"""The managers' shared store on etcd (`ClusterStore` of the engine)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from fairlead.effects.etcd import history, leadership
from fairlead.effects.etcd import transaction as tx
from fairlead.effects.etcd.elections import Elections
from fairlead.effects.etcd.gateway import (
    EXHAUSTED,
    LEARNING,
    UNAVAILABLE,
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
from fairlead.effects.etcd.keys import LEADER, OBJECTS, end_of, name_key, object_key, of_object, receipts_key
from fairlead.effects.etcd.receipts import Receipts, Slot
from fairlead.model.errors import Failed, Unavailable
from fairlead.model.swarm.errors import Deposed, NameTaken, Outdated, Untouched
from fairlead.model.swarm.store import Entry, Fence, Write

PATIENCE, SETTLING = 1.5, 6.0
"""Seconds that a commit or a read may take, and then that it may take to find out what became of it. A member asks
nothing twice by itself: what it passed to a leader that is dead is lost, so it is better soon asked again."""
PAGE = 1000
"""Objects per answer when everything is read."""


class EtcdStore:
    """The store as the member `name` reaches it through its own etcd, and word of the consensus's `elections`."""

    def __init__(self, gateway: Gateway, name: str, elections: Elections | None = None) -> None:
        self._gateway = gateway
        self.elections = elections or Elections()
        self._name = name
        self._receipts = Receipts(name)
        self._swept = False

    async def load(self) -> tuple[list[Entry], int]:
        entries: list[Entry] = []
        start, at = OBJECTS, 0
        while True:
            asked = {"key": text64(start), "range_end": text64(end_of(OBJECTS)), "limit": str(PAGE)}
            answer = await self._read(asked | ({"revision": str(at)} if at else {}))
            at = at or revision(answer)
            page = rows(answer, "kvs")
            entries += map(entry, page)
            if not answer.get("more"):
                return entries, at
            start = bytes64(page[-1]["key"]).decode() + "\0"

    async def revision(self) -> int:
        return revision(await self._read({"key": text64(LEADER), "count_only": True}))

    def watch(self, after: int) -> AsyncIterator[tuple[Sequence[Entry], int]]:
        return history.objects(self._gateway, after)

    async def commit(self, writes: Sequence[Write], fence: Fence | None = None) -> int:
        """Who is cancelled goes at once, and leaves open whether it was done; its slot is not used again."""
        await self._sweep()
        slot = self._receipts.take()
        request = {
            "compare": [*tx.compares(writes, fence), tx.modified(slot.key, slot.revision)],
            "success": [*tx.operations(writes), tx.put(slot.key, slot.holds.encode())],
            "failure": [tx.get(fence.key)] if fence is not None else [],
        }
        try:
            answer = await self._decide(request)
        except Unreachable as error:
            self._receipts.settled(slot, slot.revision)
            raise _unavailable(error) from None
        except (Interrupted, Refused) as error:
            return await self._settle(slot, error)
        if answer.get("succeeded"):
            self._receipts.settled(slot, revision(answer))
            return revision(answer)
        raise await self._objection(writes, fence, answer, slot)

    async def campaign(self, who: str, ttl: float) -> leadership.EtcdLeadership:
        return await leadership.campaign(self._gateway, self.elections, who, ttl)

    async def leader(self) -> str:
        return leadership.holder(await self._read({"key": text64(LEADER)}))

    def leaders(self) -> AsyncIterator[str]:
        return leadership.holders(self._gateway)

    async def _read(self, message: Json) -> Json:
        try:
            return await self._gateway.call("kv/range", message, PATIENCE)
        except (Refused, Interrupted, Unreachable) as error:
            raise _unavailable(error) from None

    async def _decide(self, question: Json) -> Json:
        """Ask for a transaction. No answer, because the consensus has another leader now or for too long, is
        `Interrupted`."""
        try:
            async with asyncio.timeout(None) as limit:
                with self.elections.ending(limit):
                    return await self._gateway.call("kv/txn", question, PATIENCE)
        except TimeoutError:
            raise Interrupted("the consensus has another leader") from None

    async def _settle(self, slot: Slot, error: Refused | Interrupted) -> int:
        """Find out what became of a commit whose answer did not come, or answer for etcd's refusal of it."""
        if isinstance(error, Refused) and not error.undecided:
            self._receipts.settled(slot, slot.revision)
            raise _refusal(error) from None
        question = {
            "compare": [tx.holds(slot.key, slot.holds)],
            "success": [tx.get(slot.key)],
            "failure": [tx.put(slot.key, b"void")],
        }
        done = await self._ask_until(question, SETTLING)
        if done is None:
            raise Unavailable(
                f"{_reason(error)}. The change may or may not have been made: look before you ask for it again"
            ) from None
        if not done.get("succeeded"):
            self._receipts.settled(slot, revision(done))
            raise Untouched(f"{_reason(error)}; nothing was changed") from None
        found = rows(table(rows(done, "responses")[0], "response_range"), "kvs")[0]
        self._receipts.settled(slot, number(found, "mod_revision"))
        return number(found, "mod_revision")

    async def _ask_until(self, question: Json, patience: float) -> Json | None:
        try:
            async with asyncio.timeout(patience):
                while True:
                    try:
                        return await self._decide(question)
                    except (Refused, Interrupted, Unreachable):
                        await asyncio.sleep(0.1)
        except TimeoutError:
            return None

    async def _objection(self, writes: Sequence[Write], fence: Fence | None, answer: Json, slot: Slot) -> Exception:
        """Why the compares did not hold."""
        if fence is not None:
            kept = rows(table(rows(answer, "responses")[0], "response_range"), "kvs")
            if not kept or number(kept[0], "create_revision") != fence.revision:
                self._receipts.settled(slot, slot.revision)
                return Deposed("another manager leads now")
        asked = [write for write in writes if write.version is not None]
        named = [write for write in writes if tx.takes_name(write)]
        keys = [object_key(write.kind, write.id) for write in asked]
        names = [name_key(write.kind, write.name) for write in named]
        found = await self._versions((*keys, *names, slot.key))
        self._receipts.settled(slot, found[slot.key])
        for write, key in zip(asked, keys, strict=True):
            if found[key] != write.version:
                return Outdated(f"{write.kind} {write.id} was changed meanwhile")
        for write, key in zip(named, names, strict=True):
            if found[key]:
                return NameTaken(f"{write.kind} {write.name} already exists")
        return Outdated("what was read was changed meanwhile")

    async def _versions(self, keys: Sequence[str]) -> dict[str, int]:
        try:
            answer = await self._gateway.call("kv/txn", {"success": [tx.get(key) for key in keys]}, PATIENCE)
        except (Refused, Interrupted, Unreachable) as error:
            raise _unavailable(error) from None
        found = (rows(table(one, "response_range"), "kvs") for one in rows(answer, "responses"))
        return {key: number(kept[0], "mod_revision") if kept else 0 for key, kept in zip(keys, found, strict=True)}

    async def _sweep(self) -> None:
        """Forget the receipts of this member's earlier lives: of this one's some may have been written by now."""
        if self._swept:
            return
        self._swept = True
        whole, own = receipts_key(self._name), self._receipts.prefix
        try:
            for first, end in ((whole, own), (end_of(own), end_of(whole))):
                message = {"key": text64(first), "range_end": text64(end)}
                await self._gateway.call("kv/deleterange", message, PATIENCE)
        except (Refused, Interrupted, Unreachable) as error:
            self._swept = False
            raise _unavailable(error) from None


def entry(pair: Json) -> Entry:
    """An object from etcd's key and value."""
    kind, id_ = of_object(bytes64(pair["key"]).decode())
    return Entry(kind, id_, bytes64(pair.get("value", "")), number(pair, "mod_revision"))


def _unavailable(error: BaseException) -> Untouched:
    return Untouched(_reason(error))


def _reason(error: BaseException) -> str:
    what = str(error) or "given up"
    if what == LEARNING:
        return "this manager has no vote yet: it is still reading what the others know"
    return f"the managers' store does not answer ({what}): a majority of the managers must be up"


def _refusal(error: Refused) -> Exception:
    if error.code == UNAVAILABLE:
        return _unavailable(error)
    if error.code == EXHAUSTED:
        return Failed(
            f"the managers' store is full ({error}): managers make room by themselves within half a minute; if not, "
            "remove services, secrets or configs that nobody needs"
        )
    return Failed(f"the managers' store refused: {error}")

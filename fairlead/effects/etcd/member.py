"""This manager's member of the consensus (`Consensus` of the engine)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fairlead.effects.etcd import archive, flags, membership
from fairlead.effects.etcd.child import STOPPING, Child
from fairlead.effects.etcd.credentials import Credentials, common_name
from fairlead.effects.etcd.data import MemberData
from fairlead.effects.etcd.elections import Elections
from fairlead.effects.etcd.gateway import (
    NOT_FOUND,
    PRECONDITION,
    Gateway,
    Interrupted,
    Json,
    Refused,
    Unreachable,
    number,
    rows,
    table,
)
from fairlead.effects.etcd.peers import Peers
from fairlead.effects.etcd.store import EtcdStore
from fairlead.model.errors import Conflict, Failed, NotFound, Unavailable
from fairlead.model.swarm.consensus import ConsensusFiles, ConsensusMember, ConsensusStart

PATIENCE_NEW, PATIENCE_OLD = 30.0, 5.0
"""Seconds for a member's first answer: one that is new or joins; one with data, whose majority may be missing."""
CHANGING, HANDING_OVER, SHRINKING = 10.0, 3.0, 60.0
FULL = "NOSPACE"
"""etcd's alarm of a member whose file has reached its quota: nothing is written any more until it is taken back."""
FORGETTING = 1.0
"""Seconds in which one whose data is thrown away may end in order."""
_ERRORS = (Refused, Interrupted, Unreachable)
_log = logging.getLogger("fairlead.swarm.etcd")


class EtcdConsensus:
    """`data_root` and `exec_root` are the daemon's. `within` precedes etcd's command line, to run it elsewhere than in
    the daemon's own network namespace."""

    def __init__(self, data_root: Path, exec_root: Path, within: Sequence[str] = ()) -> None:
        self._within = tuple(within)
        self._data = MemberData(data_root / "swarm")
        self._folder = exec_root / "swarm"
        self._credentials = Credentials(self._folder)
        self._gateway = Gateway(self._folder / flags.SOCKET)
        self._peers = Peers(self._credentials)
        self._elections = Elections()
        self._child: Child | None = None

    async def start(self, how: ConsensusStart) -> EtcdStore:
        """A member with data of its own goes on with it, whatever else `how` says. It then also returns when no
        majority can be had in `PATIENCE_OLD`: the store answers `Unavailable` until there is one."""
        if self._child is not None:
            raise Conflict("the consensus member runs already")
        self._data.check()
        old = self._data.present
        if how.force_new and not old:
            raise Failed(f"there is nothing to make a new cluster from: {self._data.path} is empty")
        self._data.prepare()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        allowed = common_name(how.files)
        self._credentials.write(how.files)
        places = flags.Places(self._data.path, self._credentials.pem, self._credentials.trust, allowed)
        command = partial(_command, self._within, how, places)
        self._child = Child(command, self._folder, self._elections.heard)
        self._child.start()
        try:
            answers = await self._answering(self._child, old and not how.force_new)
        except BaseException:
            await self.stop()
            raise
        self._data.note(how.name)
        if answers:
            await self._move(how.peer_url)
        return EtcdStore(self._gateway, how.name, self._elections)

    async def renew(self, files: ConsensusFiles) -> None:
        """A new certificate is used from the next connection on; new trust takes a restart of the member."""
        if self._credentials.write(files) and self._child is not None:
            await self._child.again()
            await self._answering(self._child, True)
        self._peers.close()

    async def stop(self, *, forget: bool = False) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop(FORGETTING if forget else STOPPING)
        self._gateway.close()
        self._peers.close()
        self._credentials.clear()
        if forget:
            self._data.forget()

    @property
    def pid(self) -> int | None:
        """Of etcd; None while it does not run."""
        return self._child.pid if self._child is not None else None

    @property
    def removed(self) -> bool:
        """The others have put this member out; it does not run any more."""
        return self._child is not None and self._child.removed

    async def members(self) -> Sequence[ConsensusMember]:
        """All members as this one knows them. Raises Unavailable when this one does not answer, or only learns yet."""
        try:
            status = await self._gateway.ask_member("maintenance/status")
            listed = rows(await self._gateway.ask_member("cluster/member/list"), "members")
        except _ERRORS as error:
            raise self._silent(error) from None
        me, leader = number(table(status, "header"), "member_id"), number(status, "leader")
        members = [membership.member(one, leader) for one in listed]
        others = [one.peer_url for one in members if int(one.id, 16) != me and one.started]
        answering = await self._peers.answering(others)
        return [
            replace(one, healthy=bool(leader) if int(one.id, 16) == me else one.peer_url in answering)
            for one in members
        ]

    async def add(self, peer_url: str, name: str) -> str:
        listed = await self._change("cluster/member/list", {})
        if not any(peer_url in membership.peer_urls(one) for one in listed):
            listed = await self._add_learner(peer_url)
        named = ((str(one.get("name", "")) or name, url) for one in listed for url in membership.peer_urls(one))
        return ",".join(f"{known}={url}" for known, url in named)

    async def _add_learner(self, peer_url: str) -> list[Json]:
        wish: Json = {"peerURLs": [peer_url], "isLearner": True}
        try:
            return await self._change("cluster/member/add", wish)
        except NotFound:
            # etcd makes a member's id of its address and the second: within the same one it is that of the member
            # just removed from there, which must not come back.
            await asyncio.sleep(1.0)
            return await self._change("cluster/member/add", wish)

    async def promote(self, member_id: str) -> bool:
        if not membership.majority_with(await self.members(), member_id):
            return False
        try:
            await self._change("cluster/member/promote", {"ID": str(int(member_id, 16))})
        except Conflict as refusal:
            if "in sync" in refusal.message:
                return False
            if "not a learner" in refusal.message or "only promote a learner" in refusal.message:
                return True
            raise
        return True

    async def hand_over(self) -> None:
        """Lead the consensus no more, if others could. A member that is to go must not lead: what it decides is decided
        before the others know, and when it goes on having decided its own removal, they wait for its vote for ever.
        Raises Unavailable when none of the others can lead now."""
        members = await self.members()
        try:
            me, leader = await self._whose_lead()
            others = [one for one in members if one.id != me and not one.learner]
            if me != leader or not others:
                return
            heir = next(iter(membership.heirs(others)), None)
            if heir is None:
                raise Unavailable("no other manager answers that could lead the consensus")
            to = {"targetID": str(int(heir.id, 16))}
            await self._gateway.call("maintenance/transfer-leadership", to, HANDING_OVER)
        except _ERRORS as error:
            raise self._silent(error) from None

    async def _whose_lead(self) -> tuple[str, str]:
        """The ids of this member and of the one that leads."""
        status = await self._gateway.ask_member("maintenance/status")
        return f"{number(table(status, 'header'), 'member_id'):016x}", f"{number(status, 'leader'):016x}"

    async def remove(self, member_id: str) -> None:
        """Idempotent. Raises Conflict when the others would be no majority."""
        members = await self.members()
        if any(one.id == member_id and not one.learner for one in members) and not membership.majority_without(
            members,
            member_id,
        ):
            raise Conflict(
                "the manager cannot be removed: of the others too few answer to make a majority, and the swarm could"
                " not be changed any more"
            )
        if any(one.id == member_id and one.leader for one in members):
            await self.hand_over()
        with contextlib.suppress(NotFound):
            await self._change("cluster/member/remove", {"ID": str(int(member_id, 16))})

    async def make_room(self) -> None:
        """If the store is shut because this member's file is full of history, do away with that and open it again. etcd
        forgets history by itself, but writes may come faster. Raises Unavailable when the member does not answer."""
        try:
            status = await self._gateway.ask_member("maintenance/status")
            if not any(FULL in str(error) for error in rows(status, "errors")):
                return
            now = str(number(table(status, "header"), "revision"))
            with contextlib.suppress(Refused):  # another member was quicker
                await self._gateway.call("kv/compaction", {"revision": now, "physical": True}, CHANGING)
            await self._gateway.call("maintenance/defragment", {}, SHRINKING)
            alarm = {
                "action": "DEACTIVATE",
                "memberID": str(number(table(status, "header"), "member_id")),
                "alarm": FULL,
            }
            await self._gateway.call("maintenance/alarm", alarm, CHANGING)
        except _ERRORS as error:
            raise self._silent(error) from None
        _log.warning("the managers' store was full of history, which is gone now")

    async def snapshot(self, path: str) -> None:
        await archive.save(self._gateway, Path(path))

    async def restore(self, path: str, how: ConsensusStart) -> EtcdStore:
        """Raises Failed when there is data already, or `path` is no snapshot."""
        if self._data.present:
            raise Failed(f"this manager has data of its own in {self._data.path}: leave the swarm first")
        self._data.forget()
        await archive.restore(Path(path), self._data.path, how)
        return await self.start(replace(how, initial_cluster={}, join=False))

    async def _answering(self, child: Child, old: bool) -> bool:
        """Wait for its first answer. False when one with data finds no majority."""
        patience = PATIENCE_OLD if old else PATIENCE_NEW
        try:
            async with asyncio.timeout(patience):
                while not await self._answers():
                    if not old and child.ends:
                        raise Failed(f"the consensus member cannot start: {child.last_words}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            if not old:
                raise Failed(f"the consensus member does not answer: {child.last_words}") from None
            _log.warning("the consensus member finds no majority yet: %s", child.last_words)
            return False
        return True

    async def _answers(self) -> bool:
        with contextlib.suppress(*_ERRORS):
            status = await self._gateway.ask_member("maintenance/status", 1.0)
            return bool(number(status, "leader"))
        return False

    async def _move(self, peer_url: str) -> None:
        """Tell the others when this member is reached elsewhere than before."""
        with contextlib.suppress(*_ERRORS):
            status = await self._gateway.ask_member("maintenance/status")
            me = number(table(status, "header"), "member_id")
            for one in rows(await self._gateway.ask_member("cluster/member/list"), "members"):
                if number(one, "ID") == me and membership.peer_urls(one) != [peer_url]:
                    await self._gateway.call("cluster/member/update", {"ID": str(me), "peerURLs": [peer_url]}, CHANGING)

    async def _change(self, name: str, message: Json) -> list[Json]:
        """A call about membership: the members after it."""
        try:
            return rows(await self._gateway.call(name, message, CHANGING), "members")
        except Refused as error:
            raise _objection(error) from None
        except (Interrupted, Unreachable) as error:
            raise self._silent(error) from None

    def _silent(self, error: Exception) -> Unavailable:
        words = self._child.last_words if self._child is not None else ""
        return Unavailable(
            f"this manager's consensus member does not answer: {error}" + (f" ({words})" if words else "")
        )


def _command(within: Sequence[str], how: ConsensusStart, places: flags.Places, first: bool) -> Sequence[str]:
    return *within, *flags.command(how, places, first=first)


def _objection(error: Refused) -> Exception:
    text = str(error)
    if "too many learner" in text:
        return Unavailable("another manager is joining just now: try again when it has")
    if error.code == NOT_FOUND:
        return NotFound(f"the managers' consensus: {text}")
    if error.code == PRECONDITION or "learner" in text:
        return Conflict(text)
    return Unavailable(f"the managers' store does not answer ({text}): a majority of the managers must be up")

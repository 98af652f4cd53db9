"""The papers of a manager's member of the consensus, and which root of the swarm it believes.

A member reads whom it believes only when it starts, so while the swarm changes its root it goes on with the former one:
the new certificates are good for that as well. When the change is over managers start theirs anew, in turns, so that
the others are a majority meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from fairlead.engine.swarm.ports import Consensus, ConsensusFiles
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.identity import Identity, certificates

TURN = 4.0
"""Seconds that a consensus member has to start anew."""
PAUSE = 1.0


class ConsensusTrust:
    """`place_in_line` is this manager's turn among all, from 0."""

    def __init__(self, consensus: Consensus, place_in_line: Callable[[], int]) -> None:
        self._consensus, self._place_in_line = consensus, place_in_line
        self._believed = ""

    def begin(self, files: ConsensusFiles) -> None:
        """The member starts with these."""
        self._believed = files.trust

    async def renew(self, identity: Identity) -> bool:
        """Give the member its new certificate. Tells whether a change of the root is over: then `follow` it."""
        files = files_of(identity)
        await self._consensus.renew(replace(files, trust=self._believed))
        return files.trust != self._believed and len(certificates(files.trust)) == 1

    async def follow(self, identity: Identity) -> None:
        """Believe the new root, in turn."""
        files = files_of(identity)
        await asyncio.sleep(TURN * self._place_in_line())
        with suppress(TimeoutError):
            async with asyncio.timeout(TURN):
                await self._all_well()
        await self._consensus.renew(files)
        self._believed = files.trust

    async def _all_well(self) -> None:
        """Returns when every member of the consensus answers."""
        while True:
            with suppress(Unavailable):
                if all(member.healthy for member in await self._consensus.members()):
                    return
            await asyncio.sleep(PAUSE)


def files_of(identity: Identity) -> ConsensusFiles:
    return ConsensusFiles(identity.consensus_certificate, identity.consensus_key, identity.trust)


def members_of(initial_cluster: str) -> Mapping[str, str]:
    """ "name=url,name=url" as `ConsensusStart` wants it."""
    return dict(one.split("=", 1) for one in initial_cluster.split(",") if one)

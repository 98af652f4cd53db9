"""`engine.containers`: the verbs of `docker container`, joined from the parts that carry them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.engine.containers.adoption import Adoption
from fairlead.engine.containers.committing import Committing
from fairlead.engine.containers.context import Context, Hands, Parts
from fairlead.engine.containers.creation import Creation
from fairlead.engine.containers.ending import Ending
from fairlead.engine.containers.execs import Execs
from fairlead.engine.containers.files import ContainerFiles
from fairlead.engine.containers.health import Health
from fairlead.engine.containers.lifecycle import Lifecycle
from fairlead.engine.containers.listing import Listing
from fairlead.engine.containers.observing import Observing
from fairlead.engine.containers.removal import Removal
from fairlead.engine.containers.starting import Starting
from fairlead.engine.containers.storage import Storage
from fairlead.engine.containers.streams import Streams
from fairlead.engine.containers.updating import Updating
from fairlead.engine.containers.waiting import CONDITIONS, NEXT_EXIT, NOT_RUNNING, REMOVED
from fairlead.engine.memory import Memory
from fairlead.model.errors import Invalid

if TYPE_CHECKING:
    import asyncio

__all__ = ["NEXT_EXIT", "NOT_RUNNING", "REMOVED", "Containers"]


class Containers:
    """Each attribute is a verb (see the part it comes from) or a part with several."""

    def __init__(self, memory: Memory, parts: Parts, hands: Hands) -> None:
        context = self._context = Context(memory, parts, hands)
        storage = Storage(context)
        self._ending = Ending(context, storage)
        starting = Starting(context, storage)
        removal = Removal(context, storage, self._ending)
        lifecycle = Lifecycle(context, starting, self._ending, removal)
        creation = Creation(context, storage)
        self.execs = Execs(context)
        self._health = Health(context, self.execs)
        self._adoption = Adoption(context, storage, self._ending, removal, lifecycle)
        self._ending.relaunch, self._ending.remove = lifecycle.relaunch, removal.remove
        self._ending.on_start.append(self._health.started)
        self._ending.on_end += [self._health.ended, self.execs.container_ended]
        removal.on_remove.append(self.execs.container_removed)

        self.create, self.rename = creation.create, creation.rename
        self.start, self.stop, self.kill, self.restart = (
            lifecycle.start,
            lifecycle.stop,
            lifecycle.kill,
            lifecycle.restart,
        )
        self.pause, self.unpause = lifecycle.pause, lifecycle.unpause
        self.remove, self.unlink, self.prune = removal.remove, removal.unlink, removal.prune
        self.update = Updating(context).update
        self.commit = Committing(context, lifecycle).commit
        self.streams = Streams(context)
        self.listing = Listing(context, self.execs)
        self.observing = Observing(context)
        self.files = ContainerFiles(context, storage)

    def wait(self, reference: str, condition: str) -> tuple[int | None, asyncio.Future[int]]:
        """(exit code if the condition holds already, else None; a future that gets it: cancel it to leave)."""
        if condition not in CONDITIONS:
            raise Invalid(f'invalid condition: "{condition}"')
        container = self._context.state.container(reference)
        future = self._context.waiting.join(container.id, condition)
        if condition == NOT_RUNNING and not container.state.running:
            return container.state.exit_code, future
        return None, future

    async def adopt(self) -> None:
        """At boot, after the networks are reconciled: take over what runs, start what shall run."""
        await self._adoption.adopt()

    def close(self) -> None:
        """The daemon goes; running containers stay."""
        self._adoption.close()
        self._health.close()
        self._ending.close()
        self._context.logs.close()

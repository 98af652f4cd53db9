"""`docker commit`: an image of what a container wrote, which stands still meanwhile if it runs."""

from __future__ import annotations

from contextlib import suppress

from fairlead.engine.containers.context import Context
from fairlead.engine.containers.lifecycle import Lifecycle
from fairlead.engine.images.bringing import CommitWishes
from fairlead.model.container import RUNNING
from fairlead.model.errors import Refusal
from fairlead.model.image import Image


class Committing:
    def __init__(self, context: Context, lifecycle: Lifecycle) -> None:
        self._context, self._lifecycle = context, lifecycle

    async def commit(self, reference: str, wishes: CommitWishes, pause: bool = True) -> Image:
        """`pause`: a running container stands still until the image is made. Raises Refusal."""
        container = self._context.state.container(reference)
        still = pause and container.state.status == RUNNING and await self._hold(container.id)
        try:
            image = await self._context.images.commit(container, wishes)
        finally:
            if still:
                with suppress(Refusal):
                    await self._lifecycle.unpause(container.id)
        made = {"comment": wishes.message, "imageID": image.id, "imageRef": wishes.name}
        self._context.announce(container, "commit", **made)
        return image

    async def _hold(self, container_id: str) -> bool:
        """Pause a container; False when it has just ended, and stands still for ever."""
        try:
            await self._lifecycle.pause(container_id)
        except Refusal:
            return False
        return True

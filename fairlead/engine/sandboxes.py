"""Sandboxes: a container's whole network, from its namespace to the names it answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.engine.views import NetworkSettingsView, StartedSandbox
from fairlead.model.change import Change
from fairlead.model.container import Container

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


class Sandboxes:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def prepare_create(self, container: Container) -> tuple[str, ...]:
        """Check everything a container wants of the network; changes nothing. Returns warnings.

        Raises `Refusal` with Docker's words for conflicting options, bad addresses and missing links.
        """
        raise NotImplementedError

    async def start(self, container: Container) -> StartedSandbox:
        """Make the sandbox of a container that is about to run.

        When this returns, addresses are leased, interfaces up, ports published, names answer, and the three files
        under `<data_root>/containers/<id>` are written. On failure nothing is left. Raises `Refusal`
        with the prefix "failed to set up container networking: ".
        """
        raise NotImplementedError

    async def stop(self, container_id: str) -> None:
        """Take everything of a container's sandbox away again. Idempotent; never refuses."""
        raise NotImplementedError

    async def rename(self, container: Container) -> None:
        """The container (already renamed in the state) answers to its new name at once."""
        raise NotImplementedError

    def removal(self, container_id: str) -> list[Change]:
        """What to commit together with the removal of the container's own document."""
        raise NotImplementedError

    def settings(self, container: Container) -> NetworkSettingsView:
        """What inspect and ls show of the container's networks."""
        raise NotImplementedError

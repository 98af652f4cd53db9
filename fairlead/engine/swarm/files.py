"""Secrets and configs: one method per verb of `docker secret` and `docker config`."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from fairlead.core.swarm import validate
from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.revise import in_sequence
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.swarm import filtering
from fairlead.engine.swarm.filtering import Filters
from fairlead.engine.swarm.lookup import find
from fairlead.engine.swarm.manager_node import Manager
from fairlead.engine.swarm.writing import write
from fairlead.model.swarm.files import Config, FileSpec, Secret

FILTERS = frozenset({"id", "label", "name", "names"})
T = TypeVar("T", Secret, Config)


class Files(Generic[T]):
    """`make` tells which of both: Secret or Config."""

    def __init__(self, manager: Manager, clock: Clock, entropy: Entropy, make: type[T]) -> None:
        self._manager, self._clock, self._entropy = manager, clock, entropy
        self._make: type[T] = make
        self.kind = "secret" if make is Secret else "config"

    def list(self, filters: Filters) -> Sequence[T]:
        """By name. Raises Invalid for filters that do not exist."""
        known = self._known(self._manager.snapshot).values()
        filtering.check(filters, FILTERS)
        return sorted((one for one in known if _matches(one, filters)), key=lambda one: one.spec.name)

    def get(self, reference: str) -> T:
        return self._find(self._manager.snapshot, reference)

    async def create(self, spec: FileSpec) -> str:
        """The new object's id. Raises `Refusal`."""
        file_id, now = self._entropy.swarm_id(), self._clock.now()

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            validate.file(self.kind, spec, len(b64decode(spec.data)), snapshot)
            return [Put(self._make(file_id, spec, created=now, updated=now))]

        await write(self._manager, decide)
        return file_id

    async def update(self, reference: str, version: int, spec: FileSpec) -> None:
        """New labels for what the user saw at `version`. Raises `Refusal`."""

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            file = self._find(snapshot, reference)
            in_sequence(file, version)
            validate.file_change(file.spec, spec)
            return [Put(replace(file, spec=replace(file.spec, labels=spec.labels)))]

        await write(self._manager, decide)

    async def remove(self, reference: str) -> None:
        """Raises Invalid, naming them, while services use it."""

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            file = self._find(snapshot, reference)
            validate.file_removal(self.kind, file.id, snapshot)
            return [Drop(file)]

        await write(self._manager, decide)

    def _known(self, snapshot: Snapshot) -> Mapping[str, T]:
        known: Mapping[str, T] = snapshot.secrets if self._make is Secret else snapshot.configs  # type: ignore[assignment]
        return known

    def _find(self, snapshot: Snapshot, reference: str) -> T:
        return find(self.kind, reference, self._known(snapshot), lambda file: file.spec.name)


def _matches(file: Secret | Config, filters: Filters) -> bool:
    return (
        filtering.begins(filters, "id", file.id)
        and filtering.begins(filters, "name", file.spec.name)
        and filtering.among(filters, "names", file.spec.name)
        and filtering.labelled(filters, file.spec.labels)
    )

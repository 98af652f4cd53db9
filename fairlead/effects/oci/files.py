"""Everything about containers' files that is not running them: archives, changes, sizes, sources of binds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from fairlead.effects.oci.archive import ContainerArchive, folder_size
from fairlead.effects.oci.changes import changes
from fairlead.model.errors import Failed, Invalid
from fairlead.model.runtime import FileChange


class ContainerFileSystem(ContainerArchive):
    async def changes(self, upper: Path, lower: Sequence[Path]) -> Sequence[FileChange]:
        return await asyncio.to_thread(changes, upper, lower)

    async def size(self, folder: Path) -> int:
        return await folder_size(folder)

    def prepare_bind(self, source: str, create: bool) -> None:
        """Raises Invalid when the source of a bind is not there and shall not be made."""
        if os.path.exists(source):
            return
        if not create:
            raise Invalid(f'invalid mount config for type "bind": bind source path does not exist: {source}')
        try:
            os.makedirs(source, mode=0o755, exist_ok=True)
        except OSError as error:
            reason = f"mkdir {source}: {error.strerror}"
            raise Failed(f"error while creating mount source path '{source}': {reason}") from error

"""The member's data on disk, and the note that it must be there.

A member that lost its log must not go on under its old id: it would vote again, differently, on what it had already
agreed to. etcd would let it. So a note beside the data says that this node is a member; data without which the note
stands alone is a loss, and is told as one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fairlead.model.errors import Failed


class MemberData:
    """Under `<data-root>/swarm`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "etcd"
        self._note = folder / "etcd.member"

    @property
    def present(self) -> bool:
        """Is there a log to go on with?"""
        return any((self.path / "member" / "wal").glob("*.wal"))

    def check(self) -> None:
        """Raises Failed when the data is gone that must be there."""
        if self._note.exists() and not self.present:
            raise Failed(
                f"this manager's part of the swarm's store is gone: {self.path} is empty. It cannot take part again as"
                " the member it was. On another manager: docker node demote (or node rm --force) this node; here:"
                " docker swarm leave --force, then join again. If it was the only manager, restore a snapshot"
            )

    def prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def note(self, name: str) -> None:
        """From now on the data must be there."""
        with self._note.open("w") as file:
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())

    def forget(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._note.unlink(missing_ok=True)

"""The small files of `/etc`: the host's are read, those of containers written where they have them mounted."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


class EtcFiles:
    """Files of a container lie in `<root>/<container id>/`. They are rewritten in place, because a running container
    sees the file that was mounted, not the name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of_host(self, path: str) -> str:
        """The text of one of the host's own files; "" when there is none."""
        with suppress(OSError):
            return Path(path).read_text(errors="replace")
        return ""

    def path(self, container_id: str, name: str) -> str:
        return str(self._root / container_id / name)

    def read(self, container_id: str, name: str) -> str:
        """The text as it is now; "" when it was never written."""
        return self.of_host(self.path(container_id, name))

    def write(self, container_id: str, name: str, text: str) -> str:
        """Write the file; returns its path."""
        path = Path(self.path(container_id, name))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o710)
        path.write_text(text)
        path.chmod(0o644)
        return str(path)

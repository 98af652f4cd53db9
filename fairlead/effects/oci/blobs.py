"""The blobs of images by their SHA-256: configurations, manifests and layer tars, as an OCI layout keeps them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path


class Blobs:
    """A directory of files named after what is in them; a blob is complete or not there."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "blobs" / "sha256"
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, digest: str) -> Path:
        """Where the blob is or would be. `digest` must have been checked: it names a file."""
        return self._directory / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def read(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def write(self, content: bytes) -> str:
        """Keep `content`; returns its digest."""
        digest = digest_of(content)
        partial = self._directory / f".partial-{os.getpid()}-{digest[7:]}"
        partial.write_bytes(content)
        os.replace(partial, self.path(digest))
        return digest

    def adopt(self, file: Path, digest: str) -> None:
        """Move a file of the same file system in; its content is what `digest` says."""
        os.chmod(file, 0o600)
        os.replace(file, self.path(digest))

    def remove(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def keep_only(self, digests: Collection[str]) -> None:
        """Remove every other blob and whatever a crash left half written."""
        names = {digest.removeprefix("sha256:") for digest in digests}
        for file in self._directory.iterdir():
            if file.name not in names:
                file.unlink()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_file(file: Path) -> str:
    with file.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"

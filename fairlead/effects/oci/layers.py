"""Layers of images, each unpacked once, by diff id, and shared by overlayfs between all that have it.

    <data-root>/overlay/<24 hex of the diff id>/    the layer's tree in overlayfs form
    <data-root>/blobs/sha256/<digest>               its tar as it came
    <data-root>/staging/                            everything unfinished; emptied at boot
    <data-root>/doomed/                             trees on their way out; emptied in the background and at boot

A tree is unpacked in `staging` and renamed, so that what stands under `overlay` is complete. Short directory names
let 128 layers fit into the one page that mount(2) takes for its options.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from fairlead.effects.oci.blobs import Blobs, digest_file
from fairlead.effects.oci.compression import compression_of_file
from fairlead.effects.oci.doomed import Doomed
from fairlead.effects.oci.rootfs import BASE
from fairlead.effects.oci.trees import pack, usage
from fairlead.effects.oci.unpack import Unpacked, Unpacker
from fairlead.model.errors import Invalid
from fairlead.model.image import GZIP, PLAIN, ZSTD, Layer

_DIRECTORY_NAME = 24
T = TypeVar("T")


class Layers:
    def __init__(self, root: Path, blobs: Blobs, doomed: Doomed) -> None:
        self._overlay, self._staging = root / "overlay", root / "staging"
        for directory in (self._overlay, self._staging):
            directory.mkdir(parents=True, exist_ok=True, mode=0o710)
        self._blobs, self._doomed = blobs, doomed
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="layer")
        self._unpacker = Unpacker()

    def stage(self) -> Path:
        """A fresh directory for unfinished things, on the same file system; `discard` it when done."""
        return Path(tempfile.mkdtemp(dir=self._staging))

    def discard(self, staged: Path) -> None:
        self._doomed.add(staged)
        self._doomed.sweep()

    async def unpack(self, source: Path, expected: str = "") -> Layer:
        """Unpack a layer's tar (plain, gzip, zstd, xz or bzip2) and keep the file as its blob.

        `source` must lie in a `stage()` and is gone afterwards. Raises `Invalid`, leaving no layer, when the tar
        is damaged or not the `expected` diff id.
        """
        work = self.stage()
        try:
            layer, kept = await self._in_thread(lambda: self._unpack(source, work, expected))
            # On the loop, so that between here and the caller's next step no removal takes the layer away again.
            with suppress(FileExistsError):
                _rename_new(work / "tree", self.tree(layer))
            self._blobs.adopt(kept, layer.blob)
            return layer
        finally:
            self.discard(work)

    async def pack(self, upper: Path, target: Path) -> None:
        """Write the changes in an overlayfs upper directory as a layer's tar."""

        def write() -> None:
            with target.open("wb") as file:
                pack(upper, file)

        await self._in_thread(write)

    async def usage(self, directory: Path) -> int:
        """The bytes of all files below a directory."""
        return await self._in_thread(lambda: usage(directory))

    def tree(self, layer: Layer) -> Path:
        return self._overlay / layer.directory

    def present(self, layer: Layer) -> bool:
        return self.tree(layer).is_dir() and self._blobs.has(layer.blob)

    def remove(self, layer: Layer) -> None:
        self._doomed.add(self.tree(layer))
        self._blobs.remove(layer.blob)
        self._doomed.sweep()

    def keep_only(self, layers: Collection[Layer]) -> None:
        """Remove every other layer's tree and everything unfinished (at boot)."""
        kept = {BASE, *(layer.directory for layer in layers)}
        for found in (*self._overlay.iterdir(), *self._staging.iterdir()):
            if found.parent == self._staging or found.name not in kept:
                self._doomed.add(found)
        self._doomed.sweep()

    def close(self) -> None:
        """Stop unpacking; what was unfinished is removed at the next start."""
        self._unpacker.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _unpack(self, source: Path, work: Path, expected: str) -> tuple[Layer, Path]:
        """The layer, its tree in `work`, and the file that becomes its blob."""
        tree = work / "tree"
        tree.mkdir()
        tree.chmod(0o755)
        try:
            source = self._registry_form(source, work / "plain")
            unpacked = self._unpacker.layer(source, tree)
        except OSError as error:
            raise Invalid(f"invalid layer: {error.strerror or error}") from error
        if expected and unpacked.diff_id != expected:
            raise Invalid(f"invalid layer: its content is {unpacked.diff_id}, expected {expected}")
        return _described(source, unpacked), source

    def _registry_form(self, source: Path, plain: Path) -> Path:
        """Registries know plain, gzip and zstd tars; others are kept plain."""
        if compression_of_file(source) in (PLAIN, GZIP, ZSTD):
            return source
        self._unpacker.expand(source, plain)
        source.unlink()
        return plain


def _described(source: Path, unpacked: Unpacked) -> Layer:
    compression = compression_of_file(source)
    digest = unpacked.diff_id if compression == PLAIN else digest_file(source)
    name = unpacked.diff_id.removeprefix("sha256:")[:_DIRECTORY_NAME]
    return Layer(unpacked.diff_id, name, unpacked.size, digest, source.stat().st_size, compression)


def _rename_new(source: Path, target: Path) -> None:
    """Raises FileExistsError when the target is there. An empty one would be replaced silently by rename(2)."""
    if target.exists():
        raise FileExistsError(target)
    os.rename(source, target)

"""Layers on their way in: each is unpacked once even when several pulls want it, and none is lost or left over.

Whoever brings layers holds them until its image is committed. A held layer is not removed with the last image that
had it, and a layer that is held by nobody and belongs to no image goes at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.engine.images.catalogue import Catalogue
from fairlead.engine.images.ports import Blobs, Layers
from fairlead.model.image import Layer


class Shelf:
    def __init__(self, catalogue: Catalogue, layers: Layers, blobs: Blobs) -> None:
        self._catalogue, self._layers, self._blobs = catalogue, layers, blobs
        self._holds: Counter[str] = Counter()
        self._fresh: dict[str, Layer] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """Layers installed through the hold stay at least until its end."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            for layer in hold.layers:
                self._let_go(layer)

    def find(self, diff_id: str) -> Layer | None:
        return self._catalogue.layers.get(diff_id) or self._fresh.get(diff_id)

    def release(self, layers: Iterable[Layer]) -> None:
        """Layers that no image has any more: remove those that nobody holds."""
        for layer in layers:
            if self._holds[layer.id]:
                self._fresh[layer.id] = layer
            else:
                self._layers.remove(layer)

    async def bring(self, source: Path, expected: str) -> Layer:
        """The layer of a staged tar, unpacked unless it is known; counts as held."""
        lock = self._locks.setdefault(expected, asyncio.Lock()) if expected else asyncio.Lock()
        async with lock:
            layer = self.find(expected) or await self._unpack(source, expected)
            self._holds[layer.id] += 1
            return layer

    def take(self, diff_id: str) -> Layer | None:
        """Hold a layer that is there already."""
        layer = self.find(diff_id)
        if layer is not None:
            self._holds[diff_id] += 1
        return layer

    async def _unpack(self, source: Path, expected: str) -> Layer:
        layer = await self._layers.unpack(source, expected)
        if known := self.find(layer.id):
            if known.blob != layer.blob:
                self._blobs.remove(layer.blob)
            return known
        self._fresh[layer.id] = layer
        return layer

    def _let_go(self, layer: Layer) -> None:
        self._holds[layer.id] -= 1
        if self._holds[layer.id]:
            return
        del self._holds[layer.id]
        self._locks.pop(layer.id, None)
        if self._fresh.pop(layer.id, None) and layer.id not in self._catalogue.layers:
            self._layers.remove(layer)


class Hold:
    """The layers that one operation holds, in the order they came."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.layers: list[Layer] = []

    async def install(self, source: Path, expected: str = "") -> Layer:
        """Raises `Invalid` when the tar is damaged or not the expected diff id."""
        layer = await self._shelf.bring(source, expected)
        self.layers.append(layer)
        return layer

    def known(self, diff_id: str) -> Layer | None:
        """The layer if it is there already; it is then held too."""
        layer = self._shelf.take(diff_id)
        if layer is not None:
            self.layers.append(layer)
        return layer

"""The reads: `docker images`, `history`, `system df`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.core.filters import Filters, created_before, labelled
from fairlead.core.images.config import config_json
from fairlead.core.images.moment import nanoseconds
from fairlead.core.images.select import fitting, wants_dangling
from fairlead.engine.images.catalogue import Catalogue
from fairlead.engine.images.library import Library
from fairlead.model.errors import Invalid
from fairlead.model.image import HistoryEntry, Image
from fairlead.model.reference import Reference

NOT_COUNTED = -1


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image with what is computed about it. Sizes in bytes; counts are NOT_COUNTED where nobody asked."""

    image: Image
    created: int
    references: tuple[Reference, ...]
    size: int
    shared: int = NOT_COUNTED
    containers: int = NOT_COUNTED


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A step of an image's history; `image_id` is empty for steps whose image is not here."""

    step: HistoryEntry
    created: int
    size: int
    image_id: str = ""
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """What inspect shows beyond the list: `config` under its JSON names, `trees` where the layers lie, bottom first."""

    view: ImageView
    config: Mapping[str, object]
    trees: tuple[Path, ...]


def details(library: Library, image: Image) -> ImageDetails:
    catalogue = library.catalogue
    references = tuple(catalogue.references(image.id))
    view = ImageView(image, nanoseconds(image.created), references, catalogue.size(image))
    trees = tuple(library.hands.layers.tree(layer) for layer in catalogue.layers_of(image))
    return ImageDetails(view, config_json(image.config), trees)


def list_images(library: Library, filters: Filters, every: bool, shared: bool) -> list[ImageView]:
    """Newest first. Images that others were committed from and that have no name are left out unless `every`."""
    catalogue = library.catalogue
    dangling = wants_dangling(filters)
    window = _window(library, filters)
    listed: list[ImageView] = []
    for image in catalogue.images.values():
        references = catalogue.references(image.id)
        if not every and not references and catalogue.children(image.id):
            continue
        if dangling is not None and dangling != (not references):
            continue
        created = nanoseconds(image.created)
        if not (window[0] < created < window[1] and labelled(image.config.labels, filters)):
            continue
        if "reference" in filters and not (references := fitting(references, filters["reference"])):
            continue
        listed.append(ImageView(image, created, tuple(references), catalogue.size(image)))
    if shared:
        listed = _with_counts(library, listed)
    return sorted(listed, key=lambda item: (-item.created, item.image.id))


def history(catalogue: Catalogue, image: Image) -> list[HistoryView]:
    """Newest step first. The topmost is the image itself; parents are told where they are here."""
    layers = iter(catalogue.layers_of(image))
    views: list[HistoryView] = []
    for step in image.history or (HistoryEntry(image.created),) * len(image.layers):
        layer = None if step.empty_layer else next(layers, None)
        views.append(HistoryView(step, nanoseconds(step.created), layer.size if layer else 0))
    views.reverse()
    ancestor: Image | None = image
    for at, item in enumerate(views):
        if ancestor is None:
            break
        references = tuple(catalogue.references(ancestor.id))
        views[at] = HistoryView(item.step, item.created, item.size, ancestor.id, references)
        ancestor = catalogue.images.get(ancestor.parent)
    return views


def layers_size(catalogue: Catalogue) -> int:
    """The bytes of all unpacked layers, each once."""
    return sum(layer.size for layer in catalogue.layers.values())


def _window(library: Library, filters: Filters) -> tuple[float, float]:
    """Creation times between which an image must lie, from `since`, `before` and `until`."""
    newest, oldest = float("inf"), float("-inf")
    for text in filters.get("before", ()):
        newest = min(newest, nanoseconds(library.catalogue.get(text).created))
    for text in filters.get("since", ()):
        oldest = max(oldest, nanoseconds(library.catalogue.get(text).created))
    if len(filters.get("until", ())) > 1:
        raise Invalid("more than one until filter specified")
    until = created_before(filters, library.now())
    return oldest, newest if until is None else min(newest, until)


def _with_counts(library: Library, listed: Sequence[ImageView]) -> list[ImageView]:
    catalogue = library.catalogue
    owners = Counter(layer for image in catalogue.images.values() for layer in set(image.layers))
    users = Counter(container.image_id for container in library.state.containers.values())
    counted = []
    for item in listed:
        shared = sum(catalogue.layers[layer].size for layer in item.image.layers if owners[layer] > 1)
        counted.append(ImageView(item.image, item.created, item.references, item.size, shared, users[item.image.id]))
    return counted

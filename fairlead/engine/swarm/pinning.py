"""The digest of a service's image, found for clients that leave it to the daemon, so that every node runs the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.errors import Refusal
from fairlead.model.image import RegistryAuth
from fairlead.model.reference import parse_reference

if TYPE_CHECKING:
    from fairlead.engine.images.images import Images


async def pinned(images: Images, image: str, auth: RegistryAuth | None) -> tuple[str, str]:
    """`NAME:TAG@DIGEST` and "", or `image` itself and a warning when no registry tells its digest."""
    try:
        reference = parse_reference(image).tagged
        if reference.digest:
            return image, ""
        descriptor, _ = await images.distribution(image, auth)
    except Refusal:
        return image, (
            f"image {image} could not be accessed on a registry to record\nits digest. Each node will access {image} "
            "independently,\npossibly leading to different nodes running different\nversions of the image.\n"
        )
    return f"{reference.familiar}@{descriptor.digest}", ""

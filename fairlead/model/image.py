"""Images and their layers as this host keeps them.

An image is its configuration: `id` is the SHA-256 of the configuration's bytes. A layer is known by the
SHA-256 of its uncompressed tar (`diff id`) and lies unpacked, once, on disk; its blob (the tar as it came,
compressed or not) is kept beside it so that push and save give back the same bytes. A tag is a full
reference that points at an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.container import HealthSpec


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What containers inherit. `cmd` and `entrypoint` are None where the image does not say."""

    user: str = ""
    exposed: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    health: HealthSpec | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of how the image came to be; `empty_layer` steps changed only the configuration."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """An image of this host.

    `id` is "sha256:<hex>", `created` RFC 3339 as the configuration has it, `layers` diff ids from the
    bottom up, `parent` the image it was committed from, `manifest` the digest of the manifest it came with
    ("" when it was made here), `tagged` when a tag last came to it, ns since the epoch.
    """

    id: str
    created: str = ""
    architecture: str = "amd64"
    os: str = "linux"
    variant: str = ""
    os_version: str = ""
    author: str = ""
    comment: str = ""
    docker_version: str = ""
    config: ImageConfig = field(default_factory=ImageConfig)
    layers: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    parent: str = ""
    manifest: str = ""
    tagged: int = 0


PLAIN, GZIP, ZSTD = "", "gzip", "zstd"


@dataclass(frozen=True, slots=True)
class Layer:
    """An unpacked layer. `id` is its diff id, `directory` its name under `<data-root>/overlay`.

    `size` is the bytes of its files; `blob`, `blob_size` and `compression` (PLAIN, GZIP, ZSTD) describe its tar.
    """

    id: str
    directory: str
    size: int
    blob: str
    blob_size: int
    compression: str = PLAIN


@dataclass(frozen=True, slots=True)
class Tag:
    """`id` is a full reference with a tag or a digest, `image` the image it means."""

    id: str
    image: str


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of what a pull, push or load tells: a `status` (about the part `id`), or text for the user (`stream`).

    `current` and `total` are bytes; `aux` is for programs.
    """

    status: str = ""
    id: str = ""
    current: int = 0
    total: int = 0
    stream: str = ""
    aux: Mapping[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """A step of a removal: a reference taken off (`untagged`), or an image or layer gone (`deleted`)."""

    untagged: str = ""
    deleted: str = ""


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """What `X-Registry-Auth` carries."""

    username: str = ""
    password: str = ""
    identity_token: str = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """`os/architecture[/variant]`; an empty field asks for nothing."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

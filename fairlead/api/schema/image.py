"""Images as Docker's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fairlead.api.schema.timestamp import SECOND, rfc3339
from fairlead.engine.images.listing import HistoryView, ImageDetails, ImageView
from fairlead.model.container import HealthSpec
from fairlead.model.errors import Refusal
from fairlead.model.image import ImageConfig, Progress, Removed
from fairlead.model.reference import Reference

Version = tuple[int, int]

_VIRTUAL_SIZE_UNTIL: Version = (1, 44)
_NONE_NAMES_UNTIL: Version = (1, 43)
_WHOLE_CONFIG_UNTIL: Version = (1, 50)
_CONTAINER_UNTIL: Version = (1, 45)
_EMPTY_CONFIG = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


def summary_json(view: ImageView, version: Version) -> dict[str, object]:
    """One entry of `GET /images/json`."""
    tags, digests = _names(view.references)
    if not view.references and version < _NONE_NAMES_UNTIL:
        tags, digests = ["<none>:<none>"], ["<none>@<none>"]
    return {
        "Containers": view.containers,
        "Created": view.created // SECOND,
        "Id": view.image.id,
        "Labels": dict(view.image.config.labels) or None,
        "ParentId": view.image.parent,
        "RepoDigests": digests,
        "RepoTags": tags,
        "SharedSize": view.shared,
        "Size": view.size,
        **({"VirtualSize": view.size} if version < _VIRTUAL_SIZE_UNTIL else {}),
    }


def inspect_json(details: ImageDetails, version: Version) -> dict[str, object]:
    """`GET /images/{name}/json`.

    `ContainerConfig` left Docker's API with 1.45; docker-compose 1.x reads it at any version when it re-creates a
    container, so it stays.
    """
    view, image = details.view, details.view.image
    tags, digests = _names(view.references)
    config = {**(_EMPTY_CONFIG if version < _WHOLE_CONFIG_UNTIL else {}), **details.config}
    return {
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": image.parent,
        "Comment": image.comment,
        "Created": image.created,
        "DockerVersion": image.docker_version,
        "Author": image.author,
        **({"Container": ""} if version < _CONTAINER_UNTIL else {}),
        "ContainerConfig": config,
        "Config": config,
        "Architecture": image.architecture,
        **({"Variant": image.variant} if image.variant else {}),
        "Os": image.os,
        **({"OsVersion": image.os_version} if image.os_version else {}),
        "Size": view.size,
        **({"VirtualSize": view.size} if version < _VIRTUAL_SIZE_UNTIL else {}),
        "GraphDriver": {"Data": _graph_data(details), "Name": "overlay2"},
        "RootFS": {"Type": "layers", **({"Layers": image.layers} if image.layers else {})},
        "Metadata": {"LastTagTime": rfc3339(image.tagged)},
    }


def history_json(view: HistoryView) -> dict[str, object]:
    """One entry of `GET /images/{name}/history`."""
    tags, _ = _names(view.references)
    return {
        "Comment": view.step.comment,
        "Created": view.created // SECOND,
        "CreatedBy": view.step.created_by,
        "Id": view.image_id or "<missing>",
        "Size": view.size,
        "Tags": tags or None,
    }


def removed_json(removed: Iterable[Removed]) -> list[dict[str, str]]:
    return [{"Untagged": step.untagged} if step.untagged else {"Deleted": step.deleted} for step in removed]


def progress_line(progress: Progress) -> bytes:
    """One line of a pull, push or load as clients draw it."""
    line: dict[str, object] = {}
    if progress.stream:
        line["stream"] = progress.stream
    if progress.status:
        line["status"] = progress.status
    if progress.total:
        line["progressDetail"] = {"current": progress.current, "total": progress.total}
    if progress.id:
        line["id"] = progress.id
    if progress.aux is not None:
        line["progressDetail"], line["aux"] = {}, progress.aux
    return _line(line)


def refusal_line(refusal: Refusal) -> bytes:
    """How a stream that has begun tells that it failed."""
    return _line({"errorDetail": {"message": refusal.message}, "error": refusal.message})


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\r\n"


# --- what clients send ----------------------------------------------------------------------------


class _Health(msgspec.Struct, rename="pascal"):
    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class CommitBody(msgspec.Struct, rename="pascal"):
    """The body of `POST /commit`: what shall differ from the container."""

    user: str | None = None
    exposed_ports: dict[str, Any] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | str | None = None
    cmd: list[str] | str | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    healthcheck: _Health | None = None
    on_build: list[str] | None = None

    def config(self) -> ImageConfig:
        health = self.healthcheck
        return ImageConfig(
            user=self.user or "",
            exposed=tuple(self.exposed_ports or ()),
            env=tuple(self.env or ()),
            entrypoint=_words(self.entrypoint),
            cmd=_words(self.cmd),
            volumes=tuple(self.volumes or ()),
            working_dir=self.working_dir or "",
            labels=self.labels or {},
            stop_signal=self.stop_signal or "",
            health=_health(health) if health else None,
            on_build=tuple(self.on_build or ()),
        )


def _health(health: _Health) -> HealthSpec:
    return HealthSpec(
        tuple(health.test or ()),
        health.interval,
        health.timeout,
        health.start_period,
        health.start_interval,
        health.retries,
    )


def _words(value: list[str] | str | None) -> tuple[str, ...] | None:
    """Docker takes a string for a list of one."""
    return (value,) if isinstance(value, str) else None if value is None else tuple(value)


def _names(references: Sequence[Reference]) -> tuple[list[str], list[str]]:
    """(RepoTags, RepoDigests)"""
    tags = [reference.familiar for reference in references if not reference.digest]
    return tags, [reference.familiar for reference in references if reference.digest]


def _graph_data(details: ImageDetails) -> dict[str, str] | None:
    if not details.trees:
        return None
    *lower, upper = map(str, details.trees)
    return {**({"LowerDir": ":".join(reversed(lower))} if lower else {}), "UpperDir": upper}

"""The configuration of an image, a JSON document (OCI image specification 1.0, config.md; Docker's is the same but for
`container_config` and a few keys).

Its bytes are its identity, so it is written once (`new_config`) and only read afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fairlead.model.container import HealthSpec
from fairlead.model.errors import Invalid
from fairlead.model.image import HistoryEntry, Image, ImageConfig
from fairlead.model.reference import is_digest

MAXIMUM_LAYERS = 125


class _Health(msgspec.Struct, rename="pascal"):
    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class _Config(msgspec.Struct, rename="pascal"):
    user: str | None = None
    exposed_ports: dict[str, Any] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    volumes: dict[str, Any] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    shell: list[str] | None = None
    healthcheck: _Health | None = None
    on_build: list[str] | None = None
    args_escaped: bool = False


class _History(msgspec.Struct):
    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class _Rootfs(msgspec.Struct):
    type: str = "layers"
    diff_ids: list[str] | None = None


class _Document(msgspec.Struct):
    created: str | None = None
    author: str | None = None
    comment: str | None = None
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    docker_version: str | None = None
    config: _Config | None = None
    history: list[_History] | None = None
    rootfs: _Rootfs | None = None


def parse_config(raw: bytes, image_id: str) -> Image:
    """The image that a configuration describes. Raises `Invalid` when it is not one."""
    try:
        document = msgspec.json.decode(raw, type=_Document)
    except msgspec.DecodeError as error:
        raise Invalid(f"invalid image configuration: {error}") from error
    layers = tuple((document.rootfs or _Rootfs()).diff_ids or ())
    _check_layers(layers)
    history = tuple(
        HistoryEntry(step.created or "", step.created_by, step.author, step.comment, step.empty_layer)
        for step in document.history or ()
    )
    return Image(
        id=image_id,
        created=document.created or "",
        architecture=document.architecture or "",
        os=document.os or "linux",
        variant=document.variant or "",
        os_version=document.os_version or "",
        author=document.author or "",
        comment=document.comment or "",
        docker_version=document.docker_version or "",
        config=_image_config(document.config or _Config()),
        layers=layers,
        history=history,
    )


def new_config(image: Image) -> bytes:
    """The configuration document of an image that is made here; its `id` is not part of it."""
    history = [
        _without_empty(
            {
                "created": step.created,
                "created_by": step.created_by,
                "author": step.author,
                "comment": step.comment,
                "empty_layer": step.empty_layer,
            }
        )
        for step in image.history
    ]
    document = {
        "architecture": image.architecture,
        **_without_empty({"variant": image.variant, "author": image.author, "comment": image.comment}),
        "config": config_json(image.config),
        "created": image.created,
        **_without_empty({"docker_version": image.docker_version}),
        "history": history,
        "os": image.os,
        "rootfs": {"type": "layers", "diff_ids": list(image.layers)},
    }
    return msgspec.json.encode(document)


def config_json(config: ImageConfig) -> dict[str, object]:
    """The `config` part under its JSON names, without what is not set."""
    return _without_empty(
        {
            "User": config.user,
            "ExposedPorts": {port: {} for port in config.exposed},
            "Env": list(config.env),
            "Entrypoint": _list(config.entrypoint),
            "Cmd": _list(config.cmd),
            "Volumes": {path: {} for path in config.volumes},
            "WorkingDir": config.working_dir,
            "Labels": dict(config.labels),
            "StopSignal": config.stop_signal,
            "Shell": list(config.shell),
            "Healthcheck": health_json(config.health) if config.health else None,
            "OnBuild": list(config.on_build),
            "ArgsEscaped": config.args_escaped,
        }
    )


def health_json(health: HealthSpec) -> dict[str, object]:
    return _without_empty(
        {
            "Test": list(health.test),
            "Interval": health.interval,
            "Timeout": health.timeout,
            "StartPeriod": health.start_period,
            "StartInterval": health.start_interval,
            "Retries": health.retries,
        }
    )


def _image_config(config: _Config) -> ImageConfig:
    return ImageConfig(
        user=config.user or "",
        exposed=tuple(config.exposed_ports or ()),
        env=tuple(config.env or ()),
        entrypoint=_tuple(config.entrypoint),
        cmd=_tuple(config.cmd),
        volumes=tuple(config.volumes or ()),
        working_dir=config.working_dir or "",
        labels=config.labels or {},
        stop_signal=config.stop_signal or "",
        shell=tuple(config.shell or ()),
        health=_health(config.healthcheck) if config.healthcheck else None,
        on_build=tuple(config.on_build or ()),
        args_escaped=config.args_escaped,
    )


def _health(health: _Health) -> HealthSpec:
    return HealthSpec(
        test=tuple(health.test or ()),
        interval=health.interval,
        timeout=health.timeout,
        start_period=health.start_period,
        start_interval=health.start_interval,
        retries=health.retries,
    )


def _check_layers(layers: tuple[str, ...]) -> None:
    if len(layers) > MAXIMUM_LAYERS:
        raise Invalid(
            f"max depth exceeded: the image has {len(layers)} layers, at most {MAXIMUM_LAYERS} can be mounted"
        )
    for layer in layers:
        if not is_digest(layer):
            raise Invalid(f"invalid image configuration: {layer!r} is not a SHA-256 diff id")


def _without_empty(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value}


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _list(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)

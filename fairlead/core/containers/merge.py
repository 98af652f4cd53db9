"""What a container runs: the request over the image's defaults, by Docker's rules."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fairlead.model.container import ContainerSpec, HealthSpec
from fairlead.model.errors import Invalid
from fairlead.model.image import ImageConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NO_HEALTH = ("NONE",)


@dataclass(frozen=True, slots=True)
class Merged:
    """The resolved parts of a container; `entrypoint` and `cmd` are what inspect shows, `argv` what runs."""

    argv: tuple[str, ...]
    entrypoint: tuple[str, ...] | None
    cmd: tuple[str, ...] | None
    env: tuple[str, ...]
    workdir: str
    user: str
    stop_signal: str
    health: HealthSpec | None
    labels: Mapping[str, str]
    exposed: tuple[str, ...]
    volumes: tuple[str, ...]


def merge(spec: ContainerSpec, image: ImageConfig) -> Merged:
    """Raises Invalid "no command specified" when neither says what to run."""
    entrypoint, cmd = _command(spec, image)
    argv = (*(entrypoint or ()), *(cmd or ()))
    if not argv or argv == ("",):
        raise Invalid("no command specified")
    return Merged(
        argv=argv,
        entrypoint=entrypoint,
        cmd=cmd,
        env=_environment(image.env, spec.env),
        workdir=_clean(spec.working_dir or image.working_dir or ""),
        user=spec.user or image.user,
        stop_signal=spec.stop_signal or image.stop_signal,
        health=_health(spec.health, image.health),
        labels={**image.labels, **spec.labels},
        exposed=tuple(dict.fromkeys((*spec.network.exposed, *image.exposed))),
        volumes=tuple(dict.fromkeys((*spec.volumes, *image.volumes))),
    )


def _clean(path: str) -> str:
    """A path without what says nothing: slashes twice or at the end, and dots."""
    return f"/{posixpath.normpath(path).lstrip('/')}" if path.startswith("/") else path


def _command(spec: ContainerSpec, image: ImageConfig) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """An own entrypoint drops the image's command; `--entrypoint ""` ([""] in the API) drops its entrypoint."""
    if spec.entrypoint:
        entrypoint = None if spec.entrypoint == ("",) else spec.entrypoint
        return entrypoint, spec.cmd
    return image.entrypoint, spec.cmd or image.cmd


def _environment(inherited: Iterable[str], own: Iterable[str]) -> tuple[str, ...]:
    """The request's lines first, then the image's variables that it did not set (the order inspect shows)."""
    own = tuple(own)
    names = {line.partition("=")[0] for line in own}
    return (*own, *(line for line in inherited if line.partition("=")[0] not in names))


def process_environment(env: Iterable[str], hostname: str, tty: bool, links: Iterable[str]) -> tuple[str, ...]:
    """What the process sees: defaults (PATH, HOSTNAME, TERM), links, and the container's own over them.

    A line without "=" unsets the variable.
    """
    values = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if tty:
        values["TERM"] = "xterm"
    for line in (*links, *env):
        name, assigned, value = line.partition("=")
        if assigned:
            values[name] = value
        else:
            values.pop(name, None)
    return tuple(f"{name}={value}" for name, value in values.items())


def _health(own: HealthSpec | None, image: HealthSpec | None) -> HealthSpec | None:
    """Field by field: what the request leaves at zero comes from the image."""
    if own is None:
        return image
    if image is None or own.test == NO_HEALTH:
        return own
    return replace(
        own,
        test=own.test or image.test,
        interval=own.interval or image.interval,
        timeout=own.timeout or image.timeout,
        start_period=own.start_period or image.start_period,
        start_interval=own.start_interval or image.start_interval,
        retries=own.retries or image.retries,
    )

"""Secrets and configs as the files of one task's container."""

from __future__ import annotations

import posixpath
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fairlead.core.swarm.templates import Context, context, expand, expand_container
from fairlead.model.errors import Invalid
from fairlead.model.runtime import PrivateFile
from fairlead.model.swarm.files import Config, FileSpec, Secret
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import ContainerTemplate, FileReference

SECRETS, CONFIGS = "/run/secrets", "/"
GOLANG = "golang"


@dataclass(frozen=True, slots=True)
class Known:
    """The secrets and configs that the node was told, by id."""

    secrets: Mapping[str, Secret]
    configs: Mapping[str, Config]


def missing(task: Task, known: Known) -> bool:
    """Has the node not yet been told something that the task's container needs?"""
    container = task.spec.container
    if container is None:
        return False
    secrets = all(one.object_id in known.secrets for one in container.secrets)
    return not secrets or not all(one.object_id in known.configs for one in container.configs)


def task_files(task: Task, node: Node, known: Known) -> tuple[PrivateFile, ...]:
    """The files of the task's container. Raises Invalid for an owner that is no number, data that is no base64, or a
    template that cannot be filled in."""
    container = task.spec.container
    if container is None:
        return ()
    filled = _context(container, task, node, known)
    files = [_file(one, known.secrets[one.object_id].spec, SECRETS, filled) for one in container.secrets]
    shown = [one for one in container.configs if not one.runtime]
    return (*files, *(_file(one, known.configs[one.object_id].spec, CONFIGS, filled) for one in shown))


def _file(reference: FileReference, spec: FileSpec, folder: str, known: Context) -> PrivateFile:
    data = _data(spec)
    if spec.templating == GOLANG:
        data = expand(data.decode(errors="surrogateescape"), known).encode(errors="surrogateescape")
    path = posixpath.normpath(posixpath.join(folder, reference.target or reference.object_name))
    return PrivateFile(path, data, _number(reference.uid, "uid"), _number(reference.gid, "gid"), reference.mode)


def _data(spec: FileSpec) -> bytes:
    try:
        return b64decode(spec.data)
    except NotBase64 as error:
        raise Invalid(f"{spec.name}: its data is no base64: {error}") from error


def _number(text: str, what: str) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        raise Invalid(f"a file's {what} must be a number, not {text!r}")
    return int(text)


def _context(container: ContainerTemplate, task: Task, node: Node, known: Known) -> Context:
    """In files, templates also reach the container's environment and its other files by target."""
    plain = context(task, node)
    env = dict(line.split("=", 1) for line in expand_container(container, plain).env if "=" in line)
    secrets = {_target(one): known.secrets[one.object_id].spec for one in container.secrets}
    configs = {_target(one): known.configs[one.object_id].spec for one in container.configs}
    return replace(plain, functions={"env": env.get, "secret": _text_of(secrets), "config": _text_of(configs)})


def _target(reference: FileReference) -> str:
    return reference.target or reference.object_name


def _text_of(specs: Mapping[str, FileSpec]) -> Callable[[str], str | None]:
    def text(target: str) -> str | None:
        spec = specs.get(target)
        return None if spec is None else _data(spec).decode(errors="surrogateescape")

    return text

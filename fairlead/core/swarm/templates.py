"""`{{.Service.Name}}` and its like, in hostnames, environment and mounts of a service's containers, and in configs and
secrets that ask for it.

The part of Go's template language that Docker documents for services: fields, `index .Service.Labels "key"`, and in
files `env`, `config` and `secret`. Anything else is refused by name, when the service is made and not on some node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fairlead.core.swarm.naming import container_name
from fairlead.model.errors import Invalid
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import ContainerTemplate

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_INDEX = re.compile(r'index\s+(\.[\w.]+)\s+"([^"]*)"')
_CALL = re.compile(r'(env|config|secret)\s+"([^"]*)"')
FIELDS = (
    ".Service.ID",
    ".Service.Name",
    ".Service.Labels",
    ".Node.ID",
    ".Node.Hostname",
    ".Node.Platform.Architecture",
    ".Node.Platform.OS",
    ".Task.ID",
    ".Task.Name",
    ".Task.Slot",
)
Lookup = Callable[[str], "str | None"]


@dataclass(frozen=True, slots=True)
class Context:
    """What templates may speak of. `functions` are `env`, `config`, `secret` where they are allowed."""

    fields: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, Lookup] = field(default_factory=dict)


def context(task: Task, node: Node) -> Context:
    platform = node.description.platform
    values = (
        task.service_id,
        task.service_name,
        "",
        node.id,
        node.description.hostname,
        platform.architecture,
        platform.os,
        task.id,
        container_name(task),
        task.place,
    )
    return Context(dict(zip(FIELDS, values, strict=True)), task.labels)


def expand(text: str, known: Context) -> str:
    """`text` with every action replaced. Raises Invalid, naming the action, for one that is not offered."""
    return _ACTION.sub(lambda found: _value(found[1], known), text) if "{{" in text else text


def _value(action: str, known: Context) -> str:
    if action.startswith("/*") and action.endswith("*/"):
        return ""
    if action in known.fields and action != ".Service.Labels":
        return known.fields[action]
    if (index := _INDEX.fullmatch(action)) and index[1] == ".Service.Labels":
        return known.labels.get(index[2], "")
    if (call := _CALL.fullmatch(action)) and call[1] in known.functions:
        found = known.functions[call[1]](call[2])
        if found is None:
            raise Invalid(f"template {{{{{action}}}}}: the container has no {call[1]} {call[2]!r}")
        return found
    raise Invalid(
        f"template {{{{{action}}}}} is not supported: use {', '.join(FIELDS)}"
        + "".join(f', {name} "NAME"' for name in known.functions)
    )


def expand_container(template: ContainerTemplate, known: Context) -> ContainerTemplate:
    """The template of one task's container, with hostname, environment and mounts filled in."""
    mounts = tuple(
        replace(
            mount,
            source=expand(mount.source, known),
            target=expand(mount.target, known),
            labels={key: expand(value, known) for key, value in mount.labels.items()},
        )
        for mount in template.mounts
    )
    env = tuple(expand(line, known) for line in template.env)
    return replace(template, hostname=expand(template.hostname, known), env=env, mounts=mounts)


_SPECIMEN = Context(dict.fromkeys(FIELDS, "x"))


def check(template: ContainerTemplate) -> None:
    """Raises Invalid when a template of the container could not be filled in on any node."""
    expand_container(template, _SPECIMEN)

"""What a client of an older API means by what it leaves out, and what it cannot have meant by what it sends."""

from __future__ import annotations

from dataclasses import replace

from fairlead.model.container import ContainerSpec

Version = tuple[int, int]

SHAREABLE_BEFORE: Version = (1, 40)
PIDS_LIMIT_SINCE: Version = (1, 40)
ANNOTATIONS_SINCE: Version = (1, 43)


def for_older_clients(spec: ContainerSpec, version: Version) -> ContainerSpec:
    if version < SHAREABLE_BEFORE and not spec.ipc_mode:
        spec = replace(spec, ipc_mode="shareable")
    if version < ANNOTATIONS_SINCE and spec.annotations:
        spec = replace(spec, annotations={})
    return spec

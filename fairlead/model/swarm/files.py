"""Secrets and configs: small files that the swarm keeps for its services. `data` of a secret is never shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FileSpec:
    """`data` is base64 text, as the API carries it. `templating` is the name of a template driver or ""."""

    name: str
    data: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""
    templating: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    id: str
    spec: FileSpec
    version: int = 0
    created: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    id: str
    spec: FileSpec
    version: int = 0
    created: int = 0
    updated: int = 0

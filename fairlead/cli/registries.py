"""A user's credentials for registries, from docker's own file (`~/.docker/config.json`)."""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path

from fairlead.cli.fields import Json, mapping, text

HUB = "https://index.docker.io/v1/"


def registry_of(image: str) -> str:
    """The key under which docker keeps the credentials for an image's registry."""
    host, separator, _ = image.partition("/")
    is_host = separator and ("." in host or ":" in host or host == "localhost")
    return host if is_host and host != "docker.io" else HUB


def credentials_for(image: str) -> Json:
    """As `X-Registry-Auth` wants them; empty without a login."""
    registry = registry_of(image)
    entry = mapping(_config(), "auths", registry)
    if token := text(entry, "identitytoken"):
        return {"identitytoken": token, "serveraddress": registry}
    try:
        name, separator, password = base64.b64decode(text(entry, "auth")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"username": name, "password": password, "serveraddress": registry} if separator else {}


def _config() -> Json:
    directory = Path(os.environ.get("DOCKER_CONFIG", "") or Path.home() / ".docker")
    try:
        found = json.loads((directory / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

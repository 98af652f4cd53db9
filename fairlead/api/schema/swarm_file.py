"""Secrets and configs, from Docker's JSON to the model and back."""

from __future__ import annotations

import re
from base64 import b64decode

import msgspec

from fairlead.api.schema.swarm_object import Json, given, meta_json
from fairlead.model.errors import Invalid, Unsupported
from fairlead.model.swarm.files import Config, FileSpec, Secret

TEMPLATING = "golang"
_ILLEGAL = re.compile(r"[^A-Za-z0-9+/\r\n=]|=(?=[^=\r\n])")


class DriverBody(msgspec.Struct):
    Name: str | None = None
    Options: dict[str, str] | None = None


class FileBody(msgspec.Struct):
    """The body of `/secrets/create` and `/configs/create` and of their updates. `Data` is base64."""

    Name: str | None = None
    Labels: dict[str, str] | None = None
    Data: str | None = None
    Driver: DriverBody | None = None
    Templating: DriverBody | None = None

    def spec(self) -> FileSpec:
        """Raises Refusal for what is malformed or not supported."""
        if self.Driver is not None and self.Driver.Name:
            raise Unsupported(f'secret driver "{self.Driver.Name}" is not supported: give the data itself')
        templating = (self.Templating and self.Templating.Name) or ""
        if templating not in ("", TEMPLATING):
            raise Invalid(f'template driver "{templating}" is not supported: must be {TEMPLATING}')
        return FileSpec(self.Name or "", _encoded(self.Data or ""), self.Labels or {}, templating=templating)


def _encoded(data: str) -> str:
    """Base64 without the line breaks that it may have. Raises Invalid, in Go's words."""
    joined = data.replace("\n", "").replace("\r", "")
    try:
        b64decode(joined, validate=True)
    except ValueError:
        raise Invalid(f"invalid JSON: illegal base64 data at input byte {_first_illegal(data)}") from None
    return joined


def _first_illegal(data: str) -> int:
    """Where what is no base64 begins: a character of no alphabet, or the end of what is too short."""
    found = _ILLEGAL.search(data)
    return found.start() if found else len(data)


def secret_json(secret: Secret) -> Json:
    """Never its data."""
    return meta_json(secret) | {"Spec": _spec_json(secret.spec)}


def config_json(config: Config) -> Json:
    return meta_json(config) | {"Spec": _spec_json(config.spec) | given({"Data": config.spec.data})}


def _spec_json(spec: FileSpec) -> Json:
    shown: Json = {"Name": spec.name, "Labels": dict(spec.labels)}
    return shown | ({"Templating": {"Name": spec.templating}} if spec.templating else {})

"""Credentials for a registry, as clients send them and as the swarm hands them on."""

from __future__ import annotations

import base64
import binascii

import msgspec

from fairlead.model.errors import Unsupported
from fairlead.model.image import RegistryAuth


class _Auth(msgspec.Struct):
    username: str | None = None
    password: str | None = None
    auth: str | None = None
    identitytoken: str | None = None
    registrytoken: str | None = None


def registry_auth(header: str) -> RegistryAuth | None:
    """`X-Registry-Auth`: base64url of JSON. None when it carries nothing, or nothing that can be read: as with Docker,
    some clients send words in it where they have no credentials. Raises `Unsupported` for a kind of credentials that is
    of no use here."""
    try:
        document = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)) or b"{}"
        found = msgspec.json.decode(document, type=_Auth | None) or _Auth()
        username, password = found.username or "", found.password or ""
        if found.auth and not username:
            username, _, password = base64.b64decode(found.auth).decode().partition(":")
    except (binascii.Error, msgspec.DecodeError, ValueError, RecursionError):
        return None
    if found.registrytoken:
        raise Unsupported("a registrytoken is not supported: give a name and a password, or an identitytoken")
    auth = RegistryAuth(username, password, found.identitytoken or "")
    return auth if auth != RegistryAuth() else None

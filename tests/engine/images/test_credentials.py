"""What clients send of themselves to registries."""

from __future__ import annotations

import base64
import json

import pytest

from fairlead.engine.images.credentials import registry_auth
from fairlead.model.errors import Unsupported
from fairlead.model.image import RegistryAuth

DEEP = base64.urlsafe_b64encode(b'{"x":' + b"[" * 100_000).decode()


def header(**fields: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


def test_a_name_and_a_password_come_in_two_forms() -> None:
    joined = base64.b64encode(b"ann:s:cret").decode()
    assert registry_auth(header(username="ann", password="s:cret")) == RegistryAuth("ann", "s:cret")
    assert registry_auth(header(auth=joined)) == RegistryAuth("ann", "s:cret")
    assert registry_auth(header(identitytoken="t")) == RegistryAuth(identity_token="t")


@pytest.mark.parametrize("nothing", ["", header(), base64.urlsafe_b64encode(b"null").decode()])
def test_nobody(nothing: str) -> None:
    assert registry_auth(nothing) is None


@pytest.mark.parametrize(
    "words",
    ["FOOBAR", "e30e", base64.urlsafe_b64encode(b"[1]").decode(), header(auth="é"), "é", pytest.param(DEEP, id="deep")],
)
def test_words_that_are_no_credentials_are_nobody_as_docker_has_it(words: str) -> None:
    assert registry_auth(words) is None


def test_what_is_null_is_not_given() -> None:
    said = json.dumps({"username": "ann", "password": "x", "email": None, "identitytoken": None}).encode()
    assert registry_auth(base64.urlsafe_b64encode(said).decode()) == RegistryAuth("ann", "x")


def test_what_is_of_no_use_is_not_dropped_silently() -> None:
    with pytest.raises(Unsupported, match="registrytoken"):
        registry_auth(header(registrytoken="t"))

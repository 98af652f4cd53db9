"""The verbs of `docker secret` and `docker config` on a manager's store."""

from __future__ import annotations

import os
from base64 import b64encode

import pytest

from fairlead.model.errors import Conflict, Failed, Invalid, NotFound
from fairlead.model.swarm.files import FileSpec
from fairlead.model.swarm.service import ServiceSpec
from fairlead.model.swarm.template import ContainerTemplate, FileReference, TaskTemplate
from tests.engine.swarm.verbs.seats import Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def file(name: str, content: bytes = b"x", **over: object) -> FileSpec:
    return FileSpec(name, b64encode(content).decode(), **over)  # type: ignore[arg-type]


async def test_a_secret_is_kept_and_found(swarm: Place) -> None:
    secret_id = await swarm.secrets.create(file("key", b"top"))
    assert swarm.secrets.get("key").id == swarm.secrets.get(secret_id[:5]).id == secret_id
    with pytest.raises(NotFound, match="^secret nokey not found$"):
        swarm.secrets.get("nokey")


async def test_a_name_is_taken_once_in_each_kind(swarm: Place) -> None:
    await swarm.secrets.create(file("key"))
    await swarm.configs.create(file("key"))
    with pytest.raises(Conflict, match="AlreadyExists desc = secret key already exists"):
        await swarm.secrets.create(file("key"))


async def test_only_labels_change(swarm: Place) -> None:
    await swarm.configs.create(file("motd", b"hello", labels={"a": "1"}))
    seen = swarm.configs.get("motd")
    with pytest.raises(Invalid, match="only updates to Labels are allowed"):
        await swarm.configs.update("motd", seen.version, file("motd", b"bye"))
    await swarm.configs.update("motd", seen.version, FileSpec("motd", labels={"b": "2"}))
    changed = swarm.configs.get("motd")
    assert (changed.spec.labels, changed.spec.data) == ({"b": "2"}, seen.spec.data)
    with pytest.raises(Failed, match="out of sequence"):
        await swarm.configs.update("motd", seen.version, FileSpec("motd", labels={}))


async def test_what_a_service_uses_is_not_removed(swarm: Place) -> None:
    secret_id = await swarm.secrets.create(file("key"))
    container = ContainerTemplate("busybox", secrets=(FileReference(secret_id, "key", "key"),))
    await swarm.services.create(ServiceSpec("web", TaskTemplate(container)))
    with pytest.raises(Invalid, match="secret 'key' is in use by the following service: web"):
        await swarm.secrets.remove("key")
    await swarm.services.remove("web")
    await swarm.secrets.remove("key")
    assert swarm.secrets.list({}) == []


@pytest.mark.parametrize(("kind", "size"), [("secrets", 500 * 1024), ("configs", 1000 * 1024), ("secrets", 0)])
async def test_data_has_a_size(swarm: Place, kind: str, size: int) -> None:
    with pytest.raises(Invalid, match=f"{kind[:-1]} data must be larger than 0 and less than"):
        await getattr(swarm, kind).create(file("big", b"x" * size))


async def test_the_largest_files_fit_the_store(swarm: Place) -> None:
    await swarm.secrets.create(file("big", b"x" * (500 * 1024 - 1)))
    await swarm.configs.create(file("bigger", b"x" * (1000 * 1024 - 1)))
    assert len(swarm.configs.get("bigger").spec.data) > 1000 * 1024


async def test_filters(swarm: Place) -> None:
    await swarm.secrets.create(file("key", labels={"a": "1"}))
    await swarm.secrets.create(file("key2"))

    def names(**filters: list[str]) -> list[str]:
        return [secret.spec.name for secret in swarm.secrets.list(filters)]

    assert names(name=["key"]) == ["key", "key2"]
    assert names(names=["key"]) == names(label=["a=1"]) == ["key"]
    with pytest.raises(Invalid, match="invalid filter 'foo'"):
        names(foo=["x"])

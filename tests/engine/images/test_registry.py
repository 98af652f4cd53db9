"""`docker push` and `docker pull` against a real registry."""

from __future__ import annotations

import asyncio
import gzip
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.engine.images.bringing import ImportWishes
from fairlead.model.config import Registries
from fairlead.model.errors import Failed, Invalid, NotFound, Unauthorized
from fairlead.model.image import Image, Progress, RegistryAuth
from tests.engine.images.conftest import Host
from tests.engine.images.registry import registry
from tests.support.tars import file, stream, tar

USER = "ann:$2b$05$ebuHjm04IJSr21d8G3qY8.LjxlHTNFGpkd7.G7ET.m.yik38cJa8S"  # "secret"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as serving:
        yield serving


async def bring(host: Host, content: bytes, name: str, *changes: str) -> Image:
    return await host.images.import_image(stream(content), "-", ImportWishes(name, changes))


async def pull(host: Host, name: str, auth: RegistryAuth | None = None, platform: str = "") -> list[Progress]:
    return [progress async for progress in host.images.pull(name, auth, platform)]


async def push(host: Host, name: str, auth: RegistryAuth | None = None) -> list[Progress]:
    return [progress async for progress in host.images.push(name, auth)]


def statuses(steps: list[Progress]) -> list[str]:
    return [step.status for step in steps]


async def test_what_was_pushed_can_be_pulled_again(host: Host, address: str) -> None:
    name = f"{address}/team/web:1"
    image = await bring(host, gzip.compress(tar(file("a", "1"))), name, "ENV A=1", 'CMD ["/a"]')

    told = await push(host, name)
    assert told[0].status == f"The push refers to repository [{address}/team/web]"
    digest = told[-1].aux and told[-1].aux["Digest"]
    assert told[-2].status.startswith(f"1: digest: {digest} size: ")
    await host.images.remove(name)
    await host.doomed.settled()
    assert host.leftovers() == []

    told = await pull(host, name)
    assert statuses(told)[:2] == ["Pulling from team/web", "Pulling fs layer"]
    assert told[0].id == "1"
    assert "Pull complete" in statuses(told)
    assert statuses(told)[-2:] == [f"Digest: {digest}", f"Status: Downloaded newer image for {name}"]
    pulled = host.images.get(name)
    assert (pulled.id, pulled.config) == (image.id, image.config)
    assert host.images.get(f"{address}/team/web@{digest}").id == image.id
    assert (await host.rootfs.mount("1" * 64, pulled.id) / "a").read_text() == "1"
    assert statuses(await pull(host, name))[-1] == f"Status: Image is up to date for {name}"


async def test_a_mirror_is_asked_for_what_the_hub_has(host: Host, address: str, tmp_path: Path) -> None:
    name = f"{address}/library/mirrored:1"
    image = await bring(host, gzip.compress(tar(file("a", "1"))), name)
    await push(host, name)
    other = Host(tmp_path / "other", Registries(mirrors=(f"http://{address}",)))
    try:
        await pull(other, "mirrored:1")
        assert other.images.get("mirrored:1").id == image.id
        await other.doomed.settled()
    finally:
        other.stop()


async def test_a_shared_layer_is_not_brought_twice(host: Host, address: str) -> None:
    layer = tar(file("a", "shared"))
    await bring(host, layer, f"{address}/one:1", "ENV A=1")
    await bring(host, layer, f"{address}/two:1", "ENV A=2")
    for name in ("one:1", "two:1"):
        await push(host, f"{address}/{name}")
        await host.images.remove(f"{address}/{name}")

    await pull(host, f"{address}/one:1")
    told = statuses(await pull(host, f"{address}/two:1"))

    assert "Already exists" in told
    assert "Pulling fs layer" not in told


async def test_pulls_of_one_image_at_once_share_the_work(host: Host, address: str) -> None:
    name = f"{address}/busy:1"
    await bring(host, tar(file("a", "busy")), name)
    await push(host, name)
    await host.images.remove(name)

    told = await asyncio.gather(*(pull(host, name) for _ in range(4)))

    lasts = sorted(statuses(steps)[-1] for steps in told)
    assert lasts[0].startswith("Status: Downloaded newer image")
    assert all(last.startswith("Status: Image is up to date") for last in lasts[1:])


async def test_a_list_of_platforms_gives_the_wanted_one(host: Host, address: str) -> None:
    digests = {}
    for architecture in ("amd64", "arm64"):
        name = f"{address}/multi:{architecture}"
        wishes = ImportWishes(name, platform=f"linux/{architecture}")
        await host.images.import_image(stream(gzip.compress(tar(file("a", architecture)))), "-", wishes)
        told = await push(host, name)
        digests[architecture] = told[-1].aux or {}
    listed = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [
            {
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "digest": pushed["Digest"],
                "size": pushed["Size"],
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, pushed in digests.items()
        ],
    }
    put(f"http://{address}/v2/multi/manifests/all", listed)

    await pull(host, f"{address}/multi:all", platform="linux/arm64")
    assert host.images.get(f"{address}/multi:all").architecture == "arm64"
    descriptor, platforms = await host.images.distribution(f"{address}/multi:all", None)
    assert descriptor.media_type == listed["mediaType"]
    assert [platform.architecture for platform in platforms] == ["amd64", "arm64"]
    with pytest.raises(NotFound, match=r"^no matching manifest for linux/s390x in the manifest list entries$"):
        await pull(host, f"{address}/multi:all", platform="linux/s390x")


async def test_all_tags_of_a_repository(host: Host, address: str) -> None:
    await bring(host, tar(file("a", "1")), f"{address}/tags:one")
    await host.images.tag(f"{address}/tags:one", f"{address}/tags", "two")
    told = await push(host, f"{address}/tags")
    assert sum(step.aux is not None for step in told) == 2

    assert sorted(await host.images.all_tags(f"{address}/tags", None)) == [f"{address}/tags:one", f"{address}/tags:two"]


async def test_refusals_are_dockers(host: Host, address: str) -> None:
    with pytest.raises(NotFound) as missing:
        await pull(host, f"{address}/nothing:1")
    assert missing.value.message == (f"manifest for {address}/nothing:1 not found: manifest unknown: manifest unknown")
    with pytest.raises(Failed) as unreachable:
        await pull(host, "127.0.0.1:1/nothing:1")
    assert unreachable.value.message == (
        'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'
    )
    with pytest.raises(Failed, match=f"^An image does not exist locally with the tag: {address}/absent$"):
        await push(host, f"{address}/absent:1")
    with pytest.raises(Invalid, match=r"^invalid reference format$"):
        await pull(host, "a b")


async def test_credentials(host: Host, tmp_path: Path) -> None:
    right, wrong = RegistryAuth("ann", "secret"), RegistryAuth("ann", "guess")
    with registry(tmp_path / "private", USER) as address:
        name = f"{address}/own:1"
        await bring(host, tar(file("a", "1")), name)
        with pytest.raises(Failed, match="denied"):
            await push(host, name, wrong)
        await push(host, name, right)
        await host.images.remove(name)
        with pytest.raises(NotFound, match=rf"^pull access denied for {address}/own, repository does not exist or may"):
            await pull(host, name)
        await pull(host, name, right)

        assert host.images.get(name)


@pytest.mark.parametrize(
    ("server", "name"), [("--help", "ann"), ("a\0b", "ann"), ("a b", "ann"), ("localhost:1", "a\0")]
)
async def test_what_is_no_registry_or_no_name_is_refused(host: Host, server: str, name: str) -> None:
    with pytest.raises(Invalid, match="invalid (registry address|user name)"):
        await host.images.login(server, RegistryAuth(name, "x"))


async def test_a_login_is_tried_at_the_registry_itself(host: Host, tmp_path: Path) -> None:
    with registry(tmp_path / "private", USER) as address:
        for server in (address, f"https://{address}/v2/"):
            await host.images.login(server, RegistryAuth("ann", "secret"))
            with pytest.raises(Unauthorized, match=f"^login attempt to {address} failed: .*(unauthorized|invalid)"):
                await host.images.login(server, RegistryAuth("ann", "guess"))
        with pytest.raises(Invalid, match="user name"):
            await host.images.login(address, RegistryAuth())
    with pytest.raises(Failed, match="^Get .* connection refused$"):
        await host.images.login(address, RegistryAuth("ann", "secret"))


async def test_a_pull_that_is_given_up_leaves_nothing(host: Host, address: str) -> None:
    name = f"{address}/late:1"
    await bring(host, tar(file("a", "late" * 100000)), name)
    await push(host, name)
    await host.images.remove(name)

    steps = host.images.pull(name, None)
    async for step in steps:
        if step.status == "Pulling fs layer":
            break
    await steps.aclose()  # type: ignore[attr-defined]

    await host.doomed.settled()
    assert host.leftovers() == []
    await pull(host, name)


def put(url: str, document: object) -> None:
    body = json.dumps(document).encode()
    kind = {"Content-Type": json.loads(body)["mediaType"]}
    urllib.request.urlopen(urllib.request.Request(url, body, kind, method="PUT"), timeout=10).close()

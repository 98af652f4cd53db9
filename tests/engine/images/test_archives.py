"""`docker save` and `docker load`: round trips, other programs' archives, and hostile ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from fairlead.engine.images.bringing import ImportWishes
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.image import Image, Progress
from tests.engine.images.conftest import Host
from tests.support.tars import entry, file, output_of, stream, tar


async def bring(host: Host, content: bytes, name: str, *changes: str) -> Image:
    return await host.images.import_image(stream(content), "-", ImportWishes(name, changes))


async def save(host: Host, *names: str) -> bytes:
    return b"".join([chunk async for chunk in host.images.save(names)])


async def load(host: Host, archive: bytes) -> list[Progress]:
    return [progress async for progress in host.images.load(stream(archive))]


def loaded(steps: list[Progress]) -> list[str]:
    return [step.stream for step in steps if step.stream]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def docker_archive(layer: bytes, layer_name: str = "layer.tar", diff_id: str = "", name: str = "x:1") -> bytes:
    """What an old `docker save` writes, with one layer."""
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id or plain_id(layer)]}}
    ).encode()
    index = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": [layer_name]}])
    return tar(file("manifest.json", index), file("config.json", config), file("layer.tar", layer))


def plain_id(layer: bytes) -> str:
    return f"sha256:{digest(layer)}"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_a_saved_image_comes_back_the_same(host: Host, pack: type[bytes]) -> None:
    one = await bring(host, tar(file("a", "1")), "one:1", "ENV A=1")
    two = await bring(host, gzip.compress(tar(file("a", "2"))), "two:1")
    await host.images.tag("one:1", "registry.example/one", "2")
    archive = pack(await save(host, "one:1", "registry.example/one", "two:1"))
    for image in (one, two):
        for reference in [*host.images.details(image.id).view.references]:
            await host.images.remove(reference.familiar)
    await host.doomed.settled()
    assert host.leftovers() == []

    told = await load(host, archive)

    assert loaded(told) == [
        "Loaded image: one:1\n",
        "Loaded image: registry.example/one:2\n",
        "Loaded image: two:1\n",
    ]
    assert [step.status for step in told if step.status] == ["Loading layer", "Loading layer"]
    assert host.images.get("registry.example/one:2").id == one.id
    assert host.images.get("two:1").id == two.id


async def test_an_image_saved_by_its_id_has_no_name(host: Host) -> None:
    image = await bring(host, tar(file("a", "1")), "one:1")
    archive = await save(host, image.id)
    await host.images.remove("one:1")

    assert loaded(await load(host, archive)) == [f"Loaded image ID: {image.id}\n"]
    with pytest.raises(NotFound):
        host.images.get("one:1")


async def test_a_name_that_moves_is_told(host: Host) -> None:
    old = await bring(host, tar(file("a", "1")), "web:1")
    archive = await save(host, "web:1")
    await host.images.remove("web:1")
    new = await bring(host, tar(file("a", "2")), "web:1")

    told = loaded(await load(host, archive))

    assert told[0] == f"The image web:1 already exists, renaming the old one with ID {new.id} to empty string\n"
    assert host.images.get("web:1").id == old.id


async def test_other_programs_read_what_is_saved(host: Host, tmp_path: Path) -> None:
    image = await bring(host, tar(file("a", "1")), "web:1")
    saved = tmp_path / "web.tar"
    saved.write_bytes(await save(host, "web:1"))

    raw = output_of("skopeo", "inspect", "--raw", "--config", f"docker-archive:{saved}:web:1")
    assert digest(raw) == image.id.removeprefix("sha256:")
    (tmp_path / "oci").mkdir()
    with tarfile.open(saved) as archive:
        archive.extractall(tmp_path / "oci")
    raw = output_of("skopeo", "inspect", "--raw", "--config", f"oci:{tmp_path / 'oci'}:1")
    assert digest(raw) == image.id.removeprefix("sha256:")


async def test_what_other_programs_write_is_read(host: Host, tmp_path: Path) -> None:
    image = await bring(host, tar(file("a", "1")), "web:1")
    saved = tmp_path / "web.tar"
    saved.write_bytes(await save(host, "web:1"))
    await host.images.remove("web:1")
    output_of("skopeo", "copy", "--quiet", f"docker-archive:{saved}", f"docker-archive:{tmp_path / 'd.tar'}:named:1")
    output_of("skopeo", "copy", "--quiet", f"docker-archive:{saved}", f"oci-archive:{tmp_path / 'o.tar'}:other:1")

    assert loaded(await load(host, (tmp_path / "d.tar").read_bytes())) == ["Loaded image: named:1\n"]
    assert host.images.get("named:1").id == image.id
    assert loaded(await load(host, (tmp_path / "o.tar").read_bytes())) == ["Loaded image: other:1\n"]
    assert host.images.get("other:1").layers == image.layers


async def test_layers_that_are_links_into_the_archive_are_followed(host: Host) -> None:
    layer = tar(file("a", "1"))
    archive = tar(
        *(item for item in members(docker_archive(layer, "old/layer.tar"))),
        entry("old", tarfile.DIRTYPE),
        entry("old/layer.tar", tarfile.SYMTYPE, linkname="../layer.tar"),
    )

    assert loaded(await load(host, archive)) == ["Loaded image: x:1\n"]


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(tar(file("unrelated", "x")), id="no index"),
        pytest.param(tar(file("manifest.json", "[{}]")), id="an index of nothing"),
        pytest.param(tar(file("manifest.json", "{")), id="no JSON"),
        pytest.param(docker_archive(tar(file("a")), diff_id=f"sha256:{'0' * 64}"), id="a wrong diff id"),
        pytest.param(docker_archive(tar(file("a")), diff_id="sha256:../../x"), id="a diff id that is a path"),
        pytest.param(docker_archive(tar(file("a")), "../../../../../../etc/hostname"), id="a layer outside"),
        pytest.param(docker_archive(tar(file("a")), "/etc/hostname"), id="a layer at an absolute path"),
        pytest.param(docker_archive(tar(file("a")), name="../up"), id="a name that is none"),
        pytest.param(docker_archive(b"junk" * 600), id="a layer that is no tar"),
        pytest.param(docker_archive(tar(file("../../escaped", "x"))), id="a layer that climbs"),
        pytest.param(docker_archive(tar(entry("d", tarfile.DIRTYPE), file("d/.wh.", ""))), id="a whiteout of nothing"),
        pytest.param(tar(file("../manifest.json", "x")), id="an archive that climbs"),
        pytest.param(docker_archive(tar(file("a")))[:700], id="an archive cut short"),
    ],
)
async def test_a_hostile_archive_is_refused_and_leaves_nothing(host: Host, archive: bytes) -> None:
    outside = sorted(path.name for path in host.root.parent.iterdir())

    with pytest.raises(Invalid):
        await load(host, archive)

    await host.doomed.settled()
    assert host.leftovers() == []
    assert host.images.count() == 0
    assert sorted(path.name for path in host.root.parent.iterdir()) == outside


async def test_no_member_is_written_through_a_link(host: Host, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "own").write_text("untouched")
    layer = tar(
        entry("up", tarfile.SYMTYPE, linkname="../../../victim"),
        entry("away", tarfile.SYMTYPE, linkname=str(victim)),
        entry("hard", tarfile.LNKTYPE, linkname=str(victim / "own")),
        file("away/new", "x"),
        file("up/new", "x"),
        file("/victim/absolute", "x"),
    )

    with pytest.raises(Invalid):
        await bring(host, layer, "hostile")

    assert [path.name for path in victim.iterdir()] == ["own"]
    assert (victim / "own").read_text() == "untouched"


async def test_owners_modes_links_devices_and_attributes_are_kept(host: Host) -> None:
    layer = tar(
        entry("d", tarfile.DIRTYPE, mode=0o1777, uid=5, gid=6, mtime=1000),
        file("d/set-uid", "x", mode=0o4755, uid=1000, gid=1001),
        entry("d/hard", tarfile.LNKTYPE, linkname="d/set-uid"),
        entry("d/null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("d/pipe", tarfile.FIFOTYPE),
        file("d/attributes", "x", pax_headers={"SCHILY.xattr.user.color": "blue"}),
        file("d/redirect", "x", pax_headers={"SCHILY.xattr.trusted.overlay.redirect": "/etc"}),
        file("ünïcode", "x"),
    )
    image = await bring(host, layer, "kept")
    root = await host.rootfs.mount("1" * 64, image.id)

    told = output_of("stat", "-c", "%a %u %g %F %h %t %T", *(str(root / "d" / name) for name in ("", "hard", "null")))
    assert told.decode().splitlines() == [
        "1777 5 6 directory 2 0 0",
        "4755 1000 1001 regular file 2 0 0",
        "644 0 0 character special file 1 1 3",
    ]
    assert (root / "d").stat().st_mtime == 1000
    assert b'user.color="blue"' in output_of("python3", "-c", _ATTRIBUTES, str(root / "d" / "attributes"))
    assert b"redirect" not in output_of(
        "python3", "-c", _ATTRIBUTES, str(host.layers.tree(host.images.layers(image.id)[0]) / "d" / "redirect")
    )
    assert (root / "ünïcode").read_text() == "x"


_ATTRIBUTES = (
    "import os, sys; p = sys.argv[1]; print(*(f'{n}=\"{os.getxattr(p, n).decode()}\"' for n in os.listxattr(p)))"
)


async def test_whiteouts_hide_what_lies_below(host: Host) -> None:
    lower = await bring(
        host, tar(*folders("d", "gone", "new"), file("d/old", "1"), file("gone/x"), file("new/x")), "lower"
    )
    upper = await bring(
        host,
        tar(
            *folders("d", "new"),
            file("d/.wh..wh..opq"),
            file("d/fresh", "2"),
            file(".wh.gone"),
            file(".wh.new"),
            file("new/y"),
        ),
        "upper",
    )

    root = await host.roots.mount("1" * 64, [*host.images.layers(lower.id), *host.images.layers(upper.id)])

    names = {path.name: sorted(item.name for item in path.iterdir()) for path in root.iterdir() if path.is_dir()}
    assert {name: names[name] for name in ("d", "new")} == {"d": ["fresh"], "new": ["y"]}
    assert "gone" not in names


def folders(*names: str) -> list[tarfile.TarInfo]:
    return [entry(name, tarfile.DIRTYPE) for name in names]


def members(archive: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return [(member, opened.extractfile(member).read()) for member in opened]  # type: ignore[union-attr]

"""Volumes with real directories, mounts and containers that use them."""

from __future__ import annotations

import tarfile

import pytest

from fairlead.effects.oci.volumes import VolumeFiles
from fairlead.engine.images.bringing import ImportWishes
from fairlead.engine.volumes import Volumes
from fairlead.model.container import Container, ContainerSpec, ContainerState, Mount
from fairlead.model.errors import Conflict, Failed, NotFound
from tests.engine.images.conftest import Host
from tests.support.tars import entry, file, stream, tar

FIRST, SECOND = "1" * 64, "2" * 64


@pytest.fixture
def volumes(host: Host) -> Volumes:
    return Volumes(host.memory, VolumeFiles(host.root, host.doomed))


def container(container_id: str, volume: str, status: str = "running") -> Container:
    state = ContainerState(status=status)
    mounts = (Mount("volume", "/data", volume),)
    return Container(container_id, container_id[:2], 1, ContainerSpec("x"), "x", (), mounts=mounts, state=state)


async def test_a_volume_survives_and_is_refused_to_go_while_in_use(host: Host, volumes: Volumes) -> None:
    volume = await volumes.ensure("data", labels={"a": "b"})
    (await volumes.mount("data", FIRST) / "kept").write_text("x")
    host.state.put_container(container(FIRST, "data", "exited"))

    with pytest.raises(Conflict, match=rf"^remove data: volume is in use - \[{FIRST}\]$"):
        await volumes.remove("data", force=True)
    volumes.load_state(host.store.load())
    assert volumes.get("data") == volume == await volumes.ensure("data")
    host.state.drop_container(FIRST)
    await volumes.remove("data")

    with pytest.raises(NotFound, match=r"^get data: no such volume$"):
        volumes.get("data")
    assert not (host.root / "volumes" / "data").exists()
    assert [event.action for event in host.told] == ["create", "mount", "destroy"]


async def test_an_empty_volume_takes_what_the_image_has_there(host: Host, volumes: Volumes) -> None:
    layer = tar(
        entry("data", tarfile.DIRTYPE, uid=7, gid=8, mode=0o750),
        file("data/file", "from the image", uid=9),
        entry("elsewhere", tarfile.SYMTYPE, linkname="/data"),
        entry("outside", tarfile.SYMTYPE, linkname="../../../../etc"),
    )
    image = await host.images.import_image(stream(layer), "-", ImportWishes("x"))
    root = await host.rootfs.mount(FIRST, image.id)
    for name, directory in (
        ("direct", "/data"),
        ("linked", "/elsewhere"),
        ("escape", "/outside"),
        ("none", "/nothing"),
    ):
        await volumes.ensure(name)
        await volumes.populate(name, await volumes.mount(name, FIRST), root, directory)

    data = await volumes.mount("direct", FIRST)
    status = data.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (7, 8, 0o750)
    assert (data / "file").read_text() == "from the image"
    assert (data / "file").stat().st_uid == 9
    assert [path.name for path in (await volumes.mount("linked", FIRST)).iterdir()] == ["file"]
    assert "passwd" not in [path.name for path in (await volumes.mount("escape", FIRST)).iterdir()]
    assert list((await volumes.mount("none", FIRST)).iterdir()) == []
    (data / "file").write_text("changed")
    await volumes.populate("direct", data, root, "/data")
    assert (data / "file").read_text() == "changed"


async def test_a_part_of_a_volume_is_of_the_volume(host: Host, volumes: Volumes) -> None:
    await volumes.ensure("parted")
    data = await volumes.mount("parted", FIRST)
    (data / "sub").mkdir()
    (data / "good").symlink_to("sub")
    for name, target in (("root", "/"), ("up", ".."), ("over", "sub/../../../etc"), ("twice", "root")):
        (data / name).symlink_to(target)

    for name in ("sub", "good"):
        part = volumes.part("parted", name)
        (data / "sub").rename(data / "moved")
        assert part.path.samefile(data / "moved")
        (data / "moved").rename(data / "sub")
        part.close()
        assert not part.path.exists()
    for name in ("root", "up", "over", "twice", "../_data/sub", "/etc"):
        with pytest.raises(Failed, match="path concatenation escapes the base directory"):
            volumes.part("parted", name)
    with pytest.raises(Failed, match="cannot access path .*/parted/_data/none: no such file or directory"):
        volumes.part("parted", "none")


async def test_a_volume_with_a_device_is_mounted_while_somebody_uses_it(host: Host, volumes: Volumes) -> None:
    await volumes.ensure("ram", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=700"})
    path = await volumes.mount("ram", FIRST)
    assert path.is_mount()
    await volumes.mount("ram", SECOND)
    await volumes.unmount("ram", FIRST)
    await volumes.unmount("ram", FIRST)
    assert path.is_mount()

    host.state.put_container(container(SECOND, "ram"))
    volumes.load_state(host.store.load())
    host.state.drop_container(SECOND)
    await volumes.unmount("ram", SECOND)

    assert not path.is_mount()


async def test_a_device_that_cannot_be_mounted_is_named(host: Host, volumes: Volumes) -> None:
    await volumes.ensure("broken", options={"type": "none", "device": "/nowhere", "o": "bind"})

    with pytest.raises(Failed) as refused:
        await volumes.mount("broken", FIRST)
    path = host.root / "volumes" / "broken" / "_data"
    assert refused.value.message == (
        f"error while mounting volume '{path}': failed to mount local volume: mount /nowhere:{path}: "
        "special device /nowhere does not exist"
    )


async def test_prune_spares_what_is_named_or_used(host: Host, volumes: Volumes) -> None:
    nameless, used = await volumes.ensure(), await volumes.ensure()
    await volumes.ensure("named")
    host.state.put_container(container(FIRST, used.name, "exited"))
    (await volumes.mount(nameless.name, SECOND) / "x").write_bytes(b"x" * 500)

    assert await volumes.prune() == ([nameless.name], 500)
    assert await volumes.prune({"all": ["true"]}) == (["named"], 0)
    assert [volume.name for volume in volumes.list()] == [used.name]

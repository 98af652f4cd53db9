"""`docker import`, tags, removal and mounts, over real layers and overlayfs."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
from time import perf_counter

import pytest

from fairlead.engine.images.bringing import ImportWishes
from fairlead.model.container import Container, ContainerSpec, ContainerState
from fairlead.model.errors import Conflict, Invalid, NotFound
from fairlead.model.image import Image, Removed
from tests.engine.images.conftest import Host
from tests.support.tars import busybox_rootfs, file, output_of, stream, tar


async def bring(host: Host, content: bytes, name: str = "", *changes: str) -> Image:
    return await host.images.import_image(stream(content), "-", ImportWishes(name, changes))


def container(image: Image, status: str = "exited", container_id: str = "c" * 64) -> Container:
    spec = ContainerSpec(image=image.id)
    return Container(container_id, "web", 1, spec, image.id, (), state=ContainerState(status=status))


async def test_an_imported_image_has_a_config_a_name_and_one_layer(host: Host) -> None:
    rootfs = busybox_rootfs()

    image = await bring(host, rootfs, "busybox", 'CMD ["sh"]', "ENV A=1 B='x y'", "EXPOSE 80 53/udp", "LABEL l=v")

    assert host.images.get("busybox:latest") == image
    assert image.layers == (f"sha256:{hashlib.sha256(rootfs).hexdigest()}",)
    assert image.id == f"sha256:{hashlib.sha256(host.blobs.read(image.id)).hexdigest()}"
    assert image.config.cmd == ("sh",)
    assert image.config.env == ("A=1", "B=x y")
    assert image.config.exposed == ("80/tcp", "53/udp")
    assert image.config.labels == {"l": "v"}
    assert [event.action for event in host.told] == ["import"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
async def test_the_diff_id_is_that_of_the_plain_tar_however_it_is_packed(host: Host, pack: type[bytes]) -> None:
    rootfs = tar(file("etc/motd", "hello"))

    image = await bring(host, pack(rootfs), "packed")

    assert image.layers == (f"sha256:{hashlib.sha256(rootfs).hexdigest()}",)


async def test_zstd_is_understood(host: Host) -> None:
    rootfs = tar(file("etc/motd", "hello"))
    packed = output_of("zstd", "-qc", given=rootfs)

    image = await bring(host, packed, "packed")

    assert image.layers == (f"sha256:{hashlib.sha256(rootfs).hexdigest()}",)


@pytest.mark.parametrize(
    "content",
    [b"no tar at all" * 100, busybox_rootfs()[:200_000], gzip.compress(b"x" * 999)[:-9]],
    ids=["no tar", "cut short", "cut short in gzip"],
)
async def test_what_is_no_tar_is_refused_and_leaves_nothing(host: Host, content: bytes) -> None:
    with pytest.raises(Invalid, match="invalid tar"):
        await bring(host, content, "broken")

    await host.doomed.settled()
    assert host.leftovers() == []
    with pytest.raises(NotFound, match=r"^No such image: broken:latest$"):
        host.images.get("broken")


async def test_references_resolve_as_dockers(host: Host) -> None:
    image = await bring(host, tar(file("a")), "127.0.0.1:5000/team/web:1.0")

    digits = image.id.removeprefix("sha256:")
    for text in ("127.0.0.1:5000/team/web:1.0", image.id, digits, digits[:12], f"sha256:{digits[:7]}"):
        assert host.images.get(text).id == image.id
    with pytest.raises(NotFound, match=r"^No such image: 127.0.0.1:5000/team/web:latest$"):
        host.images.get("127.0.0.1:5000/team/web")
    with pytest.raises(Invalid, match=r"^invalid reference format$"):
        host.images.get("a//b")
    with pytest.raises(Invalid, match="must be lowercase"):
        host.images.get("Web")


async def test_a_tag_moves_and_everything_survives_a_restart(host: Host) -> None:
    old = await bring(host, tar(file("a", "1")), "web:1")
    new = await bring(host, tar(file("a", "2")))
    await host.images.tag(old.id, "registry.example/web", "2")
    await host.images.tag(new.id, "web", "1")

    host.restart()

    assert host.images.get("web:1").id == new.id
    assert host.images.get("registry.example/web:2").id == old.id
    assert [view.references for view in host.images.list({"dangling": ["true"]})] == []
    assert host.images.get(new.id).config == new.config


async def test_a_container_writes_above_shared_layers(host: Host) -> None:
    image = await bring(host, busybox_rootfs(), "busybox")
    first = await host.rootfs.mount("1" * 64, image.id)
    second = await host.rootfs.mount("2" * 64, image.id)

    (first / "etc" / "passwd").write_text("changed")

    assert (second / "etc" / "passwd").read_text() == "root:x:0:0"
    assert (host.rootfs.upper("1" * 64) / "etc" / "passwd").read_text() == "changed"
    assert (first / "dev" / "console").exists()
    assert (first / "etc" / "mtab").is_symlink()
    assert os.listdir(host.rootfs.upper("2" * 64)) == []
    assert output_of("chroot", str(first), "/bin/cat", "/etc/passwd") == b"changed"


async def test_mounts_are_idempotent_and_keep_what_was_written(host: Host) -> None:
    image = await bring(host, tar(file("a", "1")), "busybox")
    root = await host.rootfs.mount("1" * 64, image.id)
    (root / "b").write_text("kept")

    assert await host.rootfs.mount("1" * 64, image.id) == root
    await host.rootfs.unmount("1" * 64)
    await host.rootfs.unmount("1" * 64)
    host.restart()
    root = await host.rootfs.mount("1" * 64, image.id)

    assert (root / "b").read_text() == "kept"
    await host.rootfs.remove("1" * 64)
    await host.rootfs.remove("1" * 64)
    assert not root.exists()


async def test_a_mount_costs_next_to_nothing(host: Host) -> None:
    image = await bring(host, tar(file("a", "1")), "busybox")
    costs = []
    for number in range(20):
        start = perf_counter()
        await host.rootfs.mount(f"{number:064x}", image.id)
        costs.append(perf_counter() - start)

    assert min(costs) < 0.003


async def test_the_most_layers_that_an_image_may_have_can_be_mounted(host: Host) -> None:
    layers = []
    for number in range(125):
        image = await bring(host, tar(file(f"file{number}", str(number))))
        layers += host.images.layers(image.id)

    root = await host.roots.mount("1" * 64, layers)

    assert sorted(path.name for path in root.glob("file*")) == sorted(f"file{number}" for number in range(125))


async def test_removal_by_name_takes_the_last_name_and_the_image_with_it(host: Host) -> None:
    image = await bring(host, tar(file("a", "1")), "web:1")
    await host.images.tag("web:1", "web", "2")

    assert await host.images.remove("web:1") == [Removed(untagged="web:1")]
    assert await host.images.remove("web:2") == [
        Removed(untagged="web:2"),
        Removed(deleted=image.id),
        Removed(deleted=image.layers[0]),
    ]

    await host.doomed.settled()
    assert host.leftovers() == []
    assert [event.action for event in host.told] == ["import", "tag", "untag", "untag", "delete"]


async def test_removal_by_id_refuses_what_docker_refuses(host: Host) -> None:
    image = await bring(host, tar(file("a", "1")), "web:1")
    short = image.id[7:19]
    await host.images.tag("web:1", "other", "1")

    with pytest.raises(
        Conflict,
        match=rf"unable to delete {short} \(must be forced\) - image is referenced in multiple repositories$",
    ):
        await host.images.remove(short)
    host.state.put_container(container(image))
    with pytest.raises(Conflict, match="image is being used by stopped container cccccccccccc"):
        await host.images.remove(short)
    host.state.put_container(container(image, "running"))
    with pytest.raises(Conflict, match=rf"{short} \(cannot be forced\) - image is being used by running container c"):
        await host.images.remove(short, force=True)


async def test_a_name_in_use_goes_only_by_force_and_the_image_stays_while_it_runs(host: Host) -> None:
    image = await bring(host, tar(file("a", "1")), "web:1")
    host.state.put_container(container(image, "running"))

    with pytest.raises(Conflict) as refused:
        await host.images.remove("web:1")
    assert refused.value.message == (
        'conflict: unable to remove repository reference "web:1" (must force) - '
        f"container cccccccccccc is using its referenced image {image.id[7:19]}"
    )
    assert await host.images.remove("web:1", force=True) == [Removed(untagged="web:1")]
    assert host.images.get(image.id).id == image.id


async def test_prune_takes_the_nameless_and_with_all_the_unused(host: Host) -> None:
    nameless = await bring(host, tar(file("a", "1" * 1000)))
    named = await bring(host, tar(file("a", "2")), "web")
    used = await bring(host, tar(file("a", "3")), "used")
    host.state.put_container(container(used))

    removed, reclaimed = await host.images.prune({})
    assert Removed(deleted=nameless.id) in removed
    assert reclaimed == 1000
    removed, _ = await host.images.prune({"dangling": ["false"]})
    assert removed == [
        Removed(untagged="web:latest"),
        Removed(deleted=named.id),
        Removed(deleted=named.layers[0]),
    ]
    assert host.images.get("used").id == used.id


async def test_a_layer_lives_as_long_as_an_image_has_it(host: Host) -> None:
    content = tar(file("a", "1"))
    first = await bring(host, content, "one", "ENV A=1")
    second = await bring(host, content, "two", "ENV A=2")
    assert first.layers == second.layers

    assert await host.images.remove("one") == [Removed(untagged="one:latest"), Removed(deleted=first.id)]
    assert host.layers.present(host.images.layers(second.id)[0])


async def test_what_a_crash_left_behind_is_gone_after_the_next_start(host: Host) -> None:
    image = await bring(host, tar(file("a", "1")), "one")
    (host.root / "overlay" / "feedfeedfeedfeedfeedfeed").mkdir()
    (host.layers.stage() / "half").write_text("x")
    host.blobs.write(b"orphan")

    host.restart()
    await host.doomed.settled()

    layer = host.images.layers(image.id)[0]
    assert sorted(host.leftovers()) == sorted([layer.directory, image.id[7:], layer.blob[7:]])

"""Files of containers as tars, in both directions, and never outside."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.effects.oci.changes import changes
from fairlead.effects.oci.files import ContainerFileSystem
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.runtime import ADDED, DELETED, MODIFIED, FileChange, FileRoot, MountPoint, UnpackOptions
from tests.support.tars import entry, file, stream, tar

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
FILES = ContainerFileSystem()


@pytest.fixture
def root(tmp_path: Path) -> FileRoot:
    inside = tmp_path / "root"
    (inside / "etc").mkdir(parents=True)
    (inside / "etc/motd").write_text("hello")
    (tmp_path / "secret").write_text("outside")
    (inside / "escape").symlink_to("../secret")
    (inside / "up").symlink_to("../../../../etc")
    return FileRoot(0, inside)


async def packed(chunks: AsyncIterator[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join([chunk async for chunk in chunks])))


async def test_a_directory_and_its_contents(root: FileRoot) -> None:
    assert (await packed(FILES.pack(root, "/etc"))).getnames() == ["etc", "etc/motd"]
    assert (await packed(FILES.pack(root, "/etc/."))).getnames() == [".", "./motd"]
    tarred = (await packed(FILES.pack(root, "/etc/motd"))).extractfile("motd")
    assert tarred is not None
    assert tarred.read() == b"hello"


async def test_links_do_not_lead_outside(root: FileRoot) -> None:
    assert (await packed(FILES.pack(root, "/escape"))).getmember("escape").issym()
    with pytest.raises(NotFound, match="Could not find the file /escape/ in container"):
        await FILES.stat(root, "/escape/")
    await FILES.unpack(root, "/up", stream(tar(file("planted", b"x"))), UnpackOptions())
    assert (root.rootfs / "etc/planted").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../../planted", "/../planted", "etc/../../planted"])
async def test_names_in_an_archive_do_not_lead_outside(root: FileRoot, tmp_path: Path, name: str) -> None:
    await FILES.unpack(root, "/etc", stream(tar(file(name, b"x"))), UnpackOptions())
    assert not (tmp_path / "planted").exists()
    assert [path.name for path in root.rootfs.rglob("planted")] == ["planted"]


async def test_stat(root: FileRoot) -> None:
    found = await FILES.stat(root, "/etc")
    assert (found.name, found.mode >> 31) == ("etc", 1)
    link = await FILES.stat(root, "/up")
    assert (link.link_target, link.mode >> 27 & 1) == ("/etc", 1)
    with pytest.raises(NotFound):
        await FILES.stat(root, "/nothing")


async def test_owners_modes_and_links_are_kept(root: FileRoot) -> None:
    archive = tar(
        entry("d", tarfile.DIRTYPE, mode=0o750, uid=7, gid=8),
        file("d/f", b"data", mode=0o4755, uid=7, gid=8),
        entry("d/l", tarfile.SYMTYPE, linkname="f"),
        entry("d/h", tarfile.LNKTYPE, linkname="d/f", mode=0o4755, uid=7, gid=8),
    )
    await FILES.unpack(root, "/etc", stream(archive), UnpackOptions())
    etc = root.rootfs / "etc"
    info = (etc / "d/f").stat()
    assert (info.st_uid, info.st_gid, info.st_mode & 0o7777) == (7, 8, 0o4755)
    assert (etc / "d/l").readlink() == Path("f")
    assert (etc / "d/h").samefile(etc / "d/f")


async def test_all_may_belong_to_the_containers_user(root: FileRoot) -> None:
    (root.rootfs / "etc/passwd").write_text("web:x:33:34::/:/bin/sh\n")
    archive = tar(entry("d", tarfile.DIRTYPE, uid=7), file("d/f", b"data", uid=7))
    for asked, owner in ((UnpackOptions(to_user=True, user="web"), (33, 34)), (UnpackOptions(user="web"), (7, 0))):
        await FILES.unpack(root, "/etc", stream(archive), asked)
        info = (root.rootfs / "etc/d/f").stat()
        assert (info.st_uid, info.st_gid) == owner


async def test_kinds_can_be_protected(root: FileRoot) -> None:
    keep = UnpackOptions(keep_kind=True)
    with pytest.raises(Invalid, match="cannot overwrite directory"):
        await FILES.unpack(root, "/", stream(tar(file("etc", b"x"))), keep)
    with pytest.raises(Invalid, match="cannot overwrite non-directory"):
        await FILES.unpack(root, "/etc", stream(tar(entry("motd", tarfile.DIRTYPE))), keep)


async def test_what_is_no_archive_or_no_directory_is_refused(root: FileRoot) -> None:
    with pytest.raises(Invalid, match="invalid archive"):
        await FILES.unpack(root, "/", stream(b"not a tar" * 200), UnpackOptions())
    with pytest.raises(Invalid, match="not a directory"):
        await FILES.unpack(root, "/etc/motd", stream(tar(file("x"))), UnpackOptions())
    with pytest.raises(NotFound):
        await FILES.unpack(root, "/nothing", stream(tar(file("x"))), UnpackOptions())


async def test_volumes_are_seen_in_their_places_and_nowhere_after(root: FileRoot, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "kept").write_text("in the volume")
    with_volume = FileRoot(0, root.rootfs, (MountPoint("bind", str(volume), "/data", ("rbind",)),))
    assert (await FILES.stat(with_volume, "/data/kept")).size == 13
    await FILES.unpack(with_volume, "/data", stream(tar(file("new", b"y"))), UnpackOptions())
    assert (volume / "new").read_bytes() == b"y"
    assert not (root.rootfs / "data").is_mount()
    assert list((root.rootfs / "data").iterdir()) == []


async def test_the_view_of_a_running_process_is_used() -> None:
    """Our own process stands for a container's: its view is the host's."""
    root = FileRoot(os.getpid(), Path("/nonexistent"))
    assert (await FILES.stat(root, __file__)).name == Path(__file__).name


async def test_export_is_everything(root: FileRoot) -> None:
    assert set((await packed(FILES.export(root))).getnames()) == {"etc", "etc/motd", "escape", "up"}


async def test_a_client_that_leaves_in_the_middle_ends_the_work(root: FileRoot) -> None:
    (root.rootfs / "big").write_bytes(b"x" * (4 << 20))
    chunks = FILES.pack(root, "/big")
    await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]


def test_changes_are_read_from_the_upper_directory(tmp_path: Path) -> None:
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    for folder in (upper / "etc", upper / "new", lower / "etc"):
        folder.mkdir(parents=True)
    (lower / "etc/motd").write_text("old")
    (upper / "etc/motd").write_text("new")
    (upper / "new/file").write_text("x")
    os.mknod(upper / "etc/gone", 0o020000, os.makedev(0, 0))
    assert changes(upper, (lower,)) == [
        FileChange("/etc", MODIFIED),
        FileChange("/etc/gone", DELETED),
        FileChange("/etc/motd", MODIFIED),
        FileChange("/new", ADDED),
        FileChange("/new/file", ADDED),
    ]


async def test_sources_of_binds(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="bind source path does not exist"):
        FILES.prepare_bind(str(tmp_path / "a"), create=False)
    FILES.prepare_bind(str(tmp_path / "a/b"), create=True)
    assert (tmp_path / "a/b").is_dir()

"""`-v`, `--mount`, `--tmpfs` and image volumes as one list, and as mount options."""

from __future__ import annotations

import pytest

from fairlead.core.containers.mounts import gather, parse_bind, point
from fairlead.model.container import ContainerSpec, Mount
from fairlead.model.errors import Invalid
from fairlead.model.runtime import MountPoint


def test_a_path_is_bound_and_made_when_missing() -> None:
    assert parse_bind("/src:/dst/:ro,rslave") == Mount(
        "bind", "/dst", "/src", read_only=True, propagation="rslave", create_source=True, mode="ro,rslave"
    )


def test_a_name_is_a_volume() -> None:
    assert parse_bind("data:/var:nocopy") == Mount("volume", "/var", "data", no_copy=True, mode="nocopy")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/a", "invalid volume specification: '/a'"),
        ("a:b:c:d", "invalid volume specification"),
        ("/a:b", "mount path must be absolute"),
        ("/a:/", "destination can't be '/'"),
        ("/a:/b:rx", "invalid mode: rx"),
        ("/a:/b:ro,rw", "invalid mode"),
        ("da ta:/b", "includes invalid characters for a local volume name"),
        ("vol:/b:rshared", "invalid mode"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parse_bind(text)


def test_an_explicit_mount_replaces_the_images_volume() -> None:
    spec = ContainerSpec("i", binds=("mine:/data",), tmpfs={"/run": "size=1m"})
    assert [(mount.kind, mount.target, mount.source) for mount in gather(spec, ("/data", "/other"))] == [
        ("volume", "/data", "mine"),
        ("tmpfs", "/run", ""),
        ("volume", "/other", ""),
    ]


def test_two_mounts_on_one_target_are_refused() -> None:
    with pytest.raises(Invalid, match="Duplicate mount point: /x"):
        gather(ContainerSpec("i", binds=("/a:/x", "/b:/x/")), ())


def test_options_are_those_of_mount() -> None:
    assert point(Mount("bind", "/x", "/a", read_only=True)) == MountPoint(
        "bind", "/a", "/x", ("rbind", "rprivate", "ro")
    )
    assert point(Mount("volume", "/x", "v", subpath="sub"), "/vols/v/sub").source == "/vols/v/sub"
    assert point(Mount("tmpfs", "/t", tmpfs_options="exec,size=2m")).options == (
        "nosuid",
        "nodev",
        "exec",
        "size=2m",
    )
    assert point(Mount("tmpfs", "/t", tmpfs_size=4096, tmpfs_mode=0o700)).options[-2:] == ("size=4096", "mode=700")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (".", "mount path must be absolute"),
        ("foo", "mount path must be absolute"),
        ("/", "destination can't be '/'"),
        ("//", "destination can't be '/'"),
        ("/a/..", "destination can't be '/'"),
    ],
)
def test_tmpfs_needs_a_place_of_its_own(target: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        gather(ContainerSpec("i", tmpfs={target: ""}), ())

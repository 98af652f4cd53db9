"""Files of containers on a tmpfs of the daemon's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.effects.oci.mount import detach
from fairlead.effects.oci.private_files import PrivateFiles
from fairlead.model.runtime import PrivateFile

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SECRET = PrivateFile("/run/secrets/pass", b"hush", 7, 8, 0o400)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "private"
    yield folder
    if folder.exists():
        detach(folder)


def test_files_lie_in_memory_with_owner_and_mode_and_nobody_else_looks_in(folder: Path) -> None:
    (mount,) = PrivateFiles(folder).give("c1", [SECRET])
    assert (mount.target, mount.options[:2]) == ("/run/secrets/pass", ("bind", "ro"))
    written = Path(mount.source)
    assert written.read_bytes() == b"hush"
    found = written.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (7, 8, 0o400)
    assert folder.is_mount()
    assert (folder.stat().st_mode & 0o777, written.parent.stat().st_mode & 0o777) == (0o700, 0o700)
    kinds = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    assert [kind[2] for kind in kinds if kind[1] == str(folder)] == ["tmpfs"]


def test_nothing_is_left_when_the_last_container_ended(folder: Path) -> None:
    files = PrivateFiles(folder)
    files.give("c1", [SECRET])
    files.give("c2", [SECRET])
    files.take_back("c1")
    assert [one.name for one in folder.iterdir()] == ["c2"]
    files.take_back("c2")
    files.take_back("c2")
    assert not folder.exists()


def test_another_daemon_keeps_those_of_running_containers(folder: Path) -> None:
    files = PrivateFiles(folder)
    (kept,) = files.give("c1", [SECRET])
    files.give("c2", [SECRET])
    PrivateFiles(folder).keep_only(["c1"])
    assert [one.name for one in folder.iterdir()] == ["c1"]
    assert Path(kept.source).read_bytes() == b"hush"
    PrivateFiles(folder).keep_only([])
    assert not folder.exists()


def test_who_needs_none_costs_nothing(folder: Path) -> None:
    assert PrivateFiles(folder).give("c1", []) == ()
    assert not folder.exists()

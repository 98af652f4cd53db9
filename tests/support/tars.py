"""Tars made in the test: root file systems with a static busybox, and hostile ones."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

BUSYBOX = Path("/bin/busybox")


def entry(name: str, kind: bytes = tarfile.REGTYPE, **attributes: object) -> tarfile.TarInfo:
    """A member with tarfile's attributes (mode, linkname, devmajor, pax_headers, ...)."""
    member = tarfile.TarInfo(name)
    member.type = kind
    member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    return member


def tar(*members: tuple[tarfile.TarInfo, bytes] | tarfile.TarInfo) -> bytes:
    """The bytes of a tar of exactly these members."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for item in members:
            member, content = item if isinstance(item, tuple) else (item, b"")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def file(name: str, content: bytes | str = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, **attributes), content.encode() if isinstance(content, str) else content


def busybox_rootfs(commands: Iterable[str] = ("sh", "ls", "cat", "sleep", "true")) -> bytes:
    """A root file system that can run these commands."""
    folders = [entry(name, tarfile.DIRTYPE) for name in ("bin", "etc", "tmp", "root")]
    links = [entry(f"bin/{name}", tarfile.SYMTYPE, linkname="busybox") for name in commands]
    return tar(
        *folders, file("bin/busybox", BUSYBOX.read_bytes(), mode=0o755), *links, file("etc/passwd", "root:x:0:0")
    )


async def stream(content: bytes, piece: int = 1 << 16) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


def output_of(*command: str, given: bytes = b"") -> bytes:
    """What a command prints; it must succeed."""
    return subprocess.run(command, input=given, capture_output=True, check=True, timeout=30).stdout

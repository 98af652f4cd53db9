"""How a file is compressed, told by its first bytes, and the program that undoes it."""

from __future__ import annotations

from pathlib import Path

from fairlead.model.image import GZIP, PLAIN, ZSTD

XZ, BZIP2 = "xz", "bzip2"
MAGIC_LENGTH = 6

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", GZIP),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"\xfd7zXZ\x00", XZ),
    (b"BZh", BZIP2),
)
_PROGRAMS = {GZIP: "gzip", ZSTD: "zstd", XZ: "xz", BZIP2: "bzip2"}


def compression_of(head: bytes) -> str:
    """PLAIN, GZIP, ZSTD, "xz" or "bzip2"."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), PLAIN)


def compression_of_file(file: Path) -> str:
    with file.open("rb") as content:
        return compression_of(content.read(MAGIC_LENGTH))


def decompressor(compression: str) -> tuple[str, ...]:
    """The command that decompresses its standard input to its standard output."""
    return (_PROGRAMS[compression], "-dc")

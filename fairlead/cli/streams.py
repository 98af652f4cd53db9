"""Output of containers on the wire: raw from a TTY, else in frames that say which stream they belong to.

A frame is eight bytes, (stream, 0, 0, 0, length big-endian), then the data; stream 1 is standard output, 2 is
standard error.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
STDOUT, STDERR = 1, 2
_HEADER = struct.Struct(">BxxxI")


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """(stream, data) pairs; data of a frame comes as it arrives."""
    inbox = bytearray()
    stream = left = 0
    for chunk in chunks:
        inbox += chunk
        while inbox:
            if not left:
                if len(inbox) < _HEADER.size:
                    break
                stream, left = _HEADER.unpack_from(inbox)
                del inbox[: _HEADER.size]
                continue
            data = bytes(inbox[:left])
            del inbox[: len(data)]
            left -= len(data)
            yield stream, data


def show(chunks: Iterable[bytes], multiplexed: bool) -> None:
    """Write a container's output to ours, at once."""
    for stream, data in frames(chunks) if multiplexed else ((STDOUT, chunk) for chunk in chunks):
        out: BinaryIO = sys.stderr.buffer if stream == STDERR else sys.stdout.buffer
        out.write(data)
        out.flush()

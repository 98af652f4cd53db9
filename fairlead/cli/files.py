"""Files of the user that go to the daemon or come from it, "-" and "" being the standard streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fairlead.cli.faults import Fault

PIECE = 1 << 18


def write_stream(chunks: Iterable[bytes], path: str) -> None:
    """To a file, or to standard output unless that is a terminal."""
    if path in ("", "-"):
        if sys.stdout.isatty():
            raise Fault("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    try:
        with Path(path).open("wb") as file:
            file.writelines(chunks)
    except OSError as error:
        raise Fault(f"open {path}: {(error.strerror or '').lower()}") from error


def read_stream(path: str) -> Iterator[bytes]:
    """Of a file, or of standard input unless that is a terminal."""
    if path in ("", "-"):
        if sys.stdin.isatty():
            raise Fault("requested load from stdin, but stdin is empty")
        yield from iter(lambda: os.read(sys.stdin.fileno(), PIECE), b"")
        return
    try:
        with Path(path).open("rb") as file:
            yield from iter(lambda: file.read(PIECE), b"")
    except OSError as error:
        raise Fault(f"open {path}: {(error.strerror or '').lower()}") from error

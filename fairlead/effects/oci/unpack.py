"""Unpacking one tar, whoever made it, into a fresh directory, and learning its diff id on the way.

GNU tar does the work: it keeps owners, links, devices, sparse files and extended attributes, refuses names with
"..", cuts leading slashes, and makes links that point upwards or away only after everything else, so that
no member is written through them.

All functions here block; they run in threads.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fairlead.effects.oci.compression import compression_of_file, decompressor
from fairlead.effects.oci.trees import settle
from fairlead.model.errors import Invalid
from fairlead.model.image import PLAIN

_CHUNK = 1 << 18
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
_TAR = (
    "tar",
    "--extract",
    "--file=-",
    "--numeric-owner",
    "--same-owner",
    "--preserve-permissions",
    "--delay-directory-restore",
    "--xattrs",
    "--xattrs-include=*",
    # A layer must not bring overlayfs's own marks: a redirect would show other directories than its own.
    "--xattrs-exclude=trusted.*",
    "--warning=no-timestamp",
    "--warning=no-unknown-keyword",
)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """`diff_id` is the SHA-256 of the uncompressed tar, `size` the bytes of all files."""

    diff_id: str
    size: int


class Unpacker:
    """Unpacks, and can be stopped: `stop` ends the programs that are at work."""

    def __init__(self) -> None:
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def stop(self) -> None:
        with self._lock:
            for child in self._children:
                child.kill()

    def layer(self, source: Path, tree: Path) -> Unpacked:
        """Unpack the layer in `source` into the empty directory `tree`, in overlayfs form. Raises `Invalid`."""
        compression = compression_of_file(source)
        with source.open("rb") as packed:
            if compression == PLAIN:
                diff_id = self._pour(packed, tree)
            else:
                with self._program(decompressor(compression), stdin=packed, stdout=subprocess.PIPE) as child:
                    assert child.stdout is not None
                    diff_id = self._pour(child.stdout, tree)
        return Unpacked(diff_id, settle(tree))

    def expand(self, source: Path, target: Path) -> None:
        """Decompress a file. Raises `Invalid`."""
        compression = compression_of_file(source)
        command = decompressor(compression)
        with source.open("rb") as packed, target.open("wb") as plain, self._program(command, packed, plain):
            pass

    def _pour(self, plain: IO[bytes], tree: Path) -> str:
        """Feed a plain tar to tar(1); returns the digest of all its bytes, also of those behind the end mark."""
        digest = hashlib.sha256()
        command = (*_TAR, f"--directory={tree}")
        with self._program(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as tar:
            assert tar.stdin is not None
            listening = True
            while chunk := plain.read(_CHUNK):
                digest.update(chunk)
                if listening:
                    try:
                        tar.stdin.write(chunk)
                    except BrokenPipeError:
                        listening = False
            with suppress(BrokenPipeError):
                tar.stdin.close()
        return f"sha256:{digest.hexdigest()}"

    def _program(
        self, command: tuple[str, ...], stdin: IO[bytes] | int, stdout: IO[bytes] | int
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return _Program(self, command, stdin, stdout)

    def register(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._children.add(child)

    def forget(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._children.discard(child)


class _Program(AbstractContextManager["subprocess.Popen[bytes]"]):
    """A child process for the length of a `with`; its failure is `Invalid` with its own words."""

    def __init__(
        self, owner: Unpacker, command: tuple[str, ...], stdin: IO[bytes] | int, stdout: IO[bytes] | int
    ) -> None:
        self._owner, self._command, self._stdin, self._stdout = owner, command, stdin, stdout
        self._stack = ExitStack()

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._complaints = self._stack.enter_context(tempfile.TemporaryFile())
        self._child = subprocess.Popen(
            self._command, stdin=self._stdin, stdout=self._stdout, stderr=self._complaints, env=_ENVIRONMENT
        )
        self._owner.register(self._child)
        return self._child

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._child.kill()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        status = self._child.wait()
        self._owner.forget(self._child)
        self._complaints.seek(0)
        words = self._complaints.read(4096).decode("utf-8", "replace")
        self._stack.close()
        if kind is None and status != 0:
            reason = _first_line(words) or f"{self._command[0]} ended with {status}"
            raise Invalid(f"invalid tar or compression: {reason}")


def _first_line(words: str) -> str:
    lines = [line for line in words.splitlines() if "Removing leading" not in line]
    return lines[0].removeprefix("tar: ") if lines else ""

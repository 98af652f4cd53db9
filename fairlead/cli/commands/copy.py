"""`cp`: files between a container and this host, as tar streams.

A path of a container is written CONTAINER:PATH. Like `cp -r`: into a directory that is there the source goes
under its own name, else it takes the name of the destination; a source that ends in "/." means its content.
"""

from __future__ import annotations

import base64
import io
import json
import os
import posixpath
import sys
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from fairlead.cli.client import Client, Query
from fairlead.cli.command import command, pass_client
from fairlead.cli.faults import DaemonRefused, Fault
from fairlead.cli.fields import Json, number, text
from fairlead.cli.files import PIECE, read_stream, write_stream

GO_DIRECTORY, GO_SYMLINK = 1 << 31, 1 << 27
STAT = "x-docker-container-path-stat"
TAR = {"Content-Type": "application/x-tar"}


@command("cp", help="Copy files/folders between a container and the local filesystem")
@click.option("-a", "--archive", is_flag=True, help="Archive mode (copy all uid/gid information)")
@click.option("-L", "--follow-link", is_flag=True, help="Always follow symbol link in SRC_PATH")
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress output during copy")
@click.argument("source", metavar="CONTAINER:SRC_PATH|SRC_PATH|-")
@click.argument("target", metavar="CONTAINER:DEST_PATH|DEST_PATH|-")
@pass_client
def cp(client: Client, archive: bool, follow_link: bool, quiet: bool, source: str, target: str) -> None:
    outer, from_path = split_path(source)
    inner, to_path = split_path(target)
    if outer and inner:
        raise Fault("copying between containers is not supported")
    if not outer and not inner:
        raise Fault("must specify at least one container source")
    if outer:
        _out(client, outer, from_path, to_path, follow_link)
        said = f"Successfully copied {from_path} to {target}"
    else:
        _into(client, inner, (from_path, to_path), archive, follow_link)
        said = f"Successfully copied {source} to {target}"
    if not quiet and sys.stderr.isatty():
        click.echo(said, err=True)


def split_path(written: str) -> tuple[str, str]:
    """(container, path); the container is "" for a path of this host."""
    if written.startswith(("/", "./", "../")) or written in ("-", ".", ".."):
        return "", written
    container, separator, path = written.partition(":")
    return (container, path) if separator else ("", written)


def _stat(client: Client, container: str, path: str) -> Json | None:
    """What is at `path`; None for nothing."""
    try:
        answer = client.request("HEAD", f"/containers/{container}/archive", {"path": path})
    except DaemonRefused as refusal:
        if refusal.code != 404:
            raise
        return None
    found = json.loads(base64.b64decode(answer.headers.get(STAT, "") or "e30="))
    return found if isinstance(found, dict) else {}


# --- out of a container ---------------------------------------------------------------------------


def _out(client: Client, container: str, path: str, target: str, follow: bool) -> None:
    if follow:
        found = _stat(client, container, path)
        path = text(found, "linkTarget") or path
    answer = client.request("GET", f"/containers/{container}/archive", {"path": path})
    if target == "-":
        write_stream(answer.chunks(), "-")
        return
    root, name = _landing(path, target)
    with tarfile.open(fileobj=ChunkReader(answer.chunks()), mode="r|") as tar:
        extract(tar, root, name)


def _landing(path: str, target: str) -> tuple[Path, str]:
    """(directory to unpack in, new name of the top; "" keeps it, "." drops it)."""
    place = Path(target)
    if place.is_dir():
        return place, "." if _means_content(path) else ""
    if target.endswith("/"):
        raise Fault(f"destination directory {target} does not exist")
    if not place.parent.is_dir():
        raise Fault(f'invalid output path: directory "{place.parent.absolute()}" does not exist')
    return place.parent, place.name


def _means_content(path: str) -> bool:
    return path == "." or path.endswith("/.")


class ChunkReader(io.RawIOBase):
    """A stream of chunks as a file that `tarfile` can read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                size = len(self._rest)
                break
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def extract(tar: tarfile.TarFile, root: Path, name: str) -> None:
    """Unpack below `root` under another name for the top entry. What would land outside is refused."""
    for member in tar:
        top, _, rest = member.name.strip("/").partition("/")
        head = {"": top, ".": ""}.get(name, name)
        member.name = posixpath.join(head, rest) if head else rest or "."
        if member.islnk():
            member.linkname = posixpath.join(head, member.linkname.strip("/").partition("/")[2])
        _check_inside(root, member)
        try:
            tar.extract(member, root, numeric_owner=True)
        except OSError as error:
            raise Fault(f"cannot write {root / member.name}: {(error.strerror or str(error)).lower()}") from error


def _check_inside(root: Path, member: tarfile.TarInfo) -> None:
    """The archive comes from a container, and its links may point anywhere: nothing is written through them."""
    border = root.resolve()
    for written in (member.name, *([member.linkname] if member.islnk() else [])):
        place = (border / written).parent.resolve() if written != "." else border
        if ".." in written.split("/") or not place.is_relative_to(border):
            raise Fault(f"the archive wants to write outside of {root}: {written}")


# --- into a container -----------------------------------------------------------------------------


def _into(client: Client, container: str, paths: tuple[str, str], keep_owners: bool, follow: bool) -> None:
    source, target = paths
    if source == "-":
        _put(client, container, target, read_stream("-"), keep_owners)
        return
    origin = Path(source)
    if not os.path.lexists(origin):
        raise Fault(f"lstat {origin.absolute()}: no such file or directory")
    if follow:
        origin = origin.resolve()
    directory, name = _place(client, container, source, target)
    if origin.is_dir() and not origin.is_symlink() and not name:
        name = "."
    _put(client, container, directory, pack(origin, name or origin.name), keep_owners)


def _place(client: Client, container: str, source: str, target: str) -> tuple[str, str]:
    """(directory inside, name for the top entry; "" for its own)."""
    found = _stat(client, container, target)
    if found is not None and number(found, "mode") & GO_SYMLINK and text(found, "linkTarget"):
        target = text(found, "linkTarget")
        found = _stat(client, container, target)
    if found is not None and number(found, "mode") & GO_DIRECTORY:
        return target, "" if _means_content(source) else Path(source).absolute().name
    if found is not None and Path(source).is_dir():
        raise Fault("cannot copy directory to a file")
    if found is None and target.endswith("/") and not Path(source).is_dir():
        raise Fault(f"no such directory: {target}")
    parent, _, name = target.rstrip("/").rpartition("/")
    return parent or "/", name


def _put(client: Client, container: str, directory: str, tar: Iterable[bytes], keep_owners: bool) -> None:
    query: Query = {"path": directory, "noOverwriteDirNonDir": "true", "copyUIDGID": keep_owners}
    client.request("PUT", f"/containers/{container}/archive", query, tar, TAR).body()


def pack(origin: Path, name: str) -> Iterator[bytes]:
    """A tar of `origin`, whose top entry is called `name`; made beside, so that no file need fit in memory."""
    outlet, inlet = os.pipe()
    failed: list[OSError] = []

    def write() -> None:
        try:
            with os.fdopen(inlet, "wb") as sink, tarfile.open(fileobj=sink, mode="w|") as tar:
                for path, inside in _walk(origin, name):
                    tar.add(path, inside, recursive=False)
        except OSError as error:
            failed.append(error)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with os.fdopen(outlet, "rb") as source:
        yield from iter(lambda: source.read(PIECE), b"")
    writer.join()
    if failed:
        raise Fault(f"cannot read {failed[0].filename or origin}: {(failed[0].strerror or str(failed[0])).lower()}")


def _walk(origin: Path, name: str) -> Iterator[tuple[Path, str]]:
    yield origin, name
    if origin.is_dir() and not origin.is_symlink():
        for child in sorted(origin.iterdir()):
            yield from _walk(child, posixpath.join(name, child.name))

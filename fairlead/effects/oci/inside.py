"""The part of `docker cp` that runs inside a container's root, as a process of its own.

`docker cp` reads and writes paths that the container's owner controls, links included. Instead of resolving them with
care, this program enters the container's root and then works with plain paths: what it opens lies inside, whatever
the links say (CVE-2018-15664 is the lesson). For a container at rest it takes a mount namespace of its own first and
puts the container's volumes and binds in their places; they end with it. A process, not a thread: libraries that are
loaded while the root is another one would poison the daemon's loader.

Called as `python -I -S -c ... REQUEST`; the request is JSON (see `main`). A tar goes to stdout or comes from stdin, the
result goes to the descriptor `result`: `{"value": ...}` or `{"error": kind, "message": text}`. It imports nothing but
the standard library, and all of it before it enters.
"""

from __future__ import annotations

import bz2
import errno
import io
import json
import lzma
import os
import stat
import sys
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairlead.effects.oci.mount import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare
from fairlead.effects.oci.scope import inside

NOT_FOUND, INVALID, NOT_ALLOWED, FAILED = "not found", "invalid", "not allowed", "failed"
_PRELOADED = (bz2, lzma, zlib)  # tarfile imports them when it needs them, which is too late inside

# Go's os.FileMode: its own bits for the kind, the Unix ones for permissions.
_GO_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_SPECIAL = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))
_VIRTUAL = ("/proc", "/sys", "/dev")


class Refused(Exception):  # noqa: N818 - it becomes a Refusal on the other side
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


def main() -> None:
    """Carry out `verb` (stat, pack, export, unpack) on `path`, in `pid`'s root or in `rootfs` with `mounts`."""
    request = json.loads(sys.argv[1])
    try:
        enter(request)
        answer = {"value": _VERBS[request["verb"]](request)}
    except Refused as refused:
        answer = {"error": refused.kind, "message": refused.message}
    except BrokenPipeError:
        return  # the client has left
    except OSError as error:
        answer = {"error": FAILED, "message": f"{error.filename or request.get('path', '')}: {error.strerror}"}
    os.write(request["result"], json.dumps(answer).encode())


def enter(request: Mapping[str, Any]) -> None:
    """Make the container's root that of this process, for good."""
    if request["pid"]:
        os.chroot(f"/proc/{request['pid']}/root")
    else:
        unshare(CLONE_NEWNS)
        mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
        for source, target in request["mounts"]:
            _bind(Path(request["rootfs"]), source, target)
        os.chroot(request["rootfs"])
    os.chdir("/")


def _bind(rootfs: Path, source: str, target: str) -> None:
    place = inside(rootfs, target)
    if os.path.isdir(source):
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    mount(source, place, "", MS_BIND | MS_REC)


def _stat(request: Mapping[str, Any]) -> dict[str, Any]:
    """The link itself, unless the path ends in a slash."""
    path = request["path"]
    try:
        info = os.stat(path) if path.endswith(("/", "/.")) else os.lstat(path)
        link = os.path.realpath(path) if stat.S_ISLNK(info.st_mode) else ""
    except OSError as error:
        raise _missing(path, error) from error
    name = os.path.basename(os.path.normpath(path)) or "/"
    return {
        "name": name,
        "size": info.st_size,
        "mode": go_mode(info.st_mode),
        "mtime": info.st_mtime_ns,
        "link_target": link,
    }


def _missing(path: str, error: OSError) -> Refused:
    if error.errno == errno.ENOENT:
        return Refused(NOT_FOUND, f"Could not find the file {path} in container")
    if error.errno == errno.ENOTDIR:
        return Refused(INVALID, f"lstat {path}: not a directory")
    return Refused(FAILED, f"{path}: {error.strerror}")


def go_mode(mode: int) -> int:
    """Unix mode bits as Go's `os.FileMode`."""
    result = mode & 0o777 | _GO_KINDS.get(stat.S_IFMT(mode), 0)
    for bit, go_bit in _GO_SPECIAL:
        if mode & bit:
            result |= go_bit
    return result


def _pack(request: Mapping[str, Any]) -> None:
    """A tar of the file or directory under its own name; `dir/.` packs the contents."""
    path = request["path"]
    contents_only = path.endswith("/.")
    real = os.path.normpath(path)
    if path.endswith("/") or contents_only:
        real = os.path.realpath(real)
    name = "." if contents_only or real == "/" else os.path.basename(os.path.normpath(path))
    _write_tar(lambda tar: _add(tar, real, name))


def _export(_: Mapping[str, Any]) -> None:
    def write(tar: tarfile.TarFile) -> None:
        for name in sorted(os.listdir("/")):
            _add(tar, f"/{name}", name)

    _write_tar(write)


def _write_tar(write: Callable[[tarfile.TarFile], None]) -> None:
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        write(tar)
    sys.stdout.buffer.flush()


def _add(tar: tarfile.TarFile, path: str, name: str) -> None:
    """A file or a tree; what vanishes meanwhile and sockets are left out."""
    try:
        info = tar.gettarinfo(path, name)
        if info is None:
            return
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)  # as Docker's: a fraction would cost each member a header of its own
        if info.isreg():
            with open(path, "rb") as content:
                tar.addfile(info, content)
            return
        children = sorted(os.listdir(path)) if info.isdir() and path not in _VIRTUAL else []
    except (FileNotFoundError, PermissionError):
        return
    tar.addfile(info)
    for child in children:
        _add(tar, os.path.join(path, child), f"{name}/{child}")


def _unpack(request: Mapping[str, Any]) -> None:
    path = request["path"]
    try:
        info = os.stat(path)
    except OSError as error:
        raise _missing(path, error) from error
    if not stat.S_ISDIR(info.st_mode):
        raise Refused(INVALID, "extraction point is not a directory")
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        what = "mounted volume" if os.path.ismount(path) else "container rootfs"
        raise Refused(NOT_ALLOWED, f"{what} is marked read-only")
    stream = sys.stdin.buffer
    assert isinstance(stream, io.BufferedReader)
    if not stream.peek(1):
        return  # Docker's clients may send nothing at all
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                if request["owner"]:
                    member.uid, member.gid = request["owner"]
                _extract(tar, member, path, request["keep_kind"])
    except tarfile.TarError as error:
        raise Refused(INVALID, f"invalid archive: {error}") from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: str, keep_kind: bool) -> None:
    """One member, with its numeric owner, its mode and its time. Names with `..` stay inside: the root is ours."""
    target = os.path.normpath(os.path.join(folder, member.name.lstrip("/")))
    if keep_kind and os.path.lexists(target):
        is_folder = os.path.isdir(target) and not os.path.islink(target)
        if is_folder != member.isdir():
            old, new = ("directory", "non-directory") if is_folder else ("non-directory", "directory")
            raise Refused(INVALID, f'cannot overwrite {old} "{target}" with {new} "{folder}"')
    if not member.isdir() and os.path.islink(target):
        os.unlink(target)
    member.name, member.uname, member.gname = target.lstrip("/"), "", ""
    if member.islnk():
        member.linkname = os.path.normpath(os.path.join(folder, member.linkname.lstrip("/"))).lstrip("/")
    tar.extract(member, "/", numeric_owner=True)


_VERBS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "stat": _stat,
    "pack": _pack,
    "export": _export,
    "unpack": _unpack,
}

"""Sockets to listen on: `unix://PATH` for the users of this host, `tcp://ADDR:PORT` for others."""

from __future__ import annotations

import grp
import os
import socket
import stat
from pathlib import Path

from fairlead.model.errors import Failed, Invalid

BACKLOG = 1024
SOCKET_GROUP = "docker"
SOCKET_MODE = 0o660


def listening_sockets(host: str) -> list[socket.socket]:
    """Bound, listening sockets for one `-H` value. Raises `Invalid` for a bad one, `Failed` when it cannot be had."""
    scheme, separator, rest = host.partition("://")
    if scheme == "unix" and separator and rest:
        return [_unix_socket(Path(rest))]
    if scheme == "tcp" and separator:
        return _tcp_sockets(host, rest)
    raise Invalid(f"invalid host {host!r}: it should be unix://PATH or tcp://ADDRESS:PORT")


def _unix_socket(path: Path) -> socket.socket:
    if not path.is_absolute():
        raise Invalid(f"invalid host unix://{path}: the path of a socket must be absolute")
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        mask = os.umask(0o777 & ~SOCKET_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        _give_to_group(path)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Failed(f"cannot listen on unix://{path}: {error.strerror or error}") from error
    return listener


def _clear_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more. Raises `Failed` for one in use and for anything else."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Failed(f"cannot listen on unix://{path}: there is something else of that name")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise Failed(f"cannot listen on unix://{path}: {error.strerror}") from error
    raise Failed(f"cannot listen on unix://{path}: another daemon is listening there")


def _give_to_group(path: Path) -> None:
    """Members of the group `docker`, where there is one, may talk to the daemon."""
    try:
        group = grp.getgrnam(SOCKET_GROUP)
    except KeyError:
        return
    os.chown(path, -1, group.gr_gid)


def _tcp_sockets(host: str, address: str) -> list[socket.socket]:
    name, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise Invalid(f"invalid host {host!r}: it should be tcp://ADDRESS:PORT")
    name = name.removeprefix("[").removesuffix("]") or "127.0.0.1"
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, target in socket.getaddrinfo(name, int(port), type=socket.SOCK_STREAM):
            sockets.append(_tcp_socket(family, target))
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise Failed(f"cannot listen on {host}: {error.strerror or error}") from error
    return sockets


def _tcp_socket(family: int, target: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        listener.bind(target)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

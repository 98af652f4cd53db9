"""Holding host ports: a bound socket that does not listen keeps everybody else out, and costs no process.

The kernel translates packets to published ports before it would look for a socket, so a held socket sees none. Where it
cannot translate (an IPv6 address of the host for a container without one, `::1`), the same socket carries the traffic
itself (`splice`).

A port of all IPv4 and all IPv6 addresses is one socket of both families: where a process may have 20,000 open files,
ten thousand such ports still fit.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from fairlead.effects.kernel.splice import Splice, Target, TcpSplice, UdpSplice
from fairlead.model.errors import Failed
from fairlead.model.network import Address

PortHold = tuple[str, int, str]

_EVERY_IPV4, _EVERY_IPV6 = "0.0.0.0", "::"
_IPPROTO_SCTP = 132
_KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, _IPPROTO_SCTP),
}
_NO_PROTOCOL = (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)


class HostPorts:
    """Fulfils `Ports` in the namespace of the thread that calls."""

    def __init__(self) -> None:
        self._held: dict[PortHold, socket.socket | None] = {}
        self._splices: dict[PortHold, Splice] = {}

    async def start(self) -> None:
        """Nothing to prepare."""

    async def close(self) -> None:
        await self.release(list(self._held))

    async def hold(self, wanted: Sequence[PortHold]) -> None:
        """All or none. Raises Failed, "failed to bind host port for 0.0.0.0:80/tcp: address already in use"."""
        pairs = {hold for hold in wanted if hold[0] == _EVERY_IPV4} & {_twin(hold) for hold in wanted}
        made: list[PortHold] = []
        try:
            for pair in pairs:
                made += self._bind_pair(pair)
            taken = set(made)
            for hold in wanted:
                if hold not in taken:
                    self._held[hold] = self._bind(hold)
                    made.append(hold)
        except BaseException:
            await self.release(made)
            raise

    def _bind_pair(self, hold: PortHold) -> Sequence[PortHold]:
        """Bind a port of both families' every address; what is held now. Refused means that one of the two is not to be
        had, or that there is no IPv6: asked for singly, they will tell."""
        twin = _twin(hold)
        if hold in self._held or twin in self._held:
            return ()
        try:
            self._held[hold] = self._held[twin] = _bind_socket(twin, reuse=False, both=True)
        except OSError:
            return ()
        return hold, twin

    async def release(self, held: Sequence[PortHold]) -> None:
        """Let them go, with what they carry; what is not held is passed over."""
        for hold in held:
            splice = self._splices.pop(hold, None)
            if splice is not None:
                splice.close()
            bound = self._held.pop(hold, None)
            if bound is not None and bound is not self._held.get(_twin(hold)):
                bound.close()

    async def splice(self, held: PortHold, target: Address, port: int, loopback_only: bool = False) -> None:
        """From now on carry what reaches a held port to `target`; with `loopback_only` what was sent to ::1 or
        127.0.0.0/8, and refuse the rest. Again with another target it moves there; flows on the way are ended.

        Raises Failed when the port is not held, or is one that cannot be carried (SCTP).
        """
        bound = self._held.get(held)
        if bound is None or held[2] == "sctp":
            raise Failed(f"cannot carry {_words(held)} to {target}: the port is not held")
        old = self._splices.pop(held, None)
        if old is not None:
            old.close()
        kind = TcpSplice if held[2] == "tcp" else UdpSplice
        self._splices[held] = kind(bound, Target(str(target), port), loopback_only)

    def _bind(self, hold: PortHold) -> socket.socket | None:
        if hold in self._held:
            raise _refused(hold, errno.EADDRINUSE)
        try:
            return _bound_socket(hold)
        except OSError as refused:
            if hold[2] == "sctp" and refused.errno in _NO_PROTOCOL:
                return None
            if refused.errno == errno.EAFNOSUPPORT and ip_address(hold[0]).is_unspecified:
                return None
            raise _refused(hold, refused.errno or 0) from refused


def _bound_socket(hold: PortHold) -> socket.socket:
    """Without SO_REUSEADDR, so that nobody may share the port. A TCP port whose last connections still linger in
    TIME_WAIT can only be had with it; then it is taken back once the socket is bound, and whoever shares the port
    is refused when they listen."""
    try:
        return _bind_socket(hold, reuse=False)
    except OSError as refused:
        if refused.errno != errno.EADDRINUSE or hold[2] != "tcp":
            raise
    bound = _bind_socket(hold, reuse=True)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return bound


def _twin(hold: PortHold) -> PortHold:
    """The same port of the other family's every address."""
    address, port, protocol = hold
    return (_EVERY_IPV4 if address == _EVERY_IPV6 else _EVERY_IPV6, port, protocol)


def _bind_socket(hold: PortHold, reuse: bool, both: bool = False) -> socket.socket:
    """`both`: of both families."""
    address, port, protocol = hold
    kind, number = _KINDS[protocol]
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, number)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        if reuse:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


def _words(hold: PortHold) -> str:
    address, port, protocol = hold
    return f"{f'[{address}]' if ':' in address else address}:{port}/{protocol}"


def _refused(hold: PortHold, code: int) -> Failed:
    return Failed(f"failed to bind host port for {_words(hold)}: {os.strerror(code).lower()}")

"""How large a packet may be on the way to another node: asked of the way itself, as tracepath does.

A UDP packet that may not be broken is sent to a port where nobody listens. Three things may be said to it: the other
node refuses it, so it has arrived whole; a router on the way says what its next link takes; or nothing. Nothing at a
large size, where a small one is answered, is a router that drops and keeps silent; then sizes that links have are
tried. Nothing at any size says nothing: somebody filters.

Nothing is needed at the other end, and who forges an answer needs the packet that it quotes (the kernel looks).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from bisect import bisect_left

from fairlead.effects.kernel.netns import entered
from fairlead.model.network import Address

PORT = 33434
"""traceroute's first, at which nobody listens."""
TRIES = 2

_SIZES = (576, 1006, 1280, 1372, 1400, 1420, 1436, 1450, 1460, 1472, 1480, 1492, 1500, 4352, 8192, 8500, 8950, 9000)
_DISCOVER, _MTU, _RECEIVE_ERRORS, _PROBE = 0, 1, 2, 3
_OPTIONS = {4: (socket.IPPROTO_IP, 10, 14, 11), 6: (socket.IPPROTO_IPV6, 23, 24, 25)}
"""Level, and the numbers of MTU_DISCOVER, MTU and RECVERR (linux/in.h, linux/in6.h)."""
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_HEADERS = {4: 20 + 8, 6: 40 + 8}
_SMALLEST = {4: 576, 6: 1280}
_ERROR = struct.Struct("=IBBBxII")
"""errno, origin, type, code, info, data (linux/errqueue.h); the address of who said it follows."""
_ARRIVED, _SILENCE = -1, 0
_MSG_ERRQUEUE = 0x2000


class PathProbe:
    """Asks from the namespace `ns`, "" for the one of its thread. No answer for `patience` seconds is none.

    The kernel at the other end refuses a few packets at once, and then one a second."""

    def __init__(self, ns: str = "", patience: float = 1.0) -> None:
        self._ns, self._patience = ns, patience

    async def measure(self, peer: Address, most: int) -> int:
        """The largest IP packet, up to `most` bytes, that reaches `peer` whole; 0 when nothing can be said."""
        try:
            with entered(self._ns):
                asking = _socket(peer)
        except OSError:
            return 0
        try:
            return await _Search(asking, peer, self._patience).run(most)
        finally:
            asking.close()


def _socket(peer: Address) -> socket.socket:
    level, discover, _, receive_errors = _OPTIONS[peer.version]
    made = socket.socket(_FAMILIES[peer.version], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(level, discover, _PROBE)
        made.setsockopt(level, receive_errors, 1)
        made.connect((str(peer), PORT))
    except OSError:
        made.close()
        raise
    return made


class _Search:
    def __init__(self, asking: socket.socket, peer: Address, patience: float) -> None:
        self._socket, self._peer, self._patience = asking, peer, patience
        self._least = _SMALLEST[peer.version]

    async def run(self, most: int) -> int:
        size = min(most, self._known())
        while size > self._least:
            said = await self._ask(size)
            if said == _ARRIVED:
                return size
            if said == _SILENCE:
                return await self._between(size)
            size = max(min(said, size - 1), self._least)
        return self._least if await self._ask(self._least) == _ARRIVED else 0

    def _known(self) -> int:
        """What the kernel knows already: of its own route, or from a router."""
        level, _, mtu, _ = _OPTIONS[self._peer.version]
        return self._socket.getsockopt(level, mtu)

    async def _between(self, silent: int) -> int:
        """The largest usual size that is answered, below one that is not; 0 when the smallest is not either."""
        if await self._ask(self._least) != _ARRIVED:
            return 0
        sizes = [self._least, *_SIZES[bisect_left(_SIZES, self._least + 1) : bisect_left(_SIZES, silent)]]
        low, high = 0, len(sizes)
        while high - low > 1:
            middle = (low + high) // 2
            if await self._ask(sizes[middle]) == _ARRIVED:
                low = middle
            else:
                high = middle
        return sizes[low]

    async def _ask(self, size: int) -> int:
        """`_ARRIVED`, `_SILENCE`, or what a router says that the way takes."""
        for _ in range(TRIES):
            try:
                self._socket.send(bytes(size - _HEADERS[self._peer.version]))
            except OSError as refused:
                if refused.errno == errno.EMSGSIZE:
                    return max(min(self._known(), size - 1), self._least)
                # Any other error was said to an earlier packet, and stands in the queue too.
            said = await self._answer()
            if said != _SILENCE:
                return said
        return _SILENCE

    async def _answer(self) -> int:
        loop = asyncio.get_running_loop()
        heard = loop.create_future()
        loop.add_reader(self._socket, self._read, heard)
        try:
            return await asyncio.wait_for(heard, self._patience)
        except TimeoutError:
            return _SILENCE
        finally:
            loop.remove_reader(self._socket)

    def _read(self, heard: asyncio.Future[int]) -> None:
        try:
            _, ancillary, _, _ = self._socket.recvmsg(64, 512, _MSG_ERRQUEUE)
        except OSError:
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return
        for _, _, raw in ancillary:
            said = self._understood(raw)
            if said != _SILENCE and not heard.done():
                heard.set_result(said)

    def _understood(self, raw: bytes) -> int:
        """Whatever the other node itself says, it says to a packet that has reached it."""
        number, _, _, _, info, _ = _ERROR.unpack_from(raw)
        if number == errno.EMSGSIZE:
            return int(info)
        return _ARRIVED if _speaker(raw[_ERROR.size :]) == self._peer.packed else _SILENCE


def _speaker(raw: bytes) -> bytes:
    """The address in a sockaddr_in or sockaddr_in6."""
    family = int.from_bytes(raw[:2], "little")
    return raw[4:8] if family == socket.AF_INET else raw[8:24]

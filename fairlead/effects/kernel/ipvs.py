"""IPVS over generic netlink (include/uapi/linux/ip_vs.h), as far as virtual addresses need it.

Virtual servers are known by a mark of the packet and the address family, so one serves every protocol and port of an
address. Real servers have port 0: whoever is led to one keeps the port that it asked for. Destinations are translated
(IP_VS_CONN_F_MASQ), sources are not.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from ipaddress import ip_address
from struct import pack, unpack

from fairlead.effects.kernel.attributes import attribute, be16, nested, parse, read_text, read_u32, text, u16, u32
from fairlead.effects.kernel.netlink import Ack, Channel, Message
from fairlead.effects.kernel.words import in_words
from fairlead.model.errors import KernelRefused
from fairlead.model.network import Address
from fairlead.model.plan import (
    DelRealServer,
    DelVirtualServer,
    PutRealServer,
    PutVirtualServer,
    SettleVirtualServers,
)
from fairlead.model.servers import ServerKey, VirtualServer

Change = PutVirtualServer | DelVirtualServer | PutRealServer | DelRealServer

NAME, VERSION = "IPVS", 1
_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_NEW_SERVICE, _SET_SERVICE, _DEL_SERVICE, _GET_SERVICE, _NEW_DEST, _SET_DEST, _DEL_DEST, _GET_DEST = range(1, 9)
_SET_CONFIG, _GET_CONFIG = 12, 13
_SERVICE, _DEST, _TIMEOUT_TCP, _TIMEOUT_TCP_FIN, _TIMEOUT_UDP = 1, 2, 4, 5, 6
_AF, _MARK, _SCHEDULER, _FLAGS, _TIMEOUT, _NETMASK = 1, 5, 6, 7, 8, 9
_ADDRESS, _PORT, _METHOD, _WEIGHT, _UPPER, _LOWER, _DEST_AF = 1, 2, 3, 4, 5, 6, 11
_TRANSLATE = 0
_FAMILY, _VERSIONS = {4: 2, 6: 10}, {2: 4, 10: 6}
_WHOLE_ADDRESS = {4: 0xFFFFFFFF, 6: 128}
_HEAD = 4

_FALLBACK = 0x8
"""IP_VS_SVC_F_SCHED1: whom a hash leads to a real server of weight 0 goes to another."""
_HASHES = ("mh", "sh")
_MISSING = frozenset((errno.ENOENT, errno.ESRCH))


def family_id(channel: Channel) -> int:
    """The number of IPVS among the generic families, or 0; asking loads the module."""
    answer = channel.ask([Message(_CONTROLLER, 0, pack("=BBH", _GET_FAMILY, 1, 0) + text(_FAMILY_NAME, NAME))])[0]
    if isinstance(answer, Ack):
        return 0
    number: int = unpack("=H", parse(answer, _HEAD)[_FAMILY_ID])[0]
    return number


class Ipvs:
    """IPVS in the namespace of a channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._family = channel, family_id(channel)
        if not self._family:
            raise KernelRefused("use IPVS", errno.EOPNOTSUPP, "this kernel has no module ip_vs")

    def change(self, operation: Change) -> bool:
        """Do it; whether something that was not there was made. Raises KernelRefused."""
        ack = self._request([_message(operation, again=False)])[0]
        made = not ack.errno
        if ack.errno == errno.EEXIST and isinstance(operation, PutVirtualServer | PutRealServer):
            ack = self._request([_message(operation, again=True)])[0]
        _check(operation, ack)
        return made

    def settle(self, wanted: SettleVirtualServers) -> None:
        """Raises KernelRefused."""
        ack = self._request([self._patient(wanted.patience)])[0]
        if ack.errno:
            raise KernelRefused(in_words(wanted), ack.errno, ack.detail)
        held = {server.key: server for server in self.servers()}
        for server in wanted.servers:
            self._settle_one(held.pop(server.key, None), server)
        for key in held:
            self.change(DelVirtualServer(key))

    def _settle_one(self, old: VirtualServer | None, new: VirtualServer) -> None:
        if old is None or old.scheduler != new.scheduler:
            self.change(PutVirtualServer(new.key, new.scheduler))
        real = old.real if old else {}
        puts = [PutRealServer(new.key, each, weight) for each, weight in new.real.items() if real.get(each) != weight]
        gone = [DelRealServer(new.key, address) for address in real if address not in new.real]
        steps: list[PutRealServer | DelRealServer] = [*puts, *gone]
        known = [isinstance(step, PutRealServer) and step.address in real for step in steps]
        messages = [_message(step, again) for step, again in zip(steps, known, strict=True)]
        for step, ack in zip(steps, self._request(messages), strict=True):
            _check(step, ack)

    def _patient(self, seconds: int) -> tuple[int, bytes]:
        """The other timeouts stay as they are, which 0 stands for."""
        return _SET_CONFIG, u32(_TIMEOUT_TCP, seconds) + u32(_TIMEOUT_TCP_FIN, 0) + u32(_TIMEOUT_UDP, 0)

    def patience(self) -> int:
        """For how many seconds an idle TCP connection is remembered."""
        answer = self._channel.ask([self._framed(_GET_CONFIG, b"")])[0]
        if isinstance(answer, Ack):
            raise KernelRefused("read the timeouts of IPVS", answer.errno, answer.detail)
        return read_u32(parse(answer, _HEAD)[_TIMEOUT_TCP])

    def servers(self) -> list[VirtualServer]:
        """Those that marks lead to."""
        found = (parse(parse(raw, _HEAD)[_SERVICE]) for raw in self._channel.dump(self._framed(_GET_SERVICE, b"")))
        return [self._server(service) for service in found if _MARK in service]

    def _server(self, service: dict[int, bytes]) -> VirtualServer:
        key = ServerKey(read_u32(service[_MARK]), _VERSIONS[_u16(service[_AF])])
        dests = self._channel.dump(self._framed(_GET_DEST, _identity(key)))
        real = (parse(parse(raw, _HEAD)[_DEST]) for raw in dests)
        weights = {_read_address(each[_ADDRESS], key.version): read_u32(each[_WEIGHT]) for each in real}
        return VirtualServer(key, read_text(service[_SCHEDULER]), weights)

    def _request(self, commands: Sequence[tuple[int, bytes]]) -> list[Ack]:
        return self._channel.request([self._framed(*command) for command in commands])

    def _framed(self, command: int, body: bytes) -> Message:
        return Message(self._family, 0, pack("=BBH", command, VERSION, 0) + body)


def _check(operation: Change, ack: Ack) -> None:
    """What is to be removed may be missing, with its virtual server too."""
    gone = isinstance(operation, DelVirtualServer | DelRealServer) and ack.errno in _MISSING
    if ack.errno and not gone:
        raise KernelRefused(in_words(operation), ack.errno, ack.detail)


def _message(operation: Change, again: bool) -> tuple[int, bytes]:
    """The command and its attributes; `again` for what is there already."""
    match operation:
        case PutVirtualServer(key, scheduler):
            return _SET_SERVICE if again else _NEW_SERVICE, _service(key, scheduler)
        case DelVirtualServer(key):
            return _DEL_SERVICE, _identity(key)
        case PutRealServer(key, address, weight):
            return _SET_DEST if again else _NEW_DEST, _identity(key) + _dest(address, weight)
        case DelRealServer(key, address):
            return _DEL_DEST, _identity(key) + nested(_DEST, *_dest_identity(address))


def _identity(key: ServerKey) -> bytes:
    return nested(_SERVICE, u16(_AF, _FAMILY[key.version]), u32(_MARK, key.mark))


def _service(key: ServerKey, scheduler: str) -> bytes:
    flags = _FALLBACK if scheduler in _HASHES else 0
    return nested(
        _SERVICE,
        u16(_AF, _FAMILY[key.version]),
        u32(_MARK, key.mark),
        text(_SCHEDULER, scheduler),
        attribute(_FLAGS, pack("=II", flags, 0xFFFFFFFF)),
        u32(_TIMEOUT, 0),
        u32(_NETMASK, _WHOLE_ADDRESS[key.version]),
    )


def _dest_identity(address: Address) -> tuple[bytes, ...]:
    return (
        attribute(_ADDRESS, address.packed.ljust(16, b"\0")),
        be16(_PORT, 0),
        u16(_DEST_AF, _FAMILY[address.version]),
    )


def _dest(address: Address, weight: int) -> bytes:
    limits = u32(_UPPER, 0) + u32(_LOWER, 0)
    return nested(_DEST, *_dest_identity(address), u32(_METHOD, _TRANSLATE), u32(_WEIGHT, weight), limits)


def _u16(raw: bytes) -> int:
    number: int = unpack("=H", raw)[0]
    return number


def _read_address(raw: bytes, version: int) -> Address:
    return ip_address(raw[:4] if version == 4 else raw)

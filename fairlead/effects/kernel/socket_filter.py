"""Classic BPF in front of netlink sockets (linux/filter.h, SO_ATTACH_FILTER): what nobody wants to know wakes nobody.

A filter sees one datagram, which as a rule is one message; answers to dumps hold several and say so in their flags. It
is written as a list of steps, each of which loads something or decides about it; what no step has dropped passes.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

TYPE_AT, FLAGS_AT, PORT_AT, PAYLOAD_AT = 4, 6, 12, 16
"""Where the parts of a netlink message are (nlmsghdr)."""

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_LOAD_VALUE, _VALUE_TO_X, _A_TO_X, _LOAD_WORD_BEHIND_X = 0x00, 0x01, 0x07, 0x40
_AND, _EQUAL, _RETURN = 0x54, 0x15, 0x06
_FIND_ATTRIBUTE = 0xFFFFF000 + 12
"""SKF_AD_OFF + SKF_AD_NLATTR: the place of the attribute X at or behind the place A; 0 where there is none."""
_ATTRIBUTE_HEADER = 4
_EVERYTHING, _NOTHING = 0xFFFFFFFF, 0

_ON, _PASS, _DROP = 0, -1, -2


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction. `then` and `otherwise` tell how many to skip, or how it ends."""

    code: int
    value: int = 0
    then: int = _ON
    otherwise: int = _ON


def attach(target: socket.socket, steps: Sequence[Step]) -> None:
    program = ctypes.create_string_buffer(_assembled(steps))
    described = struct.pack("HP", len(steps) + 2, ctypes.addressof(program))
    target.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _assembled(steps: Sequence[Step]) -> bytes:
    """The steps, then what lets pass, then what drops."""
    length = len(steps)

    def skipped(at: int, target: int) -> int:
        return target if target >= _ON else length - at - 1 + (target == _DROP)

    verdicts = (Step(_RETURN, _EVERYTHING), Step(_RETURN, _NOTHING))
    return b"".join(
        _INSTRUCTION.pack(step.code, skipped(at, step.then), skipped(at, step.otherwise), step.value)
        for at, step in enumerate((*steps, *verdicts))
    )


def byte(at: int) -> Step:
    return Step(_LOAD_BYTE, at)


def half(at: int) -> Step:
    return Step(_LOAD_HALF, at)


def word(at: int) -> Step:
    return Step(_LOAD_WORD, at)


def attribute_word(kind: int, first: int) -> list[Step]:
    """The value of an attribute among those that begin at `first`; a message without it passes."""
    find = [Step(_LOAD_VALUE, first), Step(_VALUE_TO_X, kind), Step(_LOAD_WORD, _FIND_ATTRIBUTE)]
    return [*find, Step(_EQUAL, 0, then=_PASS), Step(_A_TO_X), Step(_LOAD_WORD_BEHIND_X, _ATTRIBUTE_HEADER)]


def masked(form: str, mask: int) -> Step:
    """`form` says what was loaded, as `struct` does: "=B", "=H" or "=I"."""
    return Step(_AND, _as_loaded(form, mask))


def pass_if(form: str, value: int) -> Step:
    return Step(_EQUAL, _as_loaded(form, value), then=_PASS)


def pass_unless(form: str, value: int) -> Step:
    return Step(_EQUAL, _as_loaded(form, value), otherwise=_PASS)


def drop_if(form: str, value: int) -> Step:
    return Step(_EQUAL, _as_loaded(form, value), then=_DROP)


def drop_unless(form: str, *values: int) -> list[Step]:
    """Unless it is one of them."""
    *others, last = (_as_loaded(form, value) for value in values)
    left = range(len(others), 0, -1)
    return [
        *(Step(_EQUAL, each, then=n) for n, each in zip(left, others, strict=True)),
        Step(_EQUAL, last, otherwise=_DROP),
    ]


def _as_loaded(form: str, value: int) -> int:
    """Netlink is in the host's byte order, and a filter loads in the network's."""
    return int.from_bytes(struct.pack(form, value), "big")

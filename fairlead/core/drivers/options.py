"""Driver options: text from the user, read by tables that know every key, its form and what is wrong with a value.

Docker accepts and stores keys that it does not know; so does Fairlead, but `unknown` tells about those that look like
a misspelt one of ours. A bad value is refused with Go's words where clients know them (`mtu`, booleans), else with
what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address

from fairlead.core.drivers.names import LONGEST
from fairlead.model.errors import Failed, Invalid

PREFIX = "com.docker.network."
MTU = f"{PREFIX}driver.mtu"
DEFAULT_MTU = 1500
_SMALLEST_MTU, _LEAST_MTU6, _LARGEST_MTU = 68, 1280, 65535
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_NUMBER = re.compile(r"[+-]?[0-9]+")
_LINK_NAME = re.compile(r"[^\s/:\x00]+")

Parser = Callable[[str, str], object]
"""(key, text) -> value; raises Invalid."""


def boolean(key: str, text: str) -> bool:
    """As Go's strconv.ParseBool."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Invalid(f'failed to parse {key} value: {text} (strconv.ParseBool: parsing "{text}": invalid syntax)')


def integer(key: str, text: str) -> int:
    """As Go's strconv.Atoi."""
    if _NUMBER.fullmatch(text) is None:
        raise Invalid(f'failed to parse {key} value: {text} (strconv.Atoi: parsing "{text}": invalid syntax)')
    return int(text)


def mtu(key: str, text: str) -> int:
    """An MTU in bytes; 0 and nothing mean the default."""
    number = integer(key, text) if text else 0
    if number != 0 and not _SMALLEST_MTU <= number <= _LARGEST_MTU:
        raise Invalid(f"invalid MTU number: {number} ({key} takes 0 or {_SMALLEST_MTU} to {_LARGEST_MTU})")
    return number or DEFAULT_MTU


def require_room(mtu: int, ipv6: bool) -> None:
    """Raises Invalid for a network with IPv6 whose MTU (0: as usual) the kernel takes IPv6 off for (RFC 8200, 5)."""
    if ipv6 and 0 < mtu < _LEAST_MTU6:
        raise Invalid(f"MTU {mtu} is too small for IPv6, which needs {_LEAST_MTU6}: raise it, or leave IPv6 out")


def choice(*allowed: str) -> Callable[[str, str], str]:
    """One of some words; nothing means the first."""

    def parse(key: str, text: str) -> str:
        if text and text not in allowed:
            raise Invalid(f'invalid value for {key}: "{text}" (one of {", ".join(allowed)})')
        return text or allowed[0]

    return parse


def ipv4(key: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise Invalid(f'invalid value for {key}: "{text}" (an IPv4 address)') from None


def ipv6(key: str, text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except ValueError:
        raise Invalid(f'invalid value for {key}: "{text}" (an IPv6 address)') from None


def address(key: str, text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise Invalid(f'invalid value for {key}: "{text}" (an IPv4 or IPv6 address)') from None


def link_name(key: str, text: str) -> str:
    """A name that Linux takes for an interface."""
    if len(text.encode()) > LONGEST:
        raise Failed(f"numerical result out of range: {key} {text} is longer than {LONGEST} characters")
    if text in (".", "..") or _LINK_NAME.fullmatch(text) is None:
        raise Invalid(f'invalid value for {key}: "{text}" (an interface name without spaces, colons and slashes)')
    return text


def link_names(key: str, text: str) -> tuple[str, ...]:
    """Interface names with colons between."""
    return tuple(link_name(key, name) for name in text.split(":") if name)


class Options:
    """Options of one network or endpoint under a table of known keys."""

    def __init__(self, given: Mapping[str, str], known: Mapping[str, Parser]) -> None:
        self._given = given
        self._known = known

    def check(self) -> tuple[str, ...]:
        """Read every known key that is given; raises Invalid. Returns a warning for each that seems misspelt."""
        for key in self._given.keys() & self._known.keys():
            self._known[key](key, self._given[key])
        return tuple(
            f'option "{key}" is not known and has no effect; did you mean "{near}"?'
            for key in self._given
            if (near := nearest(key, tuple(self._known)))
        )

    def get(self, key: str) -> str | None:
        return self._given.get(key)

    def has(self, key: str) -> bool:
        return key in self._given


def nearest(key: str, known: Sequence[str]) -> str:
    """The known key that `key` seems to be a misspelling of, or "" when it is known or belongs to nobody here."""
    if key in known or not key.startswith(PREFIX):
        return ""
    return next(iter(get_close_matches(key, known, n=1, cutoff=0.85)), "")


COMMON: Mapping[str, Parser] = {
    MTU: mtu,
    f"{PREFIX}enable_ipv4": boolean,
    f"{PREFIX}enable_ipv6": boolean,
    f"{PREFIX}container_iface_prefix": link_name,
    f"{PREFIX}host_ipv4": ipv4,
    f"{PREFIX}host_ipv6": ipv6,
    f"{PREFIX}advertise_addr_nmsgs": integer,
    f"{PREFIX}advertise_addr_ms": integer,
}
"""Keys that every driver with interfaces knows."""

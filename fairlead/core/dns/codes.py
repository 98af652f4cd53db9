"""The numbers of DNS that matter here, and the error for what is no DNS."""

from __future__ import annotations

from enum import IntEnum

CLASS_IN = 1


class Rcode(IntEnum):
    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Type(IntEnum):
    A = 1
    PTR = 12
    TXT = 16
    AAAA = 28
    OPT = 41
    ANY = 255


class PeerError(Exception):
    """The other side sent what no DNS message may be. `rcode` is what it deserves to hear, None for silence."""

    def __init__(self, reason: str, rcode: Rcode | None = None) -> None:
        super().__init__(reason)
        self.rcode = rcode

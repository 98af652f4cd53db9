"""Join tokens, unlock keys, when a certificate is made anew, and who may call what.

A join token is `SWMTKN-1-<digest>-<secret>`: the digest of the swarm's root certificate (base 36, 50 digits), by which
a joiner knows the swarm that it was invited to, and a secret (base 36, 25 digits), by which the swarm knows the
invited. An unlock key is `SWMKEY-1-<43 digits of base 64>`: 32 bytes. Both are as SwarmKit writes them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hmac import compare_digest

from fairlead.model.errors import Invalid, NotAllowed
from fairlead.model.swarm.cluster import JoinTokens
from fairlead.model.swarm.identity import BACKDATE, Peer, digest
from fairlead.model.swarm.node import MANAGER, WORKER

TOKEN, UNLOCK = "SWMTKN-1-", "SWMKEY-1-"
SECRET_BYTES, UNLOCK_BYTES = 16, 32
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_DIGEST_DIGITS, _SECRET_DIGITS = 50, 25
EARLIEST, LATEST = 0.5, 0.8
"""A certificate is made anew between these parts of its life, so that not all nodes ask at once."""


# --- join tokens ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JoinToken:
    """`digest` is that of the root certificate, 64 hex digits; `secret` is 16 bytes."""

    digest: str
    secret: bytes

    def __str__(self) -> str:
        number = _base36(int(self.digest, 16), _DIGEST_DIGITS)
        return f"{TOKEN}{number}-{_base36(int.from_bytes(self.secret), _SECRET_DIGITS)}"


def join_token(root: str, chance: bytes) -> str:
    """A new token for the swarm with the root certificate `root` (PEM); `chance` are 16 random bytes."""
    if len(chance) != SECRET_BYTES:
        raise ValueError(f"a join token's secret has {SECRET_BYTES} bytes, not {len(chance)}")
    return str(JoinToken(digest(root), chance))


def parse_token(text: str) -> JoinToken:
    """Raises Invalid in Docker's words."""
    number, _, secret = text.strip().removeprefix(TOKEN).partition("-")
    shaped = text.strip().startswith(TOKEN) and (len(number), len(secret)) == (_DIGEST_DIGITS, _SECRET_DIGITS)
    if not shaped or not set(number + secret) <= set(_DIGITS):
        raise Invalid("invalid join token")
    try:
        return JoinToken(int(number, 36).to_bytes(32).hex(), int(secret, 36).to_bytes(SECRET_BYTES))
    except OverflowError as error:
        raise Invalid("invalid join token") from error


def role_of(token: str, tokens: JoinTokens) -> str:
    """The role that a token invites to. Raises NotAllowed for one that invites nobody (any more)."""
    given = token.strip().encode()
    for role, known in ((MANAGER, tokens.manager), (WORKER, tokens.worker)):
        if known and compare_digest(given, known.encode()):
            return role
    raise NotAllowed("A valid join token is necessary to join this cluster")


def _base36(number: int, width: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits.rjust(width, "0")


# --- unlock keys ----------------------------------------------------------------------------------


def unlock_key(chance: bytes) -> str:
    """`chance` are 32 random bytes."""
    if len(chance) != UNLOCK_BYTES:
        raise ValueError(f"an unlock key has {UNLOCK_BYTES} bytes, not {len(chance)}")
    return UNLOCK + b64encode(chance).decode().rstrip("=")


# --- certificates ---------------------------------------------------------------------------------


def renewal(lifetime: tuple[int, int], fraction: float) -> int:
    """When a certificate that is valid from, until (ns) is made anew: between half and four fifths of the time since
    it was issued. `fraction` in 0..1 is drawn by chance."""
    issued, end = lifetime[0] + BACKDATE, lifetime[1]
    return issued + int((end - issued) * (EARLIEST + (LATEST - EARLIEST) * fraction))


# --- calls ----------------------------------------------------------------------------------------


class Standing(Enum):
    """Whom a call is open to."""

    STRANGER = "anybody"
    NODE = "a node of the swarm"
    MANAGER = "a manager of the swarm"


CALLS: Mapping[str, Standing] = {
    "root": Standing.STRANGER,
    "join": Standing.STRANGER,
    "renew": Standing.NODE,
    "session": Standing.NODE,
    "beat": Standing.NODE,
    "report": Standing.NODE,
    "attach": Standing.NODE,
    "detach": Standing.NODE,
    "publish": Standing.NODE,
    "leave": Standing.NODE,
    "seat": Standing.MANAGER,
    "logs": Standing.MANAGER,
}
"""Every call that there is, by name (`engine.swarm.messages`), and the least that its caller must be."""


def may_call(name: str, peer: Peer | None) -> bool:
    """May `peer` (None: a stranger) make the call `name`? A call that the table does not know is nobody's."""
    standing = CALLS.get(name)
    if standing is None or standing is Standing.STRANGER:
        return standing is not None
    return peer is not None and (standing is Standing.NODE or peer.manager)

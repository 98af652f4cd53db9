"""Texts sealed with an unlock key: AES-256-GCM, the nonce in front, as a PEM-like block.

What the text is called is authenticated along with it, so that one sealed file cannot stand in for another.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from textwrap import wrap

from fairlead.model.errors import Failed
from fairlead.model.swarm.errors import Locked

_BEGIN, _END = "-----BEGIN FAIRLEAD SEALED KEY-----", "-----END FAIRLEAD SEALED KEY-----"
_PREFIX = "SWMKEY-1-"
_KEY, _NONCE = 32, 12

LOCKED = (
    'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.'
)
WRONG_KEY = "swarm could not be unlocked: invalid key provided"


def is_sealed(text: str) -> bool:
    return text.startswith(_BEGIN)


def seal(text: str, name: str, unlock_key: str) -> str:
    """The text, called `name`, so that only `unlock_key` ("SWMKEY-1-...") opens it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    sealed = nonce + AESGCM(_key(unlock_key)).encrypt(nonce, text.encode(), name.encode())
    return "\n".join([_BEGIN, *wrap(b64encode(sealed).decode(), 64), _END, ""])


def unseal(text: str, name: str, unlock_key: str) -> str:
    """The text that was sealed as `name`. Raises Locked when this is not the key, Failed when it is no sealed text."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not unlock_key:
        raise Locked(LOCKED)
    try:
        sealed = b64decode("".join(text.strip().removeprefix(_BEGIN).removesuffix(_END).split()), validate=True)
        return AESGCM(_key(unlock_key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode()).decode()
    except InvalidTag as error:
        raise Locked(WRONG_KEY) from error
    except ValueError as error:
        raise Failed(f"{name} of this node's swarm keys is damaged: {error}") from error


def _key(unlock_key: str) -> bytes:
    try:
        key = b64decode(unlock_key.strip().removeprefix(_PREFIX) + "=", validate=True)
    except ValueError as error:
        raise Locked(WRONG_KEY) from error
    if len(key) != _KEY:
        raise Locked(WRONG_KEY)
    return key

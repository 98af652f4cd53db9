"""The keys that leave a container running: typed in a row, they end the attachment instead of going in."""

from __future__ import annotations

from fairlead.cli.faults import USAGE, Fault

DEFAULT_KEYS = "ctrl-p,ctrl-q"


def parse_keys(written: str) -> bytes:
    """The bytes of "ctrl-p,ctrl-q" or "a,ctrl-x". Raises `Fault`."""
    return bytes(_key(word.strip()) for word in (written or DEFAULT_KEYS).split(","))


def _key(word: str) -> int:
    if len(word) == 1:
        return ord(word)
    name = word.removeprefix("ctrl-")
    if name != word and len(name) == 1 and (name.isalpha() or name in "@[\\]^_"):
        return ord(name.upper()) & 0x1F
    raise Fault(f"invalid detach keys: unknown character: '{word}'", USAGE)


class DetachFilter:
    """Holds back what may become the sequence; `detached` once it was typed."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = 0
        self.detached = False

    def feed(self, data: bytes) -> bytes:
        """What may go on to the container."""
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._held]:
                self._held += 1
                if self._held == len(self._keys):
                    self.detached = True
                    break
                continue
            passed += self._keys[: self._held]
            self._held = 0
            if byte == self._keys[0]:
                self._held = 1
            else:
                passed.append(byte)
        return bytes(passed)

"""Where a node keeps who it is: `<data root>/swarm`.

    swarm/certificates        link to the newest complete generation
    swarm/generation-7/       swarm-node.crt, swarm-node.key, swarm-root-ca.crt, membership.json
                              and, of managers, swarm-store.key, swarm-consensus.crt, swarm-consensus.key

A change writes a whole new generation, syncs it, and turns the link: whoever dies at any moment leaves the old or the
new identity, never a mixture. Keys are sealed where an unlock key is given. Who the node is, is read from its
certificate. Names are Docker's, since people look for them with openssl.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from fairlead.effects.pki.sealed import is_sealed, seal, unseal
from fairlead.model.errors import Failed, Invalid, NotAllowed
from fairlead.model.swarm.identity import Identity

_LINK, _GENERATION = "certificates", "generation-"
_MEMBERSHIP = "membership.json"
_CERTIFICATE, _KEY, _TRUST = "swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt"
_STORE_KEY = "swarm-store.key"
_CONSENSUS, _CONSENSUS_KEY = "swarm-consensus.crt", "swarm-consensus.key"
_KEYS = frozenset({_KEY, _STORE_KEY, _CONSENSUS_KEY})


class _Membership(msgspec.Struct, frozen=True):
    """What of an identity is no PEM text."""

    managers: tuple[str, ...]
    listen: str
    advertise: str
    data_path: str
    autolock: bool


class Keystore:
    """Fulfils `engine.swarm.ports.Keystore`. Its calls are short but wait for the disk; one at a time."""

    def __init__(self, data_root: Path) -> None:
        self._folder = data_root / "swarm"
        self._current = self._folder / _LINK

    def load(self, unlock_key: str = "") -> Identity | None:
        """None in no swarm. Raises Locked when keys are sealed and this is not what opens them, Failed when files are
        missing or damaged."""
        if not self._current.is_symlink():
            return None
        try:
            files = {path.name: self._read(path, unlock_key) for path in self._current.iterdir()}
            return _identity(files)
        except (OSError, KeyError, ValueError, Invalid, NotAllowed) as error:
            raise Failed(f"the identity of this node in {self._current} is damaged: {error}") from error

    def save(self, identity: Identity, unlock_key: str = "") -> None:
        """Replaces what was saved. Raises Failed when the disk does not take it; then the old is still there."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            generation = self._next()
            _write(generation, {name: _sealed(name, text, unlock_key) for name, text in _files(identity).items()})
            self._turn(generation)
        except OSError as error:
            raise Failed(f"cannot save the identity of this node in {self._folder}: {error.strerror}") from error

    def locked(self) -> bool:
        key = self._current / _KEY
        return key.exists() and is_sealed(key.read_text())

    def clear(self) -> None:
        """What else lies in the folder is another's and stays."""
        self._current.unlink(missing_ok=True)
        if self._folder.exists():
            _sync(self._folder)
            self._sweep("")

    def _read(self, path: Path, unlock_key: str) -> str:
        text = path.read_text()
        return unseal(text, path.name, unlock_key) if is_sealed(text) else text

    def _next(self) -> Path:
        """The folder of the next generation; what a killed writer left of it is removed."""
        number = int(self._current.readlink().name.removeprefix(_GENERATION)) if self._current.is_symlink() else 0
        generation = self._folder / f"{_GENERATION}{number + 1}"
        shutil.rmtree(generation, ignore_errors=True)
        return generation

    def _turn(self, generation: Path) -> None:
        fresh = self._folder / f"{_LINK}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(generation.name)
        fresh.rename(self._current)
        _sync(self._folder)
        self._sweep(generation.name)

    def _sweep(self, keep: str) -> None:
        for path in self._folder.glob(f"{_GENERATION}*"):
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)


def _files(identity: Identity) -> dict[str, str]:
    membership = _Membership(
        identity.managers, identity.listen, identity.advertise, identity.data_path, identity.autolock
    )
    files = {
        _MEMBERSHIP: msgspec.json.encode(membership).decode(),
        _CERTIFICATE: identity.certificate,
        _KEY: identity.key,
        _TRUST: identity.trust,
        _STORE_KEY: identity.store_key,
        _CONSENSUS: identity.consensus_certificate,
        _CONSENSUS_KEY: identity.consensus_key,
    }
    return {name: text for name, text in files.items() if text}


def _identity(files: dict[str, str]) -> Identity:
    from fairlead.effects.pki import reading

    membership = msgspec.json.decode(files[_MEMBERSHIP], type=_Membership)
    return Identity(
        reading.peer_in(reading.certificate(files[_CERTIFICATE])),
        files[_CERTIFICATE],
        files[_KEY],
        files[_TRUST],
        store_key=files.get(_STORE_KEY, ""),
        consensus_certificate=files.get(_CONSENSUS, ""),
        consensus_key=files.get(_CONSENSUS_KEY, ""),
        managers=membership.managers,
        listen=membership.listen,
        advertise=membership.advertise,
        data_path=membership.data_path,
        autolock=membership.autolock,
    )


def _sealed(name: str, text: str, unlock_key: str) -> str:
    return seal(text, name, unlock_key) if unlock_key and name in _KEYS else text


def _write(folder: Path, files: dict[str, str]) -> None:
    """A new folder with these files, all of it on the disk."""
    folder.mkdir(mode=0o700)
    for name, text in files.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

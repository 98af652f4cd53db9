"""A node's identity on the disk: whole or not at all, sealed where it shall be."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.core.swarm.identity import unlock_key
from fairlead.effects.pki.keystore import Keystore
from fairlead.model.errors import Failed
from fairlead.model.swarm.errors import Locked
from fairlead.model.swarm.identity import Identity
from tests.effects.pki.swarm import AUTHORITY, MANAGING, WORKING, identity, now

ROOT = AUTHORITY.root(now())
UNLOCK = unlock_key(bytes(range(32)))


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path)


def manager() -> Identity:
    one = identity(ROOT, MANAGING)
    consensus_key, csr = AUTHORITY.request(["192.0.2.1"])
    return replace(
        one,
        store_key="5e" * 32,
        consensus_key=consensus_key,
        consensus_certificate=AUTHORITY.issue_consensus(ROOT, csr, MANAGING, now(), 90 * 24 * 3600 * 10**9),
        managers=("192.0.2.1:2377", "[2001:db8::1]:2377"),
        listen="[::]:2377",
        advertise="192.0.2.1:2377",
        data_path="192.0.2.9",
        autolock=True,
    )


def test_who_is_in_no_swarm_is_nobody(store: Keystore) -> None:
    assert store.load() is None
    assert not store.locked()
    store.clear()


@pytest.mark.parametrize("unlock", ["", UNLOCK])
def test_an_identity_is_read_as_it_was_saved(tmp_path: Path, unlock: str) -> None:
    for one in (identity(ROOT, WORKING), manager()):
        Keystore(tmp_path).save(one, unlock)
        assert Keystore(tmp_path).load(unlock) == one
        assert Keystore(tmp_path).locked() is bool(unlock)


def test_a_former_managers_keys_are_gone(store: Keystore, tmp_path: Path) -> None:
    store.save(manager())
    store.save(identity(ROOT, WORKING))
    files = {path.name for path in (tmp_path / "swarm").rglob("*")}
    assert files == {"certificates", "generation-2", "membership.json"} | {
        "swarm-node.crt",
        "swarm-node.key",
        "swarm-root-ca.crt",
    }


def test_nobody_else_reads_it(store: Keystore, tmp_path: Path) -> None:
    store.save(manager())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "swarm").rglob("*")}
    assert modes.pop("certificates") == modes.pop("generation-1") == 0o700
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "swarm").stat().st_mode) == 0o700


def test_a_sealed_identity_opens_with_its_key_alone(store: Keystore) -> None:
    store.save(manager(), UNLOCK)
    with pytest.raises(Locked, match='Please use "docker swarm unlock"'):
        store.load()
    for wrong in (unlock_key(bytes(32)), "SWMKEY-1-", "sesame", UNLOCK[:-1] + "="):
        with pytest.raises(Locked, match="invalid key provided"):
            store.load(wrong)


def test_no_private_key_lies_open_in_a_sealed_identity(store: Keystore, tmp_path: Path) -> None:
    store.save(manager(), UNLOCK)
    texts = [path.read_text() for path in (tmp_path / "swarm" / "certificates").iterdir()]
    assert sum("BEGIN FAIRLEAD SEALED KEY" in text for text in texts) == 3
    assert not any("PRIVATE KEY" in text for text in texts)


def test_a_sealed_key_does_not_stand_in_for_another(store: Keystore, tmp_path: Path) -> None:
    store.save(manager(), UNLOCK)
    files = tmp_path / "swarm" / "certificates"
    (files / "swarm-node.key").write_text((files / "swarm-store.key").read_text())
    with pytest.raises(Locked):
        store.load(UNLOCK)


def test_a_new_unlock_key_replaces_the_old(store: Keystore) -> None:
    one = manager()
    store.save(one, UNLOCK)
    fresh = unlock_key(b"f" * 32)
    store.save(store.load(UNLOCK) or one, fresh)
    assert store.load(fresh) == one
    with pytest.raises(Locked):
        store.load(UNLOCK)


@pytest.mark.parametrize("name", ["swarm-node.crt", "swarm-node.key", "swarm-root-ca.crt", "membership.json"])
def test_a_missing_file_is_told(store: Keystore, tmp_path: Path, name: str) -> None:
    store.save(manager())
    (tmp_path / "swarm" / "certificates" / name).unlink()
    with pytest.raises(Failed, match=f"damaged.*{name}"):
        store.load()


@pytest.mark.parametrize("name", ["swarm-node.crt", "membership.json"])
def test_a_damaged_file_is_told(store: Keystore, tmp_path: Path, name: str) -> None:
    store.save(manager())
    (tmp_path / "swarm" / "certificates" / name).write_bytes(b"\xff")
    with pytest.raises(Failed, match="damaged"):
        store.load()


def test_who_left_is_nobody(store: Keystore, tmp_path: Path) -> None:
    store.save(manager(), UNLOCK)
    (tmp_path / "swarm" / "etcd").mkdir()
    store.clear()
    assert store.load() is None
    assert [path.name for path in (tmp_path / "swarm").iterdir()] == ["etcd"]


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "swarm").write_text("a file where a folder belongs")
    with pytest.raises(Failed, match="cannot save"):
        Keystore(tmp_path).save(manager())


# --- kill -9 --------------------------------------------------------------------------------------


def killed_at(step: int, data_root: Path, one: Identity) -> bool:
    """Save in a process that dies when it is about to touch the disk for the `step`th time. False: it lived."""
    child = os.fork()
    if child == 0:
        left = [step]

        def die_in_time(event: str, _: object) -> None:
            if event in ("open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir"):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        sys.addaudithook(die_in_time)
        Keystore(data_root).save(one)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_whoever_is_killed_while_saving_has_the_old_identity_or_the_new(store: Keystore, tmp_path: Path) -> None:
    old, new = manager(), identity(ROOT, WORKING)
    seen: list[Identity | None] = []
    store.save(old)
    for step in range(1, 100):
        if not killed_at(step, tmp_path, new):
            break
        seen.append(store.load())
        store.save(old)
        assert store.load() == old
        assert len(list((tmp_path / "swarm").iterdir())) == 2
    else:
        pytest.fail("saving has no end")
    assert seen[0] == old
    assert seen[-1] == new
    assert seen == sorted(seen, key=lambda one: one == new)


def test_whoever_is_killed_while_saving_for_the_first_time_is_nobody_or_itself(tmp_path: Path) -> None:
    new = identity(ROOT, WORKING)
    for step in range(1, 100):
        data_root = tmp_path / str(step)
        if not killed_at(step, data_root, new):
            break
        assert Keystore(data_root).load() in (None, new)
        Keystore(data_root).save(new)
        assert Keystore(data_root).load() == new
    else:
        pytest.fail("saving has no end")

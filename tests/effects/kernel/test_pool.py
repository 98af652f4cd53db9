"""Namespaces made ahead, and sockets opened inside them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from fairlead.effects.kernel.netns import SocketSpec, open_sockets
from fairlead.effects.kernel.pool import NamespacePool
from fairlead.effects.kernel.sysctl import read_sysctl
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import Table, Transaction
from tests.effects.kernel.conftest import link, run

SANDBOX = "0123456789abcdef" * 4


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[NamespacePool]:
    pool = NamespacePool(tmp_path / "netns", size=3)
    await pool.start()
    yield pool
    for path in await pool.existing():
        await pool.release(path)
    await pool.close()


@pytest.mark.parametrize("ipv6", [False, True])
async def test_a_namespace_is_furnished(pool: NamespacePool, ipv6: bool) -> None:
    path = await pool.take(SANDBOX, ipv6)
    assert Path(path).name == "0123456789ab"
    loopback = link("lo", path)
    assert loopback is not None
    assert "UP" in loopback["flags"]
    assert read_sysctl("net/ipv4/ip_unprivileged_port_start", path) == "0"
    assert read_sysctl("net/ipv4/ping_group_range", path) == "0\t2147483647"
    assert read_sysctl("net/ipv6/conf/default/disable_ipv6", path) == ("0" if ipv6 else "1")
    assert read_sysctl("net/ipv6/conf/lo/disable_ipv6", path) == "0"
    assert "::1" in run("ip", "address", "show", "dev", "lo", ns=path)


@pytest.mark.parametrize("ruled", [False, True])
async def test_rules_are_there_where_they_were_asked_for(tmp_path: Path, ruled: bool) -> None:
    table = Table("inet", "ahead")
    rules = lambda ns: Plan((ChangeRules(Transaction("inet", "ahead", replace=table), ns),))  # noqa: E731
    pool = NamespacePool(tmp_path / "netns", 2, rules)
    await pool.start()
    try:
        paths = [await pool.take(f"{number:064x}"[::-1], False, ruled) for number in range(5)]
        assert {"table inet ahead" in run("nft", "list", "tables", ns=path) for path in paths} == {ruled}
    finally:
        for path in await pool.existing():
            await pool.release(path)
        await pool.close()


async def test_more_than_the_pool_holds(pool: NamespacePool) -> None:
    paths = await asyncio.gather(*(pool.take(f"{number:064x}"[::-1], False) for number in range(10)))
    assert sorted(paths) == list(await pool.existing())
    assert len({os.stat(path).st_ino for path in paths}) == 10


async def test_release_twice_and_take_again(pool: NamespacePool) -> None:
    path = await pool.take(SANDBOX, False)
    inode = os.stat(path).st_ino
    with pytest.raises(KernelRefused) as refused:
        await pool.take(SANDBOX, False)
    assert refused.value.exists
    assert os.stat(path).st_ino == inode
    await pool.release(path)
    await pool.release(path)
    await pool.release("/proc/self/ns/net")
    assert not Path(path).exists()
    await pool.take(SANDBOX, False)


async def test_taken_namespaces_outlive_the_daemon_and_rubbish_does_not(tmp_path: Path) -> None:
    directory = tmp_path / "netns"
    first = NamespacePool(directory)
    await first.start()
    path = await first.take(SANDBOX, False)
    (directory / "rubbish").touch()
    await first.close()
    second = NamespacePool(directory)
    await second.start()
    try:
        assert list(await second.existing()) == [path]
        assert sorted(directory.iterdir()) == [Path(path)]
    finally:
        await second.release(path)
        await second.close()
    assert not os.path.ismount(directory)


async def test_the_mounts_do_not_propagate(pool: NamespacePool, tmp_path: Path) -> None:
    await pool.take(SANDBOX, False)
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(tmp_path) in line]
    assert len(mounts) == 2
    assert not [line for line in mounts if "shared:" in line]


async def test_sockets_open_inside(pool: NamespacePool) -> None:
    path = await pool.take(SANDBOX, True)
    specs = [
        SocketSpec(socket.SOCK_DGRAM, ("127.0.0.11", 0)),
        SocketSpec(socket.SOCK_STREAM, ("::1", 5353), socket.AF_INET6, backlog=8),
        SocketSpec(socket.SOCK_STREAM),
    ]
    sockets = open_sockets(path, specs)
    try:
        port = sockets[0].getsockname()[1]
        assert f"127.0.0.11:{port}" in run("ss", "-uln", ns=path)
        assert "[::1]:5353" in run("ss", "-tln", ns=path)
        assert "5353" not in run("ss", "-tln")
        assert not any(each.getblocking() for each in sockets)
    finally:
        for each in sockets:
            each.close()


async def test_sockets_are_opened_all_or_none(pool: NamespacePool) -> None:
    path = await pool.take(SANDBOX, False)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KernelRefused, match="address already in use"):
        open_sockets(path, [SocketSpec(socket.SOCK_DGRAM, ("127.0.0.1", 53), reuse=False)] * 2)
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.stat("/proc/thread-self/ns/net").st_ino != os.stat(path).st_ino


def test_the_way_back_is_found_after_an_error(tmp_path: Path) -> None:
    home = os.stat("/proc/thread-self/ns/net").st_ino
    descriptor = netns.make_namespace()
    try:
        with pytest.raises(RuntimeError, match="inside"):
            _fail_elsewhere(descriptor, home)
    finally:
        os.close(descriptor)
    assert os.stat("/proc/thread-self/ns/net").st_ino == home


def _fail_elsewhere(descriptor: int, home: int) -> None:
    with netns.entered_descriptor(descriptor):
        assert os.stat("/proc/thread-self/ns/net").st_ino != home
        raise RuntimeError("inside")


def test_a_namespace_that_is_not_there() -> None:
    with pytest.raises(KernelRefused, match="open network namespace /nonexistent: no such file"):
        open_sockets("/nonexistent", [])

"""One bad thing never stops the others: a hung monitor, a full disk, clients that do not read or talk nonsense."""

from __future__ import annotations

import random
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fairlead.lab.machine import Machine
from tests.chaos.api import Api, Refused, spec
from tests.chaos.audit import Audit
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timed,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

QUICK = 1.0
"""Seconds that a verb may take beside the bad thing."""


@pytest.fixture
def host() -> Iterator[Machine]:
    with machine() as host:
        provide(host, "busybox")
        yield host


def others_go_on(api: Api) -> None:
    """A whole life of a container, none of whose verbs waits."""
    slowest = 0.0
    for verb, path, body in (
        ("POST", "/containers/create?name=other", spec()),
        ("POST", "/containers/other/start", None),
        ("GET", "/containers/json", None),
        ("POST", "/containers/other/kill", None),
        ("DELETE", "/containers/other", None),
    ):
        began = time.monotonic()
        api.call(verb, path, body)
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < QUICK


def test_a_monitor_that_hangs(host: Machine) -> None:
    api = Api(host.socket)
    api.run("hung", spec())
    monitor = host.sh("pgrep conmon").stdout.strip()
    host.sh(f"kill -STOP {monitor}")
    with pytest.raises(Refused, match="did not"):
        api.delete("/containers/hung?force=1")
    others_go_on(api)
    host.sh(f"kill -CONT {monitor}")
    wait_for(lambda: not api.inspect("hung")["State"]["Running"], what="the end to be noticed")
    api.delete("/containers/hung?force=1")
    assert not Audit(host).faults()


@contextmanager
def connected(host: Machine) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(host.socket))
        yield client


def test_clients_that_never_read(host: Machine) -> None:
    """One attached, one following the log, of a container that never stops talking."""
    api = Api(host.socket)
    api.run("talks", spec(command="exec yes all work and no play makes jack a dull boy", LogConfig={"Type": "none"}))
    api.run("logs", spec(command="i=0; while [ $i -lt 200000 ]; do i=$((i+1)); echo $i; done; sleep 1000"))
    with connected(host) as attached, connected(host) as following:
        attached.sendall(
            b"POST /v1.50/containers/talks/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
            b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        )
        following.sendall(b"GET /v1.50/containers/logs/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert attached.recv(10)
        assert following.recv(10)
        for _ in range(3):
            others_go_on(api)
        memory = int(host.sh(f"awk '/VmRSS/ {{print $2}}' /proc/{host.daemon_pid}/status").stdout)
        assert memory < 150_000, "kB: what nobody reads must not pile up"
    api.delete("/containers/talks?force=1")
    api.delete("/containers/logs?force=1")
    others_go_on(api)


def test_nonsense_on_the_socket(host: Machine) -> None:
    chance = random.Random(7)
    for head in (
        b"",
        b"GET ",
        b"POST /v1.50/containers/create HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"\x16\x03\x01",
    ):
        with connected(host) as client:
            try:
                client.sendall(head + chance.randbytes(100_000))
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except ConnectionError:
                continue
    with connected(host) as silent, connected(host) as slow:
        silent.sendall(b"")
        slow.sendall(b"POST /v1.50/networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        others_go_on(Api(host.socket))


def test_an_image_that_vanished(host: Machine) -> None:
    api = Api(host.socket)
    api.run("before", spec())
    api.create("later", spec())
    for layer in (host.directory / "data/overlay").iterdir():
        if layer.name != "base":
            shutil.rmtree(layer)
    with pytest.raises(Refused) as refused:
        api.post("/containers/later/start")
    assert refused.value.status == 500
    assert api.inspect("later")["State"]["Error"]
    provide(host, "alpine")
    api.run("fresh", {**spec(), "Image": "alpine"})
    api.delete("/containers/later")
    api.delete("/containers/before?force=1")
    assert not Audit(host).faults()


def test_a_full_disk(host: Machine) -> None:
    """Verbs are refused with the reason and leave nothing; what runs goes on; with room again, all works."""
    host.stop()
    data = host.directory / "data"
    host.sh(f"mount -t tmpfs -o size=30m none {data}")
    host.start()
    provide(host, "busybox")
    api = Api(host.socket)
    api.create_network("pets")
    api.run("web", spec("pets", {8080: 80}))
    host.sh(f"dd if=/dev/zero of={data}/ballast bs=64k; sync", check=False)
    refusals = []
    for number in range(20):
        try:
            api.create_network(f"net{number}")
            api.run(f"c{number}", spec("pets"))
        except Refused as refused:
            refusals.append(refused)
    assert refusals
    assert all(refused.status == 500 and "disk" in refused.message for refused in refusals), refusals
    assert not Audit(host).faults()
    host.sh(f"rm {data}/ballast")
    others_go_on(api)
    host.kill()
    host.start()
    assert api.inspect("web")["State"]["Running"]
    assert not Audit(host).faults()

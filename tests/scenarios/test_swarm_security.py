"""Who must not get in, at managers' daemons as they are run: each is refused, and each leaves a line in the log.

outside (192.168.50.1: the stranger)
    │
── lan 192.168.50.0/24 ──┬── manager (.11)
                         └── worker1, worker2 (.12, .13)
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fairlead.core.swarm.identity import join_token, parse_token
from fairlead.effects.pki.keystore import Keystore
from fairlead.engine.records import encode
from fairlead.engine.swarm.messages import Beat, SessionRequest
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import OUTSIDE, simple
from fairlead.model.swarm.cluster import HOUR
from fairlead.model.swarm.identity import Identity, Peer, Root
from fairlead.model.swarm.node import MANAGER, NodeDescription
from tests.chaos.swarm_history import read_store
from tests.effects.pki.swarm import AUTHORITY, identity, now
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

ROLES = {"manager": "manager", "worker1": "worker", "worker2": "worker"}
REFUSED = ("refused a node's call", "refused a connection to the port for nodes")


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(list(ROLES), roles=ROLES)) as made:
        made.form_swarm()
        yield made


@pytest.fixture
def manager(lab: Laboratory) -> Iterator[Machine]:
    """Whoever was refused has not hindered anybody."""
    found = lab.host("manager")
    wait_for(lambda: ready(found) == 3, 30, "all to be ready")
    yield found
    wait_for(lambda: ready(found) == 3, 30, "all to be ready again")


def ready(manager: Machine) -> int:
    return manager.docker("node ls --format '{{.Status}}'").split().count("Ready")


@pytest.fixture(scope="module")
def root(lab: Laboratory) -> Root:
    """The swarm's authority itself, as only managers can read it."""
    cluster = asyncio.run(read_store(lab.host("manager"))).cluster
    assert cluster is not None
    return Root(cluster.root.cert, cluster.root.key)


def papers(host: Machine) -> Identity:
    found = Keystore(host.directory / "data").load()
    assert found is not None
    return found


class Log:
    """What a host's daemon logs from now on."""

    def __init__(self, host: Machine) -> None:
        self._host, self._seen = host, len(host.log.read_text())

    def refusals(self) -> list[str]:
        return [
            line
            for line in self._host.log.read_text()[self._seen :].splitlines()
            if any(words in line for words in REFUSED)
        ]

    def says(self, *words: str) -> None:
        """Waits for a line about a refusal that has all the words."""
        wait_for(lambda: any(all(word in line for word in words) for line in self.refusals()), 5, f"a line of {words}")


class Stranger:
    """Somebody outside, who has stolen or forged papers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, who: Identity, name: str, body: bytes = b"", *, stream: bool = False) -> dict[str, Any]:
        peer = [who.peer.node_id, who.peer.role, who.peer.cluster_id]
        shown = {"peer": peer, "certificate": who.certificate, "key": who.key, "trust": who.trust}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"as": shown, "call": name, "body": body.decode(), "stream": stream}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert isinstance(answer, dict)
        return answer


@contextmanager
def stranger(lab: Laboratory) -> Iterator[Stranger]:
    command = [sys.executable, "-m", "tests.scenarios.stranger", f"{lab.host('manager').address}:2377"]
    inside = lab.node(OUTSIDE).inside(command, network_only=True)
    with subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Stranger(process)
        assert process.stdin is not None
        process.stdin.close()


def curl(lab: Laboratory, *words: str) -> subprocess.CompletedProcess[str]:
    return lab.node(OUTSIDE).run(["curl", "-sS", "-m", "5", *words], check=False)


# --- tokens ---------------------------------------------------------------------------------------


def test_nobody_joins_with_a_guessed_secret(lab: Laboratory, manager: Machine) -> None:
    log, worker = Log(manager), lab.host("worker2")
    worker.docker("swarm leave")
    try:
        digest = parse_token(manager.docker("swarm join-token -q worker")).digest
        guessed = join_token(papers(manager).trust, b"guess" + bytes(11))
        assert parse_token(guessed).digest == digest
        refused = docker(worker, f"swarm join --token {guessed} {manager.address}").stderr
        assert "A valid join token is necessary to join this cluster" in refused
        log.says("valid join token", f"address={worker.address}")
        assert worker.docker("info --format '{{.Swarm.LocalNodeState}}'") == "inactive"
    finally:
        join(worker, manager)


def test_a_token_of_another_swarm_lures_nobody(lab: Laboratory, manager: Machine) -> None:
    worker = lab.host("worker2")
    worker.docker("swarm leave")
    try:
        foreign = join_token(AUTHORITY.root(now()).certificate, bytes(16))
        refused = docker(worker, f"swarm join --token {foreign} {manager.address}").stderr
        assert "remote CA does not match fingerprint" in refused
        assert "refused to join a swarm" in worker.log.read_text()
    finally:
        join(worker, manager)


def join(worker: Machine, manager: Machine) -> None:
    wait_for(lambda: docker(manager, f"node rm {worker.name}").returncode == 0, 10, "the old node to be removed")
    worker.docker(f"swarm join --token {manager.docker('swarm join-token -q worker')} {manager.address}")


# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["seat", "logs"])
def test_a_workers_certificate_does_not_make_a_managers_call(lab: Laboratory, manager: Machine, call: str) -> None:
    log, mine = Log(manager), papers(lab.host("worker1"))
    with stranger(lab) as outside:
        refused = outside.call(mine, call, b"{}")
    assert refused["refused"] == "NotAllowed"
    assert f'the call "{call}" is not open to worker {mine.peer.node_id}' in refused["why"]
    log.says(f'the call \\"{call}\\" is not open')


def test_an_expired_certificate_is_refused(lab: Laboratory, manager: Machine, root: Root) -> None:
    log, peer = Log(manager), papers(lab.host("worker1")).peer
    expired = identity(root, peer, at=now() - 2 * HOUR, expiry=HOUR)
    with stranger(lab) as outside:
        assert "did not answer" in outside.call(expired, "beat")["why"]
    log.says("certificate has expired")


def test_a_certificate_of_a_forged_authority_is_refused(lab: Laboratory, manager: Machine) -> None:
    log, mine = Log(manager), papers(manager)
    forged = identity(AUTHORITY.root(now()), mine.peer, trust=mine.trust)
    with stranger(lab) as outside:
        assert "did not answer" in outside.call(forged, "seat")["why"]
    log.says("its certificate does not hold")


def test_a_certificate_of_nobody_in_the_swarm_opens_nothing(lab: Laboratory, manager: Machine, root: Root) -> None:
    """Well signed, as that of a node that was removed: each call is refused by what the store says now."""
    log = Log(manager)
    removed = identity(root, Peer("removedremovedremovedremo", MANAGER, papers(manager).peer.cluster_id))
    with stranger(lab) as outside:
        for call in ("renew", "session", "seat", "logs", "attach", "publish"):
            answer = outside.call(removed, call, b"{}")
            assert answer["refused"] == "NotAllowed", (call, answer)
    wait_for(lambda: len(log.refusals()) == 6, 5, "a line for each")


@pytest.mark.parametrize("body", [b"", b"{}", b"[7]", b"null", b'{"csr": 7}'])
def test_what_a_node_says_is_not_believed_as_it_comes(lab: Laboratory, manager: Machine, body: bytes) -> None:
    log, mine = Log(manager), papers(lab.host("worker1"))
    with stranger(lab) as outside:
        for call in ("renew", "session", "attach", "publish", "report"):
            assert outside.call(mine, call, body)["refused"] == "Invalid", call
    wait_for(lambda: len(log.refusals()) == 5, 5, "a line for each")


def test_a_node_that_lies_about_itself_harms_nobody(lab: Laboratory, manager: Machine) -> None:
    mine = papers(lab.host("worker1"))
    lie = SessionRequest(NodeDescription("thief", memory=1 << 80), "a" * 32, "192.168.50.1", "nowhere")
    with stranger(lab) as outside:
        assert outside.call(mine, "session", encode(lie), stream=True)["refused"] == "Invalid"


def test_a_nodes_certificate_is_not_a_consensus_members(lab: Laboratory, manager: Machine) -> None:
    mine = papers(lab.host("worker1"))
    files = {name: lab.directory / name for name in ("thief.crt", "thief.key", "trust.crt")}
    for path, text in zip(files.values(), (mine.certificate, mine.key, mine.trust), strict=True):
        path.write_text(text)
    url = f"https://{manager.address}:2378/version"
    shown = ["--cacert", str(files["trust.crt"]), "--cert", str(files["thief.crt"]), "--key", str(files["thief.key"])]
    assert curl(lab, *shown, url).returncode
    assert curl(lab, "-k", url).returncode


# --- sessions -------------------------------------------------------------------------------------


def session(token: str) -> bytes:
    return encode(SessionRequest(NodeDescription("thief"), token, "192.168.50.1", "192.168.50.1"))


def test_a_session_is_neither_another_nodes_nor_played_again(lab: Laboratory, manager: Machine) -> None:
    worker = lab.host("worker1")
    log, mine, other = Log(manager), papers(worker), papers(lab.host("worker2"))
    first, second = "a" * 32, "b" * 32
    worker.stop()
    try:
        with stranger(lab) as outside:
            assert "answer" in outside.call(mine, "session", session(first), stream=True)
            assert outside.call(mine, "beat", encode(Beat(first))) == {"answer": ""}
            stolen = outside.call(other, "beat", encode(Beat(first)))
            assert stolen["refused"] == "NotAllowed"
            log.says("session invalid", other.peer.node_id)
            assert "answer" in outside.call(mine, "session", session(second), stream=True)
            replayed = outside.call(mine, "beat", encode(Beat(first)))
            assert replayed["refused"] == "NotAllowed"
            log.says("session invalid", mine.peer.node_id)
    finally:
        worker.start()


# --- strangers ------------------------------------------------------------------------------------


def test_plain_http_is_refused(lab: Laboratory, manager: Machine) -> None:
    log = Log(manager)
    assert curl(lab, f"http://{manager.address}:2377/root").returncode
    log.says("plain HTTP", "address=192.168.50.1")


def test_a_stranger_is_told_the_root_and_nothing_else(lab: Laboratory, manager: Machine) -> None:
    log = Log(manager)
    told = curl(lab, "-k", "-X", "POST", f"https://{manager.address}:2377/root").stdout
    assert json.loads(told)["certificates"].strip() == papers(manager).trust.strip()
    for path in ("session", "renew", "seat", "v1.50/info", "services"):
        answer = curl(lab, "-k", "-X", "POST", "-w", "%{http_code}", f"https://{manager.address}:2377/{path}").stdout
        assert answer.endswith("403"), path
    log.says("not open to strangers")


def test_many_who_are_refused_hinder_nobody(lab: Laboratory, manager: Machine) -> None:
    knock = f"for i in $(seq 200); do echo GET / | busybox nc -w 1 {manager.address} 2377 >/dev/null & done; wait"
    lab.node(OUTSIDE).run(["sh", "-c", knock], check=False)
    assert manager.docker("node update --label-add seen=yes worker1") == "worker1"

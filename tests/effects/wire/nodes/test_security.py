"""Who must not get in, on real sockets: each is refused, and each leaves a line in the log."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from random import Random

import pytest

from fairlead.core.swarm.identity import join_token, may_call, parse_token, role_of
from fairlead.core.swarm.sessions import Sessions
from fairlead.effects.wire.nodes import answering, listener
from fairlead.effects.wire.nodes.addresses import split
from fairlead.effects.wire.nodes.caller import Caller
from fairlead.effects.wire.nodes.listener import Listener
from fairlead.effects.wire.nodes.tls import blind
from fairlead.model.errors import NotAllowed, Unavailable
from fairlead.model.swarm.calls import Call, Reply
from fairlead.model.swarm.cluster import HOUR, JoinTokens
from fairlead.model.swarm.identity import Identity, Peer, digest
from fairlead.model.swarm.node import MANAGER, WORKER
from tests.effects.pki.swarm import AUTHORITY, CLUSTER, MANAGING, QUARTER, WORKING, identity, now
from tests.effects.wire.nodes.conftest import LOOPBACK, Manager, calling_as, until

Refusals = Callable[[], list[str]]
OTHER = Peer("ooooooooooooooooooooooo12", WORKER, CLUSTER)


@asynccontextmanager
async def impostor(shown: Identity, manager: Manager) -> AsyncIterator[str]:
    """Somebody who answers as the manager does, with another certificate: its address."""
    ear = Listener(may_call)
    await ear.open(LOOPBACK, shown, manager.answer)
    try:
        yield ear.address
    finally:
        await ear.close()


async def post(address: str, path: str, context: ssl.SSLContext | None, method: str = "POST") -> bytes:
    """What comes back for a request by hand, up to the end of the connection or of the answer."""
    host, port = split(address)
    name = "swarm-manager" if context is not None else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.read(1000)
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()


# --- joiners are not lured ------------------------------------------------------------------------


async def test_a_joiner_finds_the_swarm_of_its_token(manager: Manager) -> None:
    token = parse_token(join_token(manager.root.certificate, bytes(16)))
    async with calling_as(None) as joiner:
        assert await joiner.root(manager.address, token.digest) == manager.root.certificate


async def test_a_token_of_another_swarm_is_refused(manager: Manager, refusals: Refusals) -> None:
    token = parse_token(join_token(AUTHORITY.root(now()).certificate, bytes(16)))
    async with calling_as(None) as joiner:
        with pytest.raises(NotAllowed, match=f"does not match fingerprint. Expected: {token.digest}"):
            await joiner.root(manager.address, token.digest)
    assert "does not match fingerprint" in refusals()[0]


async def test_who_shows_the_right_root_without_being_signed_by_it_lures_nobody(
    manager: Manager, refusals: Refusals
) -> None:
    forged = identity(AUTHORITY.root(now()), MANAGING)
    async with impostor(forged, manager) as address, calling_as(None) as joiner:
        with pytest.raises(NotAllowed, match="without being its manager"):
            await joiner.root(address, manager.digest)
    assert "is not a manager of this swarm" in refusals()[-1]


async def test_a_worker_of_the_swarm_lures_nobody(manager: Manager) -> None:
    async with impostor(identity(manager.root, WORKING), manager) as address, calling_as(None) as joiner:
        with pytest.raises(NotAllowed, match="Hostname mismatch"):
            await joiner.root(address, manager.digest)
        with pytest.raises(Unavailable, match="not a manager of this swarm"):
            await joiner.join(address, manager.root.certificate, b"the token")
    assert [call.name for call in manager.heard] == ["root"]


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"certificates": "hello"}', b'{"certificates": 7}', b"\xff"])
async def test_what_is_no_root_is_refused(manager: Manager, answer: bytes) -> None:
    async def tell(call: Call) -> Reply:
        return answer

    manager.answers["root"] = tell
    async with calling_as(None) as joiner:
        with pytest.raises(NotAllowed):
            await joiner.root(manager.address, manager.digest)


async def test_nobody_joins_with_a_wrong_token(manager: Manager, refusals: Refusals) -> None:
    tokens = JoinTokens(*(join_token(manager.root.certificate, secret * 16) for secret in (b"w", b"m")))

    async def join(call: Call) -> Reply:
        return role_of(json.loads(call.body)["token"], tokens).encode()

    manager.answers["join"] = join
    async with calling_as(None) as joiner:
        trust = await joiner.root(manager.address, manager.digest)
        right = json.dumps({"token": tokens.manager}).encode()
        assert await joiner.join(manager.address, trust, right) == MANAGER.encode()
        wrong = json.dumps({"token": join_token(manager.root.certificate, b"x" * 16)}).encode()
        with pytest.raises(NotAllowed, match="valid join token"):
            await joiner.join(manager.address, trust, wrong)
    assert all(call.peer is None for call in manager.heard)
    assert "valid join token" in refusals()[0]


# --- nodes speak to their own managers only -------------------------------------------------------


async def test_a_node_does_not_speak_to_a_manager_of_a_forged_authority(
    manager: Manager, worker: Caller, refusals: Refusals
) -> None:
    async with impostor(identity(AUTHORITY.root(now()), MANAGING), manager) as address:
        with pytest.raises(Unavailable, match="not a manager of this swarm"):
            await worker.call(address, "report", b"a secret")
    assert manager.heard == []
    assert "refused to speak to a manager" in refusals()[0]


async def test_a_node_does_not_speak_to_a_manager_of_another_swarm_of_the_same_authority(
    manager: Manager, worker: Caller, refusals: Refusals
) -> None:
    stranger = Peer(MANAGING.node_id, MANAGER, "another")
    async with impostor(identity(manager.root, stranger), manager) as address:
        with pytest.raises(Unavailable, match="of another swarm"):
            await worker.call(address, "report", b"a secret")
    assert manager.heard == []
    assert "of another swarm" in refusals()[0]


# --- managers answer their own nodes only ---------------------------------------------------------


async def refused_at_the_door(manager: Manager, who: Identity) -> None:
    """Refused in the handshake: nothing of the call is heard."""
    async with calling_as(who) as caller:
        with pytest.raises(Unavailable, match="did not answer"):
            await caller.call(manager.address, "report")
    assert manager.heard == []


async def test_a_certificate_of_a_forged_authority_is_refused(manager: Manager, refusals: Refusals) -> None:
    await refused_at_the_door(manager, identity(AUTHORITY.root(now()), MANAGING, trust=manager.root.certificate))
    await until(refusals)
    assert "its certificate does not hold" in refusals()[0]


async def test_an_expired_certificate_is_refused(manager: Manager, refusals: Refusals) -> None:
    await refused_at_the_door(manager, identity(manager.root, WORKING, at=now() - 2 * HOUR, expiry=HOUR))
    await until(refusals)
    assert "certificate has expired" in refusals()[0]


async def test_a_certificate_that_is_not_valid_yet_is_refused(manager: Manager, refusals: Refusals) -> None:
    await refused_at_the_door(manager, identity(manager.root, WORKING, at=now() + 2 * HOUR))
    await until(refusals)
    assert "not yet valid" in refusals()[0]


async def test_a_certificate_ends_the_connection_when_it_expires(manager: Manager, refusals: Refusals) -> None:
    async def forever(call: Call) -> Reply:
        async def lines() -> AsyncIterator[bytes]:
            yield b"news"
            await asyncio.Future()

        return lines()

    manager.answers["session"] = forever
    dying = identity(manager.root, WORKING, at=now() - HOUR + 3 * 10**9, expiry=HOUR)
    async with calling_as(dying) as caller, aclosing(caller.stream(manager.address, "session")) as lines:
        await anext(lines)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(anext(lines), 30)
    assert "its certificate has expired" in refusals()[0]


async def test_a_worker_does_not_call_what_is_for_managers(
    manager: Manager, worker: Caller, refusals: Refusals
) -> None:
    with pytest.raises(NotAllowed, match=f'the call "seat" is not open to worker {WORKING.node_id}'):
        await worker.call(manager.address, "seat")
    assert manager.heard == []
    assert 'the call "seat" is not open' in refusals()[0]


async def test_a_call_that_does_not_exist_is_nobodys(manager: Manager, refusals: Refusals) -> None:
    async with calling_as(identity(manager.root, MANAGING)) as caller:
        with pytest.raises(NotAllowed, match='"shutdown" is not open'):
            await caller.call(manager.address, "shutdown")
    assert len(refusals()) == 1


async def test_a_node_of_another_swarm_of_the_same_authority_is_refused(manager: Manager, refusals: Refusals) -> None:
    other = identity(manager.root, Peer(WORKING.node_id, WORKER, "another"))
    async with calling_as(other) as caller:
        caller._cluster_id = CLUSTER
        with pytest.raises(NotAllowed, match=r"is of another swarm \(another\)"):
            await caller.call(manager.address, "report")
    assert manager.heard == []
    assert "is of another swarm" in refusals()[0]


async def test_the_consensus_certificate_is_not_a_nodes(manager: Manager, refusals: Refusals) -> None:
    key, csr = AUTHORITY.request(["127.0.0.1"])
    certificate = AUTHORITY.issue_consensus(manager.root, csr, MANAGING, now(), QUARTER)
    async with calling_as(replace(manager.identity, certificate=certificate, key=key)) as caller:
        with pytest.raises(NotAllowed, match="is not that of a node"):
            await caller.call(manager.address, "report")
    assert manager.heard == []
    assert len(refusals()) == 1


async def test_a_session_is_not_another_nodes(manager: Manager, worker: Caller, refusals: Refusals) -> None:
    sessions = Sessions()

    async def beat(call: Call) -> Reply:
        assert call.peer is not None
        sessions.check(call.body.decode(), call.peer)
        return b""

    manager.answers["beat"] = beat
    sessions.open("a" * 32, WORKING)
    await worker.call(manager.address, "beat", b"a" * 32)
    async with calling_as(identity(manager.root, OTHER)) as thief:
        with pytest.raises(NotAllowed, match=f"not that of node {OTHER.node_id}"):
            await thief.call(manager.address, "beat", b"a" * 32)
    assert "session invalid" in refusals()[0]


# --- strangers ------------------------------------------------------------------------------------


async def test_a_stranger_asks_for_the_root_and_no_more(manager: Manager, refusals: Refusals) -> None:
    assert manager.root.certificate.splitlines()[1].encode() in await post(manager.address, "/root", blind())
    answer = await post(manager.address, "/session", blind())
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b'the call "session" is not open to strangers' in answer
    assert [call.name for call in manager.heard] == ["root"]
    assert "not open to strangers" in refusals()[0]


@pytest.mark.parametrize("path", ["/", "/root/", "//root", "/root?x=1", "/../root", "http://x/root", "/rootx"])
async def test_only_the_exact_names_are_calls(manager: Manager, path: str) -> None:
    assert (await post(manager.address, path, blind())).startswith(b"HTTP/1.1 403 ")
    assert manager.heard == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_a_call(manager: Manager, method: str, refusals: Refusals) -> None:
    assert (await post(manager.address, "/root", blind(), method)).startswith(b"HTTP/1.1 400 ")
    assert f"not by {method}" in refusals()[0]


async def test_a_stranger_sends_little(manager: Manager, refusals: Refusals) -> None:
    async with calling_as(None) as joiner:
        with pytest.raises(Exception, match="65536 bytes at most"):
            await joiner.join(manager.address, manager.root.certificate, bytes(65537))
    assert manager.heard == []
    assert len(refusals()) == 1


async def test_plain_http_is_refused(manager: Manager, refusals: Refusals) -> None:
    assert await post(manager.address, "/root", None) == b""
    await until(refusals)
    assert "plain HTTP" in refusals()[0]
    assert manager.heard == []


async def test_an_older_tls_is_refused(manager: Manager, refusals: Refusals) -> None:
    context = blind()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    host, port = split(manager.address)
    with pytest.raises(OSError):
        await asyncio.open_connection(host, port, ssl=context, server_hostname="swarm-manager")
    await until(refusals)
    assert "unsupported protocol" in refusals()[0]


async def raw(address: str, data: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """What comes back for these bytes until the other end hangs up."""
    host, port = split(address)
    name = "swarm-manager" if context is not None else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    writer.write(data)
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()


async def test_what_is_neither_tls_nor_http_is_refused(manager: Manager, refusals: Refusals) -> None:
    assert await raw(manager.address, b"SSH-2.0-OpenSSH_9.2\r\n") == b""
    await until(refusals)
    assert "TLS: " in refusals()[0]
    assert await raw(manager.address, b"SSH-2.0-OpenSSH_9.2\r\n", blind()) == b""
    await until(lambda: len(refusals()) == 2)
    assert "not HTTP/1.1" in refusals()[1]


async def test_two_requests_at_once_are_refused(manager: Manager, refusals: Refusals) -> None:
    async def never(call: Call) -> Reply:
        return await asyncio.Future()

    manager.answers["root"] = never
    request = b"POST /root HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    assert await raw(manager.address, request * 2, blind()) == b""
    assert "asks again before it is answered" in refusals()[0]


@pytest.mark.parametrize(
    "begin",
    [b"POST /", b"POST /root HTTP/1.1\r\nX: ", b"POST /root HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "],
    ids=["name", "header", "trailer"],
)
async def test_a_request_without_an_end_is_cut_off(manager: Manager, refusals: Refusals, begin: bytes) -> None:
    assert await raw(manager.address, begin + b"x" * 300_000, blind()) == b""
    assert "its request has no end" in refusals()[0]
    assert manager.heard == []


async def test_who_says_nothing_is_not_kept(
    manager: Manager, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HANDSHAKE_SECONDS", 0.2)
    monkeypatch.setattr(answering, "STRANGER_SECONDS", 0.2)
    monkeypatch.setattr(answering, "REQUEST_SECONDS", 0.3)
    assert await raw(manager.address, b"") == b""
    await until(refusals)
    assert "its TLS handshake was not over" in refusals()[0]
    assert await raw(manager.address, b"", blind()) == b""
    assert await raw(manager.address, b"POST /root HT", blind()) == b""
    assert "did not arrive within 0.3 s" in refusals()[1]


async def test_strangers_do_not_crowd_nodes_out(
    manager: Manager, worker: Caller, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MOST_STRANGERS", 2)
    host, port = split(manager.address)
    writers = []
    for _ in range(3):
        _, writer = await asyncio.open_connection(host, port, ssl=blind(), server_hostname="swarm-manager")
        writers.append(writer)
    await until(refusals)
    assert refusals() == ["refused a node's call: too many strangers are connected"]
    assert await worker.call(manager.address, "report", b"x") == b"x"
    for writer in writers:
        writer.close()
    async with calling_as(None) as joiner:
        await until_joined(joiner, manager)


async def until_joined(joiner: Caller, manager: Manager) -> None:
    """As soon as the manager has noticed that the others went."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Unavailable):
                await joiner.root(manager.address, manager.digest)
                return


async def test_whatever_a_stranger_sends_only_open_calls_are_heard(manager: Manager, worker: Caller) -> None:
    chance = Random(7)
    request = b"POST /session HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    names = [b"session", b"root", b"beat", b"renew"]
    for _ in range(60):
        sent = bytearray(request.replace(b"session", chance.choice(names)))
        for _ in range(chance.randrange(4)):
            sent[chance.randrange(len(sent))] = chance.randrange(256)
        await post_raw(manager.address, bytes(sent))
    assert {call.name for call in manager.heard} == {"root"}
    assert {call.peer for call in manager.heard} == {None}
    assert await worker.call(manager.address, "report", b"x") == b"x"


async def post_raw(address: str, data: bytes) -> None:
    """Send, and read what comes at once."""
    host, port = split(address)
    reader, writer = await asyncio.open_connection(host, port, ssl=blind(), server_hostname="swarm-manager")
    writer.write(data)
    with suppress(TimeoutError, OSError):
        await asyncio.wait_for(reader.read(100), 0.1)
    writer.transport.abort()


async def test_who_is_refused_does_not_hinder_others(manager: Manager, worker: Caller) -> None:
    await asyncio.gather(*(raw(manager.address, b"\x16\x03\x01garbage" * 9) for _ in range(20)))
    assert await worker.call(manager.address, "report", b"x") == b"x"


# --- rotation of the root -------------------------------------------------------------------------


async def test_while_the_root_changes_everybody_is_understood_and_then_the_old_ones_are_not(
    manager: Manager, refusals: Refusals
) -> None:
    old = manager.root
    fresh = AUTHORITY.root(now())
    between = replace(fresh, cross=AUTHORITY.cross_sign(old, fresh, now()))
    both = old.certificate + fresh.certificate
    worker_before = identity(old, WORKING)
    worker_after = identity(between, WORKING, trust=both)
    manager.listener.renew(identity(between, MANAGING, trust=both))
    for who in (worker_before, worker_after):
        async with calling_as(who) as caller:
            assert await caller.call(manager.address, "report", b"x") == b"x"

    manager.listener.renew(identity(fresh, MANAGING))
    async with calling_as(worker_after) as caller:
        assert await caller.call(manager.address, "report", b"x") == b"x"
    manager.heard.clear()
    await refused_at_the_door(manager, replace(worker_before, trust=both))
    await until(refusals)
    assert "its certificate does not hold" in refusals()[0]


async def test_a_joiner_finds_either_root_while_they_change(manager: Manager) -> None:
    old = manager.root
    fresh = AUTHORITY.root(now())
    between = replace(fresh, cross=AUTHORITY.cross_sign(old, fresh, now()))
    both = old.certificate + fresh.certificate

    async def root(call: Call) -> Reply:
        return json.dumps({"certificates": both}).encode()

    manager.answers["root"] = root
    manager.listener.renew(identity(between, MANAGING, trust=both))
    async with calling_as(None) as joiner:
        for one in (old, fresh):
            assert await joiner.root(manager.address, digest(one.certificate)) == both

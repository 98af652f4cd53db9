"""Join tokens, unlock keys, renewal, the table of calls, and whose a session is."""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.swarm.identity import (
    CALLS,
    JoinToken,
    join_token,
    may_call,
    parse_token,
    renewal,
    role_of,
    unlock_key,
)
from fairlead.core.swarm.sessions import Sessions
from fairlead.model.errors import Invalid, NotAllowed
from fairlead.model.swarm.cluster import HOUR, JoinTokens
from fairlead.model.swarm.identity import Peer, certificates, digest, vouched
from fairlead.model.swarm.node import MANAGER, WORKER

WORKING, MANAGING = Peer("w", WORKER, "c"), Peer("m", MANAGER, "c")


def pem(der: bytes) -> str:
    text = b64encode(der).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


# --- join tokens ----------------------------------------------------------------------------------


def test_a_token_has_the_shape_that_scripts_look_for() -> None:
    token = join_token(pem(b"root"), bytes(16))
    assert re.fullmatch(r"SWMTKN-1-[0-9a-z]{50}-0{25}", token)
    assert parse_token(token).digest == sha256(b"root").hexdigest()


def test_a_token_as_swarmkit_prints_it_is_read() -> None:
    """The one in Docker's documents."""
    text = "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-7p73s1dx5in4tatdymyhg9hu2"
    token = parse_token(text)
    assert str(token) == text
    assert (len(token.digest), len(token.secret)) == (64, 16)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_a_token_is_read_as_it_was_written(root: bytes, secret: bytes) -> None:
    token = JoinToken(root.hex(), secret)
    assert parse_token(str(token)) == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SWMTKN-1--",
        f"SWMTKN-2-{'0' * 50}-{'0' * 25}",
        f"SWMTKN-1-{'0' * 49}-{'0' * 25}",
        f"SWMTKN-1-{'0' * 50}-{'0' * 24}",
        f"SWMTKN-1-{'A' * 50}-{'0' * 25}",
        f"SWMTKN-1-{'z' * 50}-{'0' * 25}",
        f"SWMTKN-1-{'0' * 50}-{'z' * 25}",
        f"SWMTKN-1-{'0' * 50}-{'0' * 25}-",
    ],
)
def test_what_is_no_token_is_refused_in_dockers_words(text: str) -> None:
    with pytest.raises(Invalid, match="^invalid join token$"):
        parse_token(text)


@given(st.text())
def test_any_text_is_a_token_or_invalid(text: str) -> None:
    with suppress(Invalid):
        assert str(parse_token(text)) == text.strip()


def test_a_token_decides_the_role() -> None:
    worker, manager = join_token(pem(b"root"), b"w" * 16), join_token(pem(b"root"), b"m" * 16)
    tokens = JoinTokens(worker, manager)
    assert (role_of(worker, tokens), role_of(manager, tokens)) == (WORKER, MANAGER)
    with pytest.raises(NotAllowed, match="valid join token"):
        role_of(join_token(pem(b"root"), b"x" * 16), tokens)


def test_no_token_invites_to_a_swarm_without_tokens() -> None:
    with pytest.raises(NotAllowed):
        role_of("", JoinTokens())


def test_a_root_is_known_by_its_digest_wherever_it_stands() -> None:
    bundle = pem(b"old") + "# the next\n" + pem(b"new")
    assert vouched(bundle, sha256(b"new").hexdigest()) == pem(b"new")
    with pytest.raises(NotAllowed, match="does not match fingerprint"):
        vouched(bundle, sha256(b"forged").hexdigest())


@given(st.lists(st.binary(min_size=1), max_size=4))
def test_a_bundle_is_its_certificates(ders: list[bytes]) -> None:
    assert [digest(one) for one in certificates("".join(map(pem, ders)))] == [sha256(der).hexdigest() for der in ders]


@pytest.mark.parametrize("text", ["", "hello", pem(b""), pem(b"x").replace("eA", "e*")])
def test_what_is_no_certificate_has_no_digest(text: str) -> None:
    with pytest.raises(Invalid, match="not a certificate"):
        digest(text)


# --- unlock keys ----------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_an_unlock_key_is_written_as_dockers(chance: bytes) -> None:
    assert re.fullmatch(r"SWMKEY-1-[0-9A-Za-z+/]{43}", unlock_key(chance))


# --- renewal --------------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_certificate_is_renewed_in_the_later_half_of_its_life(hours: int, fraction: float) -> None:
    issued = 1_700_000_000 * 10**9
    end = issued + hours * HOUR
    moment = renewal((issued - HOUR, end), fraction)
    assert issued + 0.499 * hours * HOUR <= moment <= issued + 0.801 * hours * HOUR < end


# --- calls ----------------------------------------------------------------------------------------


def test_strangers_may_ask_for_the_root_and_join() -> None:
    assert {name for name in CALLS if may_call(name, None)} == {"root", "join"}


def test_workers_take_no_seat_and_read_no_others_logs() -> None:
    assert {name for name in CALLS if not may_call(name, WORKING)} == {"seat", "logs"}


def test_managers_may_call_all_that_exists_and_nobody_what_does_not() -> None:
    assert all(may_call(name, MANAGING) for name in CALLS)
    assert not any(may_call("shutdown", peer) for peer in (None, WORKING, MANAGING))


# --- sessions -------------------------------------------------------------------------------------


def test_a_session_is_of_the_node_that_opened_it() -> None:
    sessions = Sessions()
    sessions.open("a" * 32, WORKING)
    sessions.check("a" * 32, WORKING)
    with pytest.raises(NotAllowed, match="not that of node m"):
        sessions.check("a" * 32, MANAGING)


def test_a_token_is_not_used_twice() -> None:
    sessions = Sessions()
    sessions.open("a" * 32, WORKING)
    with pytest.raises(NotAllowed, match="in use"):
        sessions.open("a" * 32, MANAGING)
    sessions.check("a" * 32, WORKING)


def test_a_new_session_ends_the_one_before() -> None:
    sessions = Sessions()
    sessions.open("a" * 32, WORKING)
    sessions.open("b" * 32, WORKING)
    with pytest.raises(NotAllowed, match="has ended"):
        sessions.check("a" * 32, WORKING)
    sessions.close("a" * 32)
    sessions.check("b" * 32, WORKING)
    sessions.close("b" * 32)
    with pytest.raises(NotAllowed):
        sessions.check("b" * 32, WORKING)


@pytest.mark.parametrize("token", ["", "a" * 31, "A" * 32, "a" * 33])
def test_a_session_needs_a_token(token: str) -> None:
    with pytest.raises(Invalid, match="32 hexadecimal"):
        Sessions().open(token, WORKING)

"""A node keeps its papers in line with the managers' word and with time; the clock is the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from fairlead.engine.records import decode, encode
from fairlead.engine.swarm import tending as module
from fairlead.engine.swarm import waiting
from fairlead.engine.swarm.messages import News, RenewAnswer, RenewRequest
from fairlead.engine.swarm.standing import ACTIVE, Standing
from fairlead.engine.swarm.tending import EXPIRED, LONGEST_RETRY, Tending
from fairlead.model.errors import NotAllowed, Refusal, Unavailable
from fairlead.model.swarm.cluster import HOUR
from fairlead.model.swarm.identity import Identity, Peer
from fairlead.model.swarm.node import MANAGER, WORKER, Node
from tests.effects.pki.swarm import AUTHORITY, WORKING, identity
from tests.engine.swarm.leading.court import HandClock
from tests.support.machines import eventually

EXPIRY = 90 * 24 * HOUR
DAY = 24 * 3600.0


class Half:
    """Chance that always falls in the middle: a certificate is renewed at 65 % of its life."""

    def number(self, below: int) -> int:
        return below // 2


class Managers:
    """As its agent reaches them: they sign what they are asked to, or refuse."""

    def __init__(self, clock: HandClock) -> None:
        self.clock, self.root = clock, AUTHORITY.root(clock.now())
        self.role = WORKER
        self.refusal: Refusal | None = None
        self.asked = 0
        self.moves: list[object] = []

    async def ask(self, name: str, body: bytes) -> bytes:
        assert name == "renew"
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        peer = Peer(WORKING.node_id, self.role, WORKING.cluster_id)
        csr = decode(RenewRequest, body).csr
        certificate = AUTHORITY.issue(self.root, csr, peer, self.clock.now(), EXPIRY)
        return encode(RenewAnswer(self.role, certificate, self.root.certificate))

    def move(self, place: object) -> None:
        self.moves.append(place)


class Seating:
    seat = None
    followed = 0

    async def follow(self) -> None:
        self.followed += 1


class Member:
    """What a membership is to its tending. `shown` are the papers that the node's calls show."""

    def __init__(self, own: Identity, managers: Managers) -> None:
        self.own, self.agent = own, managers
        self.hands = SimpleNamespace(authority=AUTHORITY, caller=SimpleNamespace(renew=self._show))
        self.remote_managers: tuple[tuple[str, str], ...] = ()
        self.address = "10.9.0.1"
        self.standing = Standing(ACTIVE, own.peer.node_id)
        self.shown: Identity | None = None

    def _show(self, own: Identity) -> None:
        self.shown = own

    async def save(self, own: Identity) -> None:
        self.own = own

    def place(self, own: Identity) -> Peer:
        return own.peer


@dataclass(slots=True)
class Home:
    clock: HandClock
    managers: Managers
    member: Member
    seating: Seating
    tending: Tending

    async def later(self, days: float) -> None:
        """So long later everything was looked at."""
        self.clock.advance(days * DAY)
        self.tending.look()
        before = self.seating.followed
        await eventually(lambda: self.seating.followed > before or self.tending.error)

    def valid_until(self) -> int:
        return AUTHORITY.lifetime(self.member.own.certificate)[1]


@asynccontextmanager
async def at_home() -> AsyncIterator[Home]:
    clock = HandClock()
    managers = Managers(clock)
    member = Member(identity(managers.root, WORKING, at=clock.now(), expiry=EXPIRY), managers)
    seating = Seating()
    tending = Tending(member, seating, clock, Half())  # type: ignore[arg-type]
    tending.begin(member.own)
    running = asyncio.create_task(tending.run())
    try:
        yield Home(clock, managers, member, seating, tending)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr(module, "RETRY", 0.01)
    async with at_home() as home:
        yield home


async def test_a_certificate_is_renewed_before_it_ends_again_and_again(home: Home) -> None:
    for number in range(3):
        before = home.member.own.certificate
        await home.later(50)
        assert (home.managers.asked, home.member.own.certificate) == (number, before)
        await home.later(10)
        assert home.managers.asked == number + 1
        assert home.valid_until() == home.clock.now() // 10**9 * 10**9 + EXPIRY
        assert home.member.shown == home.member.own
    assert home.managers.moves == []


async def test_a_renewal_that_nobody_answers_is_tried_until_somebody_does(home: Home) -> None:
    home.managers.refusal = Unavailable("no manager of the swarm can be reached")
    await home.later(60)
    await eventually(lambda: home.managers.asked >= 3)
    assert home.tending.error == "no manager of the swarm can be reached"
    home.managers.refusal = None
    await eventually(lambda: not home.tending.error)
    assert home.valid_until() > home.clock.now() + EXPIRY // 2


async def test_too_late_nobody_is_asked(home: Home) -> None:
    await home.later(91)
    await eventually(lambda: home.tending.error == EXPIRED)
    assert home.managers.asked == 0


async def test_a_forced_renewal_brings_the_new_roots_papers(home: Home) -> None:
    old = home.managers.root
    home.managers.root = AUTHORITY.root(home.clock.now())
    both = home.managers.root.certificate + old.certificate
    home.tending.heard(News(root=both))
    await eventually(lambda: home.member.own.trust == both)
    assert home.managers.asked == 0
    home.tending.heard(News(force_renew=True))
    await eventually(lambda: home.member.own.trust == home.managers.root.certificate)
    peer = AUTHORITY.verify(home.member.own.certificate, home.managers.root.certificate)
    assert (peer, home.managers.asked) == (WORKING, 1)


async def test_another_role_is_taken_on_with_other_papers(home: Home) -> None:
    home.managers.role = MANAGER
    home.tending.heard(News(node=Node(WORKING.node_id, role=MANAGER)))
    promoted = replace(WORKING, role=MANAGER)
    await eventually(lambda: home.managers.moves == [promoted])
    assert (home.member.own.peer, home.managers.asked) == (promoted, 1)


async def test_managers_that_are_heard_of_are_remembered(home: Home) -> None:
    home.member.remote_managers = (("m1", "10.9.0.7:2377"), ("m2", "10.9.0.8:2377"))
    home.tending.heard(News())
    await eventually(lambda: home.member.own.managers == ("10.9.0.7:2377", "10.9.0.8:2377"))


async def test_who_is_refused_asks_less_and_less_often_unless_there_are_news(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    async def first_of(*waits: Coroutine[Any, Any, object], seconds: float) -> None:
        rests.append(seconds)
        await waiting.first_of(*waits, seconds=seconds)

    monkeypatch.setattr(module, "first_of", first_of)
    home.managers.refusal = NotAllowed("node wwww was removed from the swarm")
    await home.later(60)
    await eventually(lambda: [round(rest, 3) for rest in rests if 0 < rest < 1][:3] == [0.01, 0.03, 0.07])
    home.tending._pause = 1000.0  # as after many refusals
    await eventually(lambda: rests[-1] > LONGEST_RETRY / 2)
    home.managers.refusal = None
    home.tending.heard(News())
    await eventually(lambda: not home.tending.error)

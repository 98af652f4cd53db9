"""What a trace foretells is what happens: every situation on a real host of namespaces, and a real packet in each.

outside 192.168.7.2 ---- up0 192.168.7.1   br-pets   web (8080 -> 80, loopback's 8081 -> 81), db
                                           br-vault  (internal) safe
                                           br-apart  (containers may not talk) one, two
                                           docker0   old
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairlead.core.firewall.elements import change
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.netns import SocketSpec, open_sockets
from fairlead.effects.wire.probing import probe
from fairlead.effects.wire.sights import LinuxSights
from fairlead.engine.trace.ends import Asked
from fairlead.engine.trace.tracer import Tracer
from fairlead.model.endpoint import EndpointSpec, PortRequest
from fairlead.model.errors import Refusal
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.trace import ANSWERED, DROPPED, REACHES, UNSURE, Trace
from tests.effects.kernel.conftest import run
from tests.engine.networking.conftest import living
from tests.engine.networking.house import House
from tests.support.spaces import host_namespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

GENEROUS, SHORT = 10.0, 0.4
PUBLISHED = (PortRequest(80, "tcp", "", (8080, 8080)), PortRequest(81, "tcp", "127.0.0.1", (8081, 8081)))


class Town:
    def __init__(self, house: House, outside: str) -> None:
        self.house, self.outside = house, outside
        self.tracer = Tracer(house.engine.fabric, LinuxSights())

    def address(self, container: str) -> str:
        endpoints = self.house.state.endpoints_of(self.house.state.container(container).id)
        return str(next(own.ip for endpoint in endpoints for own in endpoint.addresses))

    async def trace(self, source: str, target: str, **asked: object) -> Trace:
        return await self.tracer.trace(Asked(source, target, **asked))  # type: ignore[arg-type]

    async def check(self, source: str, target: str) -> Trace:
        """The trace, once a real packet has fared alike."""
        question = await self.tracer._ends.question(Asked(source, target))
        trace = await self.trace(source, target)
        ns = self.outside if question.outside else question.ns
        seconds = GENEROUS if trace.verdict == REACHES else SHORT
        outcome = await asyncio.to_thread(probe, ns, question.destination, question.protocol, question.port, seconds)
        assert (outcome == ANSWERED) == (trace.verdict == REACHES), (outcome, trace)
        return trace


@contextmanager
def beside(directory: Path) -> Iterator[str]:
    """Another machine on the host's wire, which knows the way to everything behind it."""
    directory.mkdir()
    netns.make_private_mount(directory)
    path, descriptor = directory / "outside", netns.make_namespace()
    netns.name_namespace(descriptor, path)
    os.close(descriptor)
    try:
        ns = str(path)
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "out", "netns", ns)
        run("ip", "address", "add", "192.168.7.1/24", "dev", "up0")
        run("ip", "link", "set", "up0", "up")
        run("ip", "address", "add", "192.168.7.2/24", "dev", "out", ns=ns)
        run("ip", "link", "set", "out", "up", ns=ns)
        run("ip", "route", "add", "default", "via", "192.168.7.1", ns=ns)
        run("ip", "route", "add", "default", "via", "192.168.7.2")
        yield ns
    finally:
        netns.forget_namespace(path)
        netns.unmount(directory)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    with host_namespace(), beside(tmp_path / "beside") as outside:
        run("ip", "link", "set", "lo", "up")
        async with living(House(tmp_path / "house")) as house:
            await house.network("pets")
            await house.network("vault", internal=True)
            await house.network("apart", options={"com.docker.network.bridge.enable_icc": "false"})
            await house.run("web", "pets", ports=PUBLISHED)
            await house.run("db", "pets")
            await house.run("safe", "vault")
            await house.run("one", "apart")
            await house.run("two", "apart")
            await house.run("old", "bridge")
            listening = [
                made
                for name in ("web", "db", "safe", "one", "two", "old")
                for port in (80, 81)
                for made in open_sockets(house.ns(name), [SocketSpec(1, ("0.0.0.0", port), backlog=8)])
            ]
            try:
                yield Town(house, outside)
            finally:
                for each in listening:
                    each.close()


async def test_what_is_foretold_happens(town: Town) -> None:
    arrives = [
        ("web", "db"),
        ("web", "db:80"),
        ("db", "host:8080"),
        ("old", "host:8080"),
        ("host", "host:8080"),
        ("host", "127.0.0.1:8081"),
        ("host", "web:80"),
        ("host", "safe"),
        ("one", "host"),
        ("outside:192.168.7.2", "web:80"),
        ("outside:192.168.7.2", "192.168.7.1:8080"),
        ("outside:192.168.7.2", "host"),
        ("web", "web:80"),
    ]
    fails = [
        ("web", "db:82", "nothing listens", "start a server in db"),
        ("old", town.address("web") + ":80", "networks are apart", "docker network connect pets old"),
        ("web", town.address("safe") + ":80", "nobody else speaks to internal", "docker network connect vault web"),
        ("safe", town.address("web"), "no route", "docker network connect pets safe"),
        ("one", "two:80", "both ports are isolated", "docker network connect"),
        ("outside:192.168.7.2", town.address("db") + ":80", "what was not published", "docker run -p 80:80"),
        ("outside:192.168.7.2", "web:8081", "published at 127.0.0.1:8081", "publish it at 0.0.0.0"),
        ("web", "172.18.0.99", "nobody on br-", ""),
    ]
    for trace in await asyncio.gather(*(town.check(source, target) for source, target in arrives)):
        assert trace.verdict == REACHES, trace
    traces = await asyncio.gather(*(town.check(source, target) for source, target, _, _ in fails))
    for trace, (_, _, why, remedy) in zip(traces, fails, strict=True):
        assert trace.verdict == DROPPED, trace
        assert why in trace.told
        assert remedy in trace.remedy


FOREIGN = "add table inet other; add chain inet other c { type filter hook forward priority 5; }"
DROPS = (
    ("chain c: handle", ["nft", "add rule inet other c ip daddr 172.16.0.0/12 tcp dport 80 drop"], []),
    ("chain c: policy drop", ["nft", "chain inet other c { policy drop; }"], []),
    ("the answer", ["nft", "add rule inet other c ct state established,related drop"], []),
    ("table ip filter, chain FORWARD: policy drop", ["iptables", "-P", "FORWARD", "DROP"], ["-P", "FORWARD", "ACCEPT"]),
    (
        "table inet fairlead-user, chain forward: mine",
        ["nft", 'add rule inet fairlead-user forward tcp dport 80 drop comment "mine"'],
        ["flush chain inet fairlead-user forward"],
    ),
    ("ip_forward=0", ["sysctl", "-q", "-w", "net.ipv4.ip_forward=0"], ["-q", "-w", "net.ipv4.ip_forward=1"]),
)
"""What is said of each, the command that does it, and the arguments that undo it."""


async def test_what_others_drop_is_told(town: Town) -> None:
    client, service = "outside:192.168.7.2", "web:80"
    for why, command, undo in DROPS:
        run("nft", FOREIGN)
        run(*command)
        trace = await town.check(client, service)
        assert trace.verdict == DROPPED
        assert why in trace.told
        if undo:
            run(command[0], *undo)
        run("nft", "delete table inet other")
    assert (await town.check(client, service)).verdict == REACHES


async def test_what_cannot_be_read_is_not_guessed(town: Town) -> None:
    run("nft", FOREIGN)
    run("nft", "add rule inet other c limit rate over 1/hour drop")
    trace = await town.trace("outside:192.168.7.2", "web:80")
    assert trace.verdict == UNSURE
    assert "limit" in trace.told
    run("nft", "insert rule inet other c meta l4proto tcp accept")
    assert (await town.trace("outside:192.168.7.2", "web:80")).verdict == REACHES
    run("nft", "add rule inet other c drop")
    assert (await town.check("outside:192.168.7.2", "web:80")).verdict == REACHES
    run("nft", "flush chain inet other c; add rule inet other c meta cpu 0 accept; add rule inet other c drop")
    assert (await town.trace("outside:192.168.7.2", "web:80")).verdict == UNSURE


async def test_what_should_be_there_and_is_not_is_the_finding(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> None:
        """In place of the repair, which would be done before anybody could ask."""

    monkeypatch.setattr(town.house.reconcile, "_answer", hang)
    published = next(e for e in await town.house.kernel.elements("inet", "fairlead", "bound4") or ())
    await town.house.kernel.apply(Plan((ChangeRules(change(remove=(published,))),)))
    trace = await town.check("host", "127.0.0.1:8081")
    assert trace.verdict == DROPPED
    findings = [hop.told for hop in trace.hops if hop.kind == "finding"]
    assert any("127.0.0.1 . 6 . 8081" in told and "bound4" in told for told in findings)
    assert "puts it back" in trace.remedy


async def test_an_entry_that_leads_astray_is_told(town: Town) -> None:
    address = town.address("db")
    run("ip", "neighbour", "replace", address, "lladdr", "02:00:00:00:00:77", "dev", "eth0", ns=town.house.ns("web"))
    trace = await town.check("web", "db:80")
    assert trace.verdict == DROPPED
    assert "02:00:00:00:00:77" in trace.told
    assert f"ip neighbour del {address} dev eth0" in trace.remedy


async def test_names_are_what_they_are_for_who_asks(town: Town) -> None:
    for source, target, why, remedy in (
        ("web", "old", "old is on bridge", ""),
        ("web", "safe", "safe is on vault", "docker network connect vault web"),
        ("safe", "nothing-of-that-name", "nobody: none of its networks leads outside", ""),
    ):
        trace = await town.trace(source, target)
        assert (trace.verdict, trace.at) == (DROPPED, 1)
        assert why in trace.told
        assert remedy in trace.remedy
    await town.house.stop("db")
    for source in ("web", "host"):
        trace = await town.trace(source, "db")
        assert trace.verdict == DROPPED
        assert trace.remedy == "docker start db"


async def test_what_makes_no_sense_is_refused(town: Town) -> None:
    for target in ("a..b", "x" * 64, "\u00e4", "web:http", "web:70000"):
        with pytest.raises(Refusal, match="invalid"):
            await town.trace("web", target)
    with pytest.raises(Refusal, match="No such container"):
        await town.trace("nobody", "web")


async def test_a_trial_is_compared_with_what_was_foretold(town: Town) -> None:
    trace = await town.tracer.trace(Asked("web", "db:80"), send=True)
    assert (trace.verdict, trace.agrees, trace.tried.endswith("answered")) == (REACHES, True, True)
    away = await town.tracer.trace(Asked("web", "192.168.7.2"))
    assert away.verdict == UNSURE
    assert "leaves this host by up0" in away.told
    tried = await town.tracer.trace(Asked("web", "192.168.7.2"), send=True)
    assert tried.verdict == REACHES


async def test_what_stands_on_the_hosts_interface_does_not_hear_the_host(town: Town) -> None:
    house = town.house
    await house.network("lan", "192.168.7.0/24", driver="macvlan", options={"parent": "up0"})
    for name, last in (("mac1", 51), ("mac2", 52)):
        await house.run(name, "lan", endpoints={"lan": EndpointSpec(ipv4=f"192.168.7.{last}")})
    assert (await town.check("mac1", "mac2")).verdict == REACHES
    assert (await town.check("outside:192.168.7.2", "192.168.7.51")).verdict == REACHES
    for source, target, why in (
        ("host", "192.168.7.51", "mac1 stands on up0 itself"),
        ("mac1", "192.168.7.1", "does not reach the host that it is on by up0"),
    ):
        trace = await town.check(source, target)
        assert trace.verdict == DROPPED
        assert why in trace.told

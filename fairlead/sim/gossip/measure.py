"""What is measured, from the events that nodes report and from what the simulation knows to be true."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.core.gossip import EntryResumed, EntrySet, Event, MemberFailed
from fairlead.sim.gossip.host import Host
from fairlead.sim.gossip.world import World

RowName = tuple[str, str]
"""Key and owner. A key is written once; a node that finds itself in another life writes it again."""


@dataclass(slots=True)
class Write:
    """A write, and when each host first saw it. `audience`: the hosts and lives that are to see it."""

    at: float
    audience: dict[int, int]
    seen: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class CatchUp:
    """A host that came back, and what it has yet to learn; `last` is when it learned something of it."""

    at: float
    life: int
    missing: set[RowName]
    last: float
    done: float | None = None


@dataclass(slots=True)
class Crash:
    at: float
    first: float | None = None
    known: dict[int, float] = field(default_factory=dict)


class Measure:
    """Observes a world. Invariant: judgements use the true state of hosts, never a node's opinion."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.writes: dict[RowName, Write] = {}
        self.crashes: dict[str, Crash] = {}
        self.joins: list[CatchUp] = []
        self._joining: dict[int, CatchUp] = {}
        self.false_deaths: dict[tuple[str, int, int], float] = {}
        self.false_views = 0
        self.load: list[tuple[float, float]] = []
        """Virtual time, and bytes sent per node and second in the second before."""
        self._split_until = -1.0
        world.observe = self.observe

    def wrote(self, host: Host, key: str) -> None:
        audience = {other.number: other.life for other in self._world.up()}
        self.writes[(key, host.name)] = Write(self._world.now, audience, {host.number: self._world.now})

    def joined(self, host: Host) -> None:
        """The host came back; it is to learn all rows of owners that run."""
        rows = {name for name, write in self.writes.items() if name[1] != host.name and self._owner_runs(name, write)}
        catch_up = CatchUp(self._world.now, host.life, rows, self._world.now, None if rows else self._world.now)
        self.joins.append(catch_up)
        self._joining[host.number] = catch_up

    def went(self, host: Host) -> None:
        """The host goes away: nobody can be expected to learn its rows before it returns."""
        for catch_up in self._joining.values():
            if catch_up.done is None:
                catch_up.missing -= {row for row in catch_up.missing if row[1] == host.name}
                if not catch_up.missing:
                    catch_up.done = catch_up.last

    def crashed(self, host: Host) -> None:
        self.crashes[host.name] = Crash(self._world.now)

    def partitioned(self, until: float) -> None:
        """Until then, and a while after, deaths across the cut are not mistakes."""
        self._split_until = until

    def observe(self, host: Host, event: Event) -> None:
        match event:
            case EntrySet(entry=entry) | EntryResumed(entry=entry):
                self._saw(host, (entry.key, entry.owner))
            case MemberFailed():
                self._failed(host, event)
            case _:
                pass

    def _saw(self, host: Host, row: RowName) -> None:
        write = self.writes.get(row)
        if write is None:
            return
        if write.audience.get(host.number) == host.life:
            write.seen.setdefault(host.number, self._world.now)
        catch_up = self._joining.get(host.number)
        if catch_up is not None and catch_up.done is None and catch_up.life == host.life:
            if row in catch_up.missing:
                catch_up.missing.discard(row)
                catch_up.last = self._world.now
            if not catch_up.missing:
                catch_up.done = catch_up.last

    def _failed(self, host: Host, event: MemberFailed) -> None:
        member, now = event.member, self._world.now
        subject = self._world.named(member.name)
        if not subject.up:
            crash = self.crashes.get(member.name)
            if crash is not None:
                crash.first = now if crash.first is None else crash.first
                crash.known.setdefault(host.number, now)
            return
        if member.session != subject.node.identity.session or now < self._split_until:
            return  # a former life of it, or unreachable
        self.false_views += 1
        if event.here:
            self.false_deaths.setdefault((member.name, subject.life, member.incarnation), now)

    def sample_load(self, total_before: int) -> None:
        """Notes the bytes sent each second, from now on."""
        total = sum(host.node.counters.bytes_sent + host.node.counters.call_bytes_sent for host in self._world.hosts)
        if self._world.now > 0:
            self.load.append((self._world.now, max(total - total_before, 0) / len(self._world.hosts)))
        self._world.schedule.after(1.0, self.sample_load, total)

    # Summaries.

    def dissemination(self) -> tuple[list[float], int]:
        """Seconds from each write until all of its audience that is still running had it; how many never did.

        A write whose owner went away before it reached everybody counts as neither: it may have left with the owner.
        """
        times, missing = [], 0
        for name, write in self.writes.items():
            audience = [number for number, life in write.audience.items() if self._still(number, life)]
            if all(number in write.seen for number in audience):
                times.append(max((write.seen[number] for number in audience), default=write.at) - write.at)
            elif self._owner_runs(name, write):
                missing += 1
        return times, missing

    def arrivals(self) -> list[float]:
        """Seconds from each write until each host had it."""
        return [seen - write.at for write in self.writes.values() for seen in write.seen.values()]

    def catch_ups(self) -> list[float]:
        """Seconds from each return of a host until it had all rows, for those that had the time."""
        return [catch_up.done - catch_up.at for catch_up in self.joins if catch_up.done is not None]

    def detection(self) -> tuple[list[float], list[float]]:
        """For each crash, seconds until the first and until all running hosts knew."""
        first, everybody = [], []
        running = [host.number for host in self._world.up()]
        for crash in self.crashes.values():
            if crash.first is not None:
                first.append(crash.first - crash.at)
            if crash.known and all(number in crash.known for number in running):
                everybody.append(max(crash.known[number] for number in running) - crash.at)
        return first, everybody

    def _owner_runs(self, name: RowName, write: Write) -> bool:
        owner = self._world.named(name[1])
        return self._still(owner.number, write.audience.get(owner.number, 0))

    def _still(self, number: int, life: int) -> bool:
        host = self._world.hosts[number]
        return host.up and host.life == life


def converged(world: World) -> bool:
    """Whether all running hosts count exactly each other as present, and hold the same of all that they share."""
    up = world.up()
    if not up or world.network.split:
        return False
    truth = sorted(host.name for host in up)
    tables: dict[str, int] = {}
    for host in up:
        node = host.node
        if node.digest != up[0].node.digest:
            return False
        if any(tables.setdefault(network, digest) != digest for network, digest in node.table_digests().items()):
            return False
        if sorted(member.name for member in node.members() if member.present) != truth:
            return False
    return True

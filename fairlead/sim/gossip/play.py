"""Plays: a cluster's history as a text that can be read, run, and compared with what it printed before.

A line that is not indented is a command; the indented lines below it are what it prints. Times are virtual and the seed
is fixed, so a play prints the same every time, and a change in the protocol shows as a difference in a text.

    start 3            n0 … n2 know each other and have joined the network `pets`
    write n0 web 10.0.0.2
    crash n1
    run until n1 failed
    show n0
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from fairlead.core.gossip import (
    LAN,
    EntryDeleted,
    EntryResumed,
    EntrySet,
    EntrySuspended,
    Event,
    Keyring,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberSuspected,
    NameConflict,
)
from fairlead.sim.gossip.host import Host, State
from fairlead.sim.gossip.latency import lan
from fairlead.sim.gossip.measure import converged
from fairlead.sim.gossip.network import Network, Weather
from fairlead.sim.gossip.world import World

NETWORK = "pets"
PATIENCE = 120.0
STEP = 0.01


class PlayError(ValueError):
    """The text is not a play. Says which line, and what would be right."""


def rewrite(text: str) -> str:
    """The play with what its commands print now."""
    stage, lines = Stage(), []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(" "):
            continue
        lines.append(line)
        command = line.partition("#")[0].split()
        if command:
            try:
                lines += [f"    {printed}" for printed in stage.perform(command)]
            except (KeyError, IndexError, ValueError, TypeError) as error:
                raise PlayError(f"line {number}: {line!r}: {error}") from error
    return "\n".join(lines) + "\n"


class Stage:
    """The cluster of one play. Commands are its methods `do_…`."""

    def __init__(self) -> None:
        self._world: World
        self._printed: list[str] = []
        self._told: dict[str, float] = {}
        self._values: dict[str, str] = {}

    def perform(self, command: list[str]) -> list[str]:
        verb, *words = command
        action: Callable[..., None] | None = getattr(self, f"do_{verb}", None)
        if action is None:
            verbs = ", ".join(sorted(name[3:] for name in dir(self) if name.startswith("do_")))
            raise PlayError(f"no command {verb!r}; there are {verbs}")
        self._printed = []
        action(*words)
        return self._printed

    def do_start(self, count: str, seed: str = "1") -> None:
        """start COUNT [SEED]: hosts that know each other, all in one network."""
        rng = random.Random(int(seed))
        network = Network(int(count), lan, Weather(), random.Random(rng.random()))
        hosts = [Host(number, 0.0, 1.0) for number in range(int(count))]
        for host in hosts:
            host.name = f"n{host.number}"
        self._world = World(network, hosts, replace(LAN, stale_life=5.0), rng.randbytes(32), rng)
        self._world.observe = self._observe
        self._world.warm_start([NETWORK])

    def do_run(self, *words: str) -> None:
        """run SECONDS, or run until WHAT…: until something like it was printed, or until agreed."""
        world = self._world
        if words[0] != "until":
            world.schedule.run(world.now + float(words[0]))
            return
        begin, end = world.now, world.now + PATIENCE
        while world.now < end and not self._happened(words[1:]):
            world.schedule.run(world.now + STEP)
        how = "after" if self._happened(words[1:]) else "not within"
        self._printed.append(f"{how} {world.now - begin:.2f} s")

    def do_write(self, name: str, key: str, value: str) -> None:
        host = self._host(name)
        host.node.set_entry(NETWORK, "names", key, value.encode(), host.local(self._world.now))
        self._world.flush(host)

    def do_delete(self, name: str, key: str) -> None:
        host = self._host(name)
        host.node.delete_entry(NETWORK, "names", key, host.local(self._world.now))
        self._world.flush(host)

    def do_crash(self, name: str) -> None:
        """The process dies; its kernel lives."""
        self._world.stop(self._host(name), State.KILLED)

    def do_power(self, name: str) -> None:
        """power NAME: the plug is pulled."""
        self._world.stop(self._host(name), State.OFF)

    def do_stop(self, name: str, seconds: str) -> None:
        """The process stands still for that long."""
        host = self._host(name)
        self._world.stop(host, State.STOPPED)
        self._world.schedule.after(float(seconds), self._world.resume, host, host.life)

    def do_boot(self, name: str, seed: str) -> None:
        """boot NAME SEED: the host starts again and joins through another, and then the network."""
        host = self._host(name)
        self._world.start(host, [self._host(seed).number])
        host.node.join_network(NETWORK, host.local(self._world.now))
        self._world.flush(host)

    def do_leave(self, name: str) -> None:
        host = self._host(name)
        host.node.leave(host.local(self._world.now))
        self._world.flush(host)
        self._world.schedule.after(1.0, self._world.stop, host, State.KILLED)

    def do_cut(self, *names: str) -> None:
        """cut NAME…: these hosts reach only each other."""
        network = self._world.network
        for name in names:
            network.island[self._host(name).number] = 1
        network.split = True

    def do_heal(self) -> None:
        self._world.network.heal()

    def do_loss(self, percent: str) -> None:
        self._world.network.weather.loss = float(percent.rstrip("%")) / 100

    def do_rotate(self) -> None:
        """A new key, a second between the steps; then nobody accepts the old one."""
        world, old, new = self._world, self._world.key, self._world.rng.randbytes(32)
        assert old is not None
        for step, key in ((Keyring.install, new), (Keyring.use, new), (Keyring.remove, old)):
            for host in world.up():
                step(host.node.keyring, key)
            world.schedule.run(world.now + 1.0)
        world.key = new

    def do_show(self, name: str) -> None:
        """What one node holds: members by status, visible rows by owner."""
        node = self._host(name).node
        by_status: dict[str, list[str]] = {}
        for member in node.members():
            by_status.setdefault(member.status.name.lower(), []).append(self._short(member.name))
        for status in sorted(by_status):
            self._printed.append(f"{status}: {' '.join(sorted(by_status[status], key=lambda name: int(name[1:])))}")
        rows = [
            f"{entry.key}={entry.value.decode()} ({self._short(entry.owner)})"
            for entry in node.entries(NETWORK, "names")
        ]
        self._printed.append(f"rows: {', '.join(sorted(rows)) or 'none'}")

    def do_errors(self) -> None:
        """Packets that any node refused, by reason."""
        total: dict[str, int] = {}
        for host in self._world.hosts:
            for reason, count in host.node.counters.peer_errors.items():
                total[reason] = total.get(reason, 0) + count
        self._printed.append(", ".join(f"{reason}: {total[reason]}" for reason in sorted(total)) or "none")

    def _happened(self, words: tuple[str, ...]) -> bool:
        if words == ("agreed",):
            return converged(self._world)
        return any(all(word in line.split() for word in words) for line in self._printed)

    def _host(self, name: str) -> Host:
        return self._world.hosts[int(name.removeprefix("n"))]

    def _short(self, name: str) -> str:
        return f"n{int(name[1:])}"

    def _observe(self, host: Host, event: Event) -> None:
        line = _describe(event, self._short)
        if line is None:
            return
        known = self._told.get(line)
        # What everybody sees is printed once, when the first sees it.
        if known is None or self._world.now - known > 5.0:
            self._printed.append(f"{self._world.now:7.2f} {line}")
        self._told[line] = self._world.now


def _describe(event: Event, short: Callable[[str], str]) -> str | None:
    match event:
        case MemberFailed(member=member):
            return f"{short(member.name)} failed"
        case MemberSuspected(member=member):
            return f"{short(member.name)} suspected"
        case MemberLeft(member=member):
            return f"{short(member.name)} left"
        case MemberJoined(member=member, returned=returned):
            return f"{short(member.name)} {'returned' if returned else 'joined'}"
        case NameConflict(name=name, rival=rival):
            return f"{short(name)} yields to {rival[0]}"
        case EntrySet(entry=entry) if entry.network == NETWORK:
            return f"{entry.key}={entry.value.decode()} set by {short(entry.owner)}"
        case EntryDeleted(entry=entry) if entry.network == NETWORK:
            return f"{entry.key} of {short(entry.owner)} deleted"
        case EntrySuspended(entry=entry) if entry.network == NETWORK:
            return f"{entry.key} of {short(entry.owner)} suspended"
        case EntryResumed(entry=entry) if entry.network == NETWORK:
            return f"{entry.key} of {short(entry.owner)} resumed"
        case _:
            return None

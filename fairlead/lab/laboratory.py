"""A whole lab as an object: up, down, faults, and its machines by name.

with Laboratory.up("demo", simple(["a", "b"])) as lab:
    a, b = lab.hosts("a", "b")
    a.docker("run -d --name web -p 80:80 nginx")
    assert b.fetch(f"http://{a.address}")
    lab.cut("a", "b")
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

from fairlead.lab import faults, record, services, swarm, underlay, uplink
from fairlead.lab.cgroups import remove_below, remove_of
from fairlead.lab.damage import Damage
from fairlead.lab.draw import draw
from fairlead.lab.machine import SOCKET, Machine
from fairlead.lab.node import Node, boot, until
from fairlead.lab.record import Record
from fairlead.lab.topology import OUTSIDE, Host, Router, Topology
from fairlead.lab.transcript import Transcript
from fairlead.model.errors import Failed, Invalid, NotFound, Unsupported

Progress = Callable[[str], None]
Named = Machine | str
"""A node, or its name."""


class Laboratory:
    """A lab that is up (or half up, after a crash: `down` takes what there is)."""

    def __init__(self, remembered: Record) -> None:
        self._record = remembered
        self.name = remembered.name
        self.topology: Topology = remembered.topology
        self.directory: Path = record.directory_of(remembered.name)
        self._machines: dict[str, Machine] = {}
        self._damage = Damage(remembered, self._node)
        self.transcript = Transcript()

    # --- life ---------------------------------------------------------------------------------------

    @classmethod
    def up(
        cls, name: str, topology: Topology, daemon_flags: Sequence[str] = (), progress: Progress = lambda _: None
    ) -> Laboratory:
        """Make everything and wait until each daemon answers. On a failure nothing is left."""
        _check_paths(name, topology)
        remembered = Record(name, topology, tuple(daemon_flags))
        record.claim(remembered)
        lab = cls(remembered)
        with lab.removed_on_failure():
            lab._boot_all(progress)
            lab._cable(progress)
            lab._start_daemons(progress)
        return lab

    @contextlib.contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """For the steps of a making: all of them, or nothing is left."""
        try:
            yield
        except BaseException:
            self.down()
            raise

    @classmethod
    def open(cls, name: str) -> Laboratory:
        return cls(record.load(name))

    def down(self, progress: Progress = lambda _: None) -> None:
        """Remove everything that this lab made, and nothing else; works on what a crash left, too."""
        for name in self._record.nodes:
            progress(f"ending {name}")
            self._node(name).end()
        until(self._nothing_runs, f"the processes of {self.directory} to end", 15)
        uplink.remove(uplink.of(self.directory))
        if self._record.turned_forwarding_on and not _hand_over_forwarding(self.name):
            uplink.turn_forwarding(on=False)
        remove_below(self.directory)
        record.forget(self.directory)

    def _nothing_runs(self) -> bool:
        """Kill what is left, such as machines that were not written down yet when the tool was killed."""
        found = record.processes_of(self.directory)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def form_swarm(self, progress: Progress = lambda _: None) -> None:
        """Join the hosts that have a role in the topology into one swarm, which the first manager makes."""
        members = [machine for machine in self.hosts() if machine.host.role and machine.has_daemon]
        managers = [machine for machine in members if machine.host.role == "manager"]
        if not managers:
            raise Invalid("a swarm needs a manager: workers alone make none")
        swarm.form(managers[0], [machine for machine in members if machine is not managers[0]], progress)

    def draw(self, form: str = "text") -> str:
        """The topology and the faults in force, in one of `draw.FORMATS`."""
        return draw(self.topology, form, self._damage.described())

    def load(self, archives: Sequence[Path], progress: Progress = lambda _: None) -> None:
        """Give every host the images of the archives."""
        for machine in self.hosts():
            for archive in archives if machine.has_daemon else ():
                progress(f"{machine.name} loads {archive.name}")
                machine.load(archive)

    # --- its machines ---------------------------------------------------------------------------------

    def hosts(self, *names: str) -> list[Machine]:
        """The named machines, or all."""
        return [self.host(name) for name in names or self.topology.hosts]

    def host(self, name: str) -> Machine:
        if name not in self.topology.hosts:
            raise NotFound(f'lab "{self.name}" has no host "{name}"; hosts: {", ".join(self.topology.hosts)}')
        if name not in self._machines:
            host, flags = self.topology.hosts[name], self._record.daemon_flags
            self._machines[name] = Machine(host, self._node(name), flags, self.transcript)
        return self._machines[name]

    def node(self, name: str) -> Node:
        """A host, a router or the fabric."""
        if name not in self._record.nodes:
            raise NotFound(f'lab "{self.name}" has no node "{name}"; nodes: {", ".join(self._record.nodes)}')
        return self._node(name)

    def reboot(self, name: str) -> None:
        """End a host with all that runs on it, and start it again: its disk stays, what was in memory is gone."""
        machine = self.host(name)
        self.transcript.add(f"reboot {name}")
        machine.node.end()
        fabric = self.node(underlay.FABRIC)
        for cable in underlay.cables_of(self.topology, name):
            until(partial(fabric.lacks_link, cable.port), f"the old end of {cable.name} to go", 15)
        remove_of(machine.directory)
        shutil.rmtree(machine.directory / "exec", ignore_errors=True)
        machine.pidfile.unlink(missing_ok=True)
        machine.node = booted = self._boot_one(name)
        self._record.nodes[name] = (booted.pid, booted.born)
        record.save(self._record)
        fabric.batch("ip", underlay.cable_commands(self.topology, name, booted.pid))
        self._configure_links(name, self.topology.hosts[name])
        self._damage.reimpose(name)
        if machine.has_daemon:
            machine.start()

    # --- faults ---------------------------------------------------------------------------------------

    def cut(self, a: Named, b: Named) -> None:
        """Nothing passes between the two nodes any more, though their links stay up."""
        self.transcript.add(f"cut {_name(a)} {_name(b)}")
        self._damage.cut(_name(a), _name(b))

    def isolate(self, node: Named) -> None:
        """No frame passes between the node and any other."""
        self.transcript.add(f"isolate {_name(node)}")
        self._damage.isolate(_name(node))

    def heal(self) -> None:
        """Undo all cuts and impairments."""
        self.transcript.add("heal")
        self._damage.heal()

    def impair(self, link: Named, impairment: faults.Impairment) -> None:
        """Make a cable lossy, slow or narrow in both directions, in place of what it suffered before. Uses netem, or
        nftables and tbf where the kernel has none."""
        self.transcript.add(f"impair {_name(link)} {impairment}")
        self._damage.impair(_name(link), impairment)

    def capture_command(self, link: str, output: str | None) -> list[str]:
        """The tcpdump that writes what crosses a link to the file `output` ("-" is standard output), or as text."""
        if shutil.which("tcpdump") is None:
            raise Failed('tcpdump is not installed: "apt-get install tcpdump"')
        cable = self._damage.find_cable(link)
        target = ["-l", "-n"] if output is None else ["-w", output]
        return self.node(underlay.FABRIC).inside(["tcpdump", "-U", "-i", cable.port, *target], network_only=True)

    # --- within ---------------------------------------------------------------------------------------

    def _node(self, name: str) -> Node:
        """One that is not booted yet has no process: it is not alive."""
        pid, born = self._record.nodes.get(name, (0, 0))
        return Node(name, self.directory / name, pid, born)

    def _boot_all(self, progress: Progress) -> None:
        names = [underlay.FABRIC, *self.topology.nodes]
        with ThreadPoolExecutor(8) as pool:
            for node in pool.map(self._boot_one, names):
                self._record.nodes[node.name] = (node.pid, node.born)
                progress(f"{node.name} is a machine")
        record.save(self._record)

    def _boot_one(self, name: str) -> Node:
        host = self.topology.hosts.get(name)
        return boot(name, self.directory / name, host.gateway if host else "")

    def _cable(self, progress: Progress) -> None:
        pids = {name: pid for name, (pid, _) in self._record.nodes.items()}
        self.node(underlay.FABRIC).batch("ip", underlay.fabric_commands(self.topology, pids))
        for name, spec in self.topology.nodes.items():
            self._configure_links(name, spec)
        for name, router in self.topology.routers.items():
            self._configure_router(name, router)
        progress("cables are in")

    def _configure_links(self, name: str, spec: Host | Router) -> None:
        try:
            self._node(name).batch("ip", underlay.node_commands(self.topology, spec))
        except Failed as failure:
            tagged = [link.ifname for link in spec.links if link.vlan]
            if tagged and "Unknown device type" in failure.message:
                raise Unsupported(f"{name} cannot have {', '.join(tagged)}: this kernel has no 8021q") from failure
            raise

    def _configure_router(self, name: str, router: Router) -> None:
        node = self._node(name)
        node.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        for link in router.links:
            if router.masquerades_on(link):
                node.nft(underlay.masquerade_rules(link.ifname))
        if router.uplink:
            self._record.turned_forwarding_on = not uplink.forwarding()
            record.save(self._record)
            uplink.make(uplink.of(self.directory), node)
            node.nft(underlay.masquerade_rules(uplink.IFNAME))
        if name == OUTSIDE:
            services.start_world(node)
        if self._is_gateway(router):
            leads_on = any(other.uplink for other in self.topology.routers.values())
            upstream = uplink.nameservers(Path("/etc/resolv.conf").read_text()) if leads_on else []
            services.start_names(node, self.topology, upstream)

    def _is_gateway(self, router: Router) -> bool:
        gateways = {host.gateway for host in self.topology.hosts.values()}
        return any(str(link.address.ip) in gateways for link in router.links if link.address)

    def _start_daemons(self, progress: Progress) -> None:
        machines = [machine for machine in self.hosts() if machine.has_daemon]
        for machine in machines:
            machine.launch()
        for machine in machines:
            machine.ready()
            progress(f"{machine.name} answers at {machine.socket}")


def _hand_over_forwarding(ending: str) -> bool:
    """Another lab with an uplink still needs what this one turned on, and turns it off in its turn."""
    for name in record.labs():
        other = record.load(name)
        if name != ending and any(router.uplink for router in other.topology.routers.values()):
            other.turned_forwarding_on = True
            record.save(other)
            return True
    return False


def _check_paths(name: str, topology: Topology) -> None:
    """A socket's path has 107 characters at most (unix(7))."""
    longest = max((len(os.fsencode(record.directory_of(name) / host / SOCKET)) for host in topology.hosts), default=0)
    if longest > 107:
        raise Invalid(f'"{name}" is too long a name below {record.root()}: sockets\' paths end at 107 characters')


def _name(node: Named) -> str:
    return node if isinstance(node, str) else node.name

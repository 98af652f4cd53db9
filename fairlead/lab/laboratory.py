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
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

from fairlead.lab import faults, record, services, swarm, underlay, uplink
from fairlead.lab.cgroups import remove_below, remove_of
from fairlead.lab.machine import Machine
from fairlead.lab.node import Node, boot, until
from fairlead.lab.record import Record
from fairlead.lab.topology import OUTSIDE, Host, Router, Topology
from fairlead.model.errors import Failed, Invalid, NotFound

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

    # --- life ---------------------------------------------------------------------------------------

    @classmethod
    def up(
        cls, name: str, topology: Topology, daemon_flags: Sequence[str] = (), progress: Progress = lambda _: None
    ) -> Laboratory:
        """Make everything and wait until each daemon answers. On a failure nothing is left."""
        remembered = Record(name, topology, tuple(daemon_flags))
        record.claim(remembered)
        lab = cls(remembered)
        try:
            lab._boot_all(progress)
            lab._cable(progress)
            lab._start_daemons(progress)
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def open(cls, name: str) -> Laboratory:
        return cls(record.load(name))

    def down(self, progress: Progress = lambda _: None) -> None:
        """Remove everything that this lab made, and nothing else; works on what a crash left, too."""
        for name in self._record.nodes:
            progress(f"ending {name}")
            self._node(name).end()
        for pid in record.processes_of(self.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not record.processes_of(self.directory), f"the processes of {self.directory} to end", 15)
        if any(router.uplink for router in self.topology.routers.values()):
            uplink.remove(uplink.of(self.directory))
            if self._record.turned_forwarding_on:
                uplink.turn_forwarding(on=False)
        remove_below(self.directory)
        record.forget(self.directory)

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def form_swarm(self, progress: Progress = lambda _: None) -> None:
        """Join the hosts that have a role in the topology into one swarm, which the first manager makes."""
        members = [machine for machine in self.hosts() if machine.host.role and _has_daemon(machine.host)]
        managers = [machine for machine in members if machine.host.role == "manager"]
        if not managers:
            raise Invalid("a swarm needs a manager: workers alone make none")
        swarm.form(managers[0], [machine for machine in members if machine is not managers[0]], progress)

    # --- its machines ---------------------------------------------------------------------------------

    def hosts(self, *names: str) -> list[Machine]:
        """The named machines, or all."""
        return [self.host(name) for name in names or self.topology.hosts]

    def host(self, name: str) -> Machine:
        if name not in self.topology.hosts:
            raise NotFound(f'lab "{self.name}" has no host "{name}"; hosts: {", ".join(self.topology.hosts)}')
        if name not in self._machines:
            self._machines[name] = Machine(self.topology.hosts[name], self._node(name), self._record.daemon_flags)
        return self._machines[name]

    def node(self, name: str) -> Node:
        """A host, a router or the fabric."""
        if name not in self._record.nodes:
            raise NotFound(f'lab "{self.name}" has no node "{name}"; nodes: {", ".join(self._record.nodes)}')
        return self._node(name)

    def reboot(self, name: str) -> None:
        """End a host with all that runs on it, and start it again: its disk stays, what was in memory is gone."""
        machine = self.host(name)
        machine.node.end()
        fabric = self.node(underlay.FABRIC)
        for cable in self._cables(name):
            until(partial(fabric.lacks_link, cable.port), f"the old end of {cable.name} to go", 15)
        remove_of(machine.directory)
        shutil.rmtree(machine.directory / "exec", ignore_errors=True)
        machine.pidfile.unlink(missing_ok=True)
        machine.node = booted = self._boot_one(name)
        self._record.nodes[name] = (booted.pid, booted.born)
        record.save(self._record)
        fabric.batch("ip", underlay.cable_commands(self.topology, name, booted.pid))
        booted.batch("ip", underlay.node_commands(self.topology, self.topology.hosts[name]))
        for port, impairment in self._record.impaired.items():
            if any(cable.port == port for cable in self._cables(name)):
                self._impose(port, impairment)
        if _has_daemon(machine.host):
            machine.start()

    # --- faults ---------------------------------------------------------------------------------------

    def cut(self, a: Named, b: Named) -> None:
        """No frame passes between the two nodes any more."""
        pairs = [(x.port, y.port) for x in self._cables(a) for y in self._cables(b)]
        self._set_cuts([*self._record.cuts, *pairs])

    def isolate(self, node: Named) -> None:
        """No frame passes between the node and any other."""
        mine = self._cables(node)
        others = [cable for cable in underlay.cables(self.topology) if cable.node != _name(node)]
        self._set_cuts([*self._record.cuts, *((x.port, y.port) for x in mine for y in others)])

    def heal(self) -> None:
        """Undo all cuts and impairments."""
        fabric = self.node(underlay.FABRIC)
        fabric.nft(faults.heal_rules())
        for port in self._record.impaired:
            fabric.nft(faults.unimpaired(port))
            fabric.run(["tc", "qdisc", "del", "dev", port, "root"], check=False)
        self._record.cuts, self._record.impaired = [], {}
        record.save(self._record)

    def impair(self, link: Named, impairment: faults.Impairment) -> None:
        """Make a cable lossy, slow or narrow. Uses netem, or nftables where the kernel has none."""
        cable = underlay.find_cable(self.topology, _name(link))
        if cable is None:
            names = ", ".join(c.name for c in underlay.cables(self.topology))
            raise NotFound(f'lab "{self.name}" has no link "{_name(link)}"; links: {names}')
        self._impose(cable.port, impairment)
        self._record.impaired[cable.port] = impairment
        record.save(self._record)

    def capture_command(self, link: str, output: str) -> list[str]:
        """The tcpdump that writes what crosses a link to `output` ("-" for text on the terminal)."""
        cable = underlay.find_cable(self.topology, link)
        if cable is None:
            raise NotFound(f'lab "{self.name}" has no link "{link}"')
        target = ["-w", output] if output != "-" else ["-l", "-n"]
        return self.node(underlay.FABRIC).inside(["tcpdump", "-U", "-i", cable.port, *target], network_only=True)

    # --- within ---------------------------------------------------------------------------------------

    def _node(self, name: str) -> Node:
        """One that is not booted yet has no process: it is not alive."""
        pid, born = self._record.nodes.get(name, (0, 0))
        return Node(name, self.directory / name, pid, born)

    def _cables(self, node: Named) -> list[underlay.Cable]:
        found = [cable for cable in underlay.cables(self.topology) if cable.node == _name(node)]
        if not found:
            raise NotFound(f'lab "{self.name}" has no node "{_name(node)}"; nodes: {", ".join(self.topology.nodes)}')
        return found

    def _set_cuts(self, pairs: list[tuple[str, str]]) -> None:
        self._record.cuts = pairs
        record.save(self._record)
        self.node(underlay.FABRIC).nft(faults.cut_rules(pairs))

    def _impose(self, port: str, impairment: faults.Impairment) -> None:
        fabric = self.node(underlay.FABRIC)
        if has_netem(fabric):
            fabric.batch("tc", faults.netem_commands(port, impairment))
        else:
            fabric.nft(faults.nft_impairment(port, impairment))

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
            self._node(name).batch("ip", underlay.node_commands(self.topology, spec))
        for name, router in self.topology.routers.items():
            self._configure_router(name, router)
        progress("cables are in")

    def _configure_router(self, name: str, router: Router) -> None:
        node, nat = self._node(name), router.nat
        node.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        if nat:
            ifname = next((c.ifname for c in self._cables(name) if nat in (c.switch, c.ifname)), "")
            if not ifname:
                raise Invalid(f'routers.{name}: nat = "{nat}" names none of its links')
            node.nft(underlay.masquerade_rules(ifname))
        if router.uplink:
            self._record.turned_forwarding_on = uplink.make(uplink.of(self.directory), node)
            record.save(self._record)
            node.nft(underlay.masquerade_rules(uplink.IFNAME))
        if name == OUTSIDE:
            upstream = uplink.nameservers(Path("/etc/resolv.conf").read_text()) if router.uplink else []
            services.start(node, self.topology, upstream)

    def _start_daemons(self, progress: Progress) -> None:
        machines = [self.host(h.name) for h in self.topology.hosts.values() if _has_daemon(h)]
        for machine in machines:
            machine.launch()
        for machine in machines:
            machine.ready()
            progress(f"{machine.name} answers at {machine.socket}")


def _name(node: Named) -> str:
    return node if isinstance(node, str) else node.name


def _has_daemon(host: Host) -> bool:
    return host.daemon is not None


def has_netem(node: Node) -> bool:
    """Whether this kernel can delay and lose frames by itself."""
    tried = node.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "0ms"], check=False)
    node.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=False)
    return tried.returncode == 0


def tcpdump(command: Sequence[str]) -> int:
    """Run a capture in the foreground until it is interrupted."""
    if shutil.which("tcpdump") is None:
        raise Failed('tcpdump is not installed: "apt-get install tcpdump"')
    with contextlib.suppress(KeyboardInterrupt):
        return subprocess.run(command, check=False).returncode
    return 0

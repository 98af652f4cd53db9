"""Is what the API says really there, and is there nothing else? Asked of the host, not of the daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fairlead.lab.machine import Machine
from tests.chaos.api import Api
from tests.support.machines import wait_for

Question = tuple[str, str, str, str]
_CHECKOUT = Path(__file__).parents[2]
_CGROUPS = Path("/sys/fs/cgroup")
_BRIDGE_SETS = ("bridges", "masquerade4", "masquerade6")


class Audit:
    """One look at a host at rest: no verb is under way. `faults` is empty when all is well."""

    def __init__(self, machine: Machine, ports: Iterable[int] = ()) -> None:
        """`ports` are those of the host that containers may have had: held exactly when they are published."""
        self._machine, self._ports = machine, ports
        api = Api(machine.socket)
        self.containers = api.containers()
        self.networks = [api.get(f"/networks/{each['Id']}") for each in api.get("/networks")]
        self._running = [each for each in self.containers if each["State"]["Running"]]

    def faults(self) -> list[str]:
        return [*self._links(), *self._kept(), *self._processes(), *self._elements(), *self._leases(), *self._answers()]

    # --- what is there ------------------------------------------------------------------------------

    def _links(self) -> Iterator[str]:
        """Bridges and host ends of pairs, exactly; a link on its way out gets a moment."""
        wanted = {_bridge(network) for network in self.networks if network["Driver"] == "bridge"}
        found: list[Any] = []

        def settled() -> bool:
            found[:] = json.loads(self._sh("ip -j -d link"))
            return not any(link.get("group") not in ("default", None) for link in found)

        wait_for(settled, 5, "doomed links to go")
        bridges = {link["ifname"] for link in found if link.get("linkinfo", {}).get("info_kind") == "bridge"}
        yield from _difference("bridges", wanted, bridges)
        for link in found:
            if (name := link["ifname"]) in bridges - wanted:
                yield f"{name}: alias {link.get('ifalias')!r}, {link['flags']}; {self._told_of(name)}"
        pairs = [link for link in found if link["ifname"].startswith("veth")]
        if len(pairs) != len(list(self._attached())):
            yield f"{len(pairs)} host ends for {len(list(self._attached()))} endpoints"
        for link in pairs:
            if link.get("master") not in wanted or "UP" not in link["flags"]:
                yield f"{link['ifname']} is not up on a bridge: {link}"

    def _told_of(self, bridge: str) -> str:
        """What the daemon's log says of a bridge, by the id of its network."""
        lines = self._machine.log.read_text(errors="replace").splitlines()
        return " | ".join(line for line in lines if bridge.removeprefix("br-") in line) or "not in the log"

    def _attached(self) -> Iterator[tuple[Any, str, Any]]:
        """(container, network name, settings) for every interface of every running container."""
        for container in self._running:
            for name, settings in container["NetworkSettings"]["Networks"].items():
                yield container, name, settings

    def _kept(self) -> Iterator[str]:
        """Namespaces, mounts, folders and cgroups: one for each container that runs, or exists."""
        folder = self._machine.directory
        running, all_ids = {c["Id"] for c in self._running}, {c["Id"] for c in self.containers}
        keys = {Path(c["NetworkSettings"]["SandboxKey"]).name for c in self._running}
        mounts = [line.split()[1] for line in self._sh("cat /proc/mounts").splitlines()]
        mounts = [path for path in mounts if path.startswith(f"{folder}/")]
        roots = {Path(path).parent.name for path in mounts if path.endswith("/merged")}
        spaces = {Path(path).name for path in mounts if "/exec/netns/" in path}
        yield from _difference("namespaces", keys, _names(folder / "exec/netns"))
        yield from _difference("mounted namespaces", keys, spaces)
        yield from _difference("mounted roots", running, roots)
        yield from _difference("bundles", running, _names(folder / "exec/containers"))
        yield from _difference("runc's containers", running, _names(folder / "exec/runc"))
        for what in ("data/containers", "data/rootfs"):
            if extra := _names(folder / what) - all_ids:
                yield f"{what} of nobody: {extra}"
        parent = (folder / "exec/cgroup").read_text().strip("/ \n")
        for hierarchy in _CGROUPS.iterdir():
            if (hierarchy / parent).is_dir():
                there = {path.name for path in (hierarchy / parent).iterdir() if path.is_dir()}
                yield from _difference(f"cgroups of {hierarchy.name}", running, there)

    def _processes(self) -> Iterator[str]:
        """One conmon for each container, no runc, and the process that inspect names."""
        wanted, monitors = {c["Id"] for c in self._running}, []
        for line in self._sh("ps -ww -eo pid=,args=").splitlines():
            words = line.split()
            if "<defunct>" in words:
                yield f"nobody collected {line.strip()}"
            elif "conmon" in words[1]:
                monitors.append(words[words.index("-c") + 1])
            elif "runc" in words[1]:
                yield f"a runc is left: {line}"
        yield from _difference("conmons", wanted, set(monitors))
        if len(monitors) != len(set(monitors)):
            yield "a container has two conmons"

    def _elements(self) -> Iterator[str]:
        found = self._machine.sh("nft -j list table inet fairlead", check=False)
        if found.returncode:
            yield f"no table: {found.stderr.strip()}"
            return
        listed = json.loads(found.stdout)["nftables"]
        sets = {
            (entry.get("set") or entry.get("map"))["name"]: (entry.get("set") or entry.get("map")).get("elem", [])
            for entry in listed
            if "set" in entry or "map" in entry
        }
        bridges = {_bridge(network) for network in self.networks if network["Driver"] == "bridge"}
        for name in _BRIDGE_SETS:
            yield from _difference(f"elements of {name}", bridges, set(sets[name]))
        published = {(proto, outside, address, inside) for _, proto, outside, address, inside in self._published()}
        listed_ports = {(*key["concat"], *value["concat"]) for key, value in sets["any4"]}
        yield from _difference("elements of any4", published, listed_ports)
        for name, elements in sets.items():
            if name.startswith(("bound", "any_range", "linked", "open", "internal")) and elements:
                yield f"set {name} should be empty: {elements}"

    def _published(self) -> Iterator[tuple[Any, str, int, str, int]]:
        for container in self._running:
            for key, bindings in container["NetworkSettings"]["Ports"].items():
                inside, _, protocol = key.partition("/")
                address = self._carrier_address(container)
                for binding in bindings or ():
                    if ":" not in binding["HostIp"]:
                        yield container, protocol, int(binding["HostPort"]), address, int(inside)

    def _carrier_address(self, container: Any) -> str:
        """Where its ports lead: to the address on the first network of the name's order (all have equal priority)."""
        networks = container["NetworkSettings"]["Networks"]
        return str(networks[min(networks)]["IPAddress"])

    def _leases(self) -> Iterator[str]:
        held = [(name, settings["IPAddress"]) for _, name, settings in self._attached()]
        if len(held) != len(set(held)):
            yield f"an address is leased twice: {sorted(held)}"
        for network in self.networks:
            users = {c["Id"] for c, name, _ in self._attached() if name == network["Name"]}
            yield from _difference(f"containers of {network['Name']}", users, set(network["Containers"]))

    # --- whether it works ---------------------------------------------------------------------------

    def _answers(self) -> Iterator[str]:
        yield from ask(self._machine, list(self._questions()))

    def _questions(self) -> Iterator[Question]:
        for container, _, settings in self._attached():
            yield "", "http", f"{settings['IPAddress']}:80", container["Id"][:12]
        held = set()
        for container, _, outside, _, inside in self._published():
            held.add(outside)
            if inside == 80:
                yield "", "http", f"127.0.0.1:{outside}", container["Id"][:12]
                yield "", "http", f"::1:{outside}", container["Id"][:12]
        for port in self._ports:
            yield "", "free", str(port), "no" if port in held else "yes"
        for network in self.networks:
            yield from self._among([each for each in self._attached() if each[1] == network["Name"]])

    def _among(self, members: list[tuple[Any, str, Any]]) -> Iterator[Question]:
        """On one network: the first reaches all others, and everybody's name is known to the first and the last."""
        for container, name, settings in members:
            asking = {members[0][0]["NetworkSettings"]["SandboxKey"], members[-1][0]["NetworkSettings"]["SandboxKey"]}
            for ns in asking:
                yield ns, "http", f"{settings['IPAddress']}:80", container["Id"][:12]
                if name != "bridge":
                    yield ns, "name", f"{container['Name'][1:]}.", self._addresses_seen(ns, container)

    def _addresses_seen(self, ns: str, container: Any) -> str:
        """What the sandbox is told: the address on the first network, in gateway order, that both are on."""
        asker = next(each for each in self._running if each["NetworkSettings"]["SandboxKey"] == ns)
        theirs = container["NetworkSettings"]["Networks"]
        common = sorted(set(asker["NetworkSettings"]["Networks"]) & set(theirs) - {"bridge"})
        return str(theirs[common[0]]["IPAddress"])

    def _sh(self, line: str) -> str:
        return self._machine.sh(line).stdout


def ask(machine: Machine, questions: Sequence[Question]) -> Iterator[str]:
    """Put questions to a host (see `probe`); those that were answered otherwise than wanted."""
    text = "".join(json.dumps(question) + "\n" for question in questions)
    command = machine.node.inside(["env", f"PYTHONPATH={_CHECKOUT}", sys.executable, "-m", "tests.chaos.probe"])
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        yield f"the probe failed: {done.stderr}"
        return
    for question, answer in zip(questions, json.loads(done.stdout), strict=True):
        if answer:
            yield f"{question}: {answer}"


def _bridge(network: Any) -> str:
    return str(network["Options"].get("com.docker.network.bridge.name") or f"br-{network['Id'][:12]}")


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _difference(what: str, wanted: set[Any], found: set[Any]) -> Iterator[str]:
    if missing := wanted - found:
        yield f"{what}: missing {sorted(missing)}"
    if extra := found - wanted:
        yield f"{what}: {sorted(extra)} belong to nothing"

"""Where a task may go: seven questions to a node, each of which can say why not.

A node is turned down by the first filter that refuses it. When every node is, `explain` joins what the filters say
about how many nodes, in Docker's words and most frequent first, and adds what would help.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fairlead.core.swarm.constraints import attribute, unmet
from fairlead.core.swarm.load import Load, holders, host_ports
from fairlead.model.swarm.node import ACTIVE, READY, Node, Platform
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.task import Task

GIGA = 1_000_000_000
MEBI = 1 << 20
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm"}
_BUILT_IN_LOGS = frozenset({"", "none"})


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a node: a task, and the drivers of its networks. Tasks of one service made from one template
    are one demand."""

    task: Task
    drivers: tuple[str, ...] = ()


Check = Callable[[Demand, Node, Load], str]
"""Returns why the node is refused (the detail that a fix needs), or ""."""


def available(demand: Demand, node: Node, load: Load) -> str:
    if node.status.state != READY:
        return node.status.state
    return "" if node.spec.availability == ACTIVE else f"set to {node.spec.availability}"


def resources(demand: Demand, node: Node, load: Load) -> str:
    asked, has = demand.task.spec.reservations, node.description
    if asked.nano_cpus and load.nano_cpus + asked.nano_cpus > has.nano_cpus:
        return f"{_cpus(asked.nano_cpus)} are asked for, {_cpus(has.nano_cpus - load.nano_cpus)} of"
    if asked.memory and load.memory + asked.memory > has.memory:
        return f"{_mebibytes(asked.memory)} are asked for, {_mebibytes(has.memory - load.memory)} of"
    for kind, amount in asked.generic.items():
        free = has.offers(kind) - load.generic.get(kind, 0)
        if amount > free:
            return f"{amount} {kind} are asked for, {free} of"
    if asked.named:
        kind, name = asked.named[0]
        return f"{kind} by the name {name} (not by {kind}=NUMBER) are asked for, 0 of"
    return ""


def plugins(demand: Demand, node: Node, load: Load) -> str:
    """Network drivers must be there; so must volume and log drivers, where the node lists any of that kind."""
    offered: dict[str, set[str]] = {"Network": set(), "Volume": set(), "Log": set()}
    for plugin in node.description.plugins:
        offered.setdefault(plugin.kind, set()).add(plugin.name)
    missing = [f"network driver {driver}" for driver in demand.drivers if driver not in offered["Network"]]
    if offered["Volume"]:
        missing += [f"volume driver {driver}" for driver in _volume_drivers(demand.task) - offered["Volume"]]
    log = demand.task.spec.log_driver
    if offered["Log"] and log is not None and log.name not in offered["Log"] | _BUILT_IN_LOGS:
        missing.append(f"log driver {log.name}")
    return missing[0] if missing else ""


def _volume_drivers(task: Task) -> set[str]:
    mounts = task.spec.container.mounts if task.spec.container is not None else ()
    return {mount.driver for mount in mounts if mount.kind == "volume" and mount.driver}


def constraints(demand: Demand, node: Node, load: Load) -> str:
    return unmet(node, demand.task.spec.placement.constraints)


def platform(demand: Demand, node: Node, load: Load) -> str:
    wanted, has = demand.task.spec.placement.platforms, node.description.platform
    if not wanted or any(_runs(one, has) for one in wanted):
        return ""
    return ", ".join(f"{one.os or 'any'}/{one.architecture or 'any'}" for one in wanted)


def _runs(wanted: Platform, has: Platform) -> bool:
    same_os = not wanted.os or wanted.os == has.os
    return same_os and (not wanted.architecture or _plain(wanted.architecture) == _plain(has.architecture))


def _plain(architecture: str) -> str:
    return _ARCHITECTURES.get(architecture.lower(), architecture.lower())


def ports(demand: Demand, node: Node, load: Load) -> str:
    for (port, protocol), service in holders(load, host_ports(demand.task)).items():
        return f"{port}/{protocol} {service}"
    return ""


def replicas(demand: Demand, node: Node, load: Load) -> str:
    limit = demand.task.spec.placement.max_replicas
    return str(limit) if limit and load.count(demand.task.service_id) >= limit else ""


@dataclass(frozen=True, slots=True)
class Filter:
    """`verdict` is Docker's phrase; `advice` makes words of the details of the nodes it turned down."""

    name: str
    check: Check
    verdict: Callable[[int], str]
    advice: Callable[[Sequence[tuple[Node, str]], Mapping[str, Service]], str]


def _on(phrase: str) -> Callable[[int], str]:
    return lambda count: f"{phrase} on {_nodes(count)}"


def _nodes(count: int) -> str:
    return f"{count} node" if count == 1 else f"{count} nodes"


def _cpus(nano: int) -> str:
    return f"{nano / GIGA:g} CPUs"


def _mebibytes(size: int) -> str:
    return f"{round(size / MEBI, 1):.10g} MiB"


Refused = Sequence[tuple[Node, str]]


def _advise_availability(refused: Refused, services: Mapping[str, Service]) -> str:
    counted = Counter(detail for _, detail in refused)
    listed = ", ".join(f"{count} {'is' if count == 1 else 'are'} {detail}" for detail, count in counted.most_common())
    return f"of the nodes that take no tasks {listed}; start or activate one, or add nodes"


def _advise_resources(refused: Refused, services: Mapping[str, Service]) -> str:
    """Names one node: the one with the largest share of what is asked for."""
    node, detail = max(refused, key=lambda pair: _amount(pair[1]))
    return f"{detail} node {_called(node)} are free; lower the reservation or free resources"


def _amount(detail: str) -> float:
    return float(detail.rsplit(", ", 1)[1].split()[0])


def _advise_plugins(refused: Refused, services: Mapping[str, Service]) -> str:
    return f"node {_called(refused[0][0])} has no {refused[0][1]}; install it or choose another"


def _advise_constraints(refused: Refused, services: Mapping[str, Service]) -> str:
    expression = Counter(detail for _, detail in refused).most_common(1)[0][0]
    key = expression.replace("!=", "==").split("==")[0].strip()
    seen = sorted({found for node, _ in refused if (found := attribute(node, key)) is not None})
    have = f" (nodes have {', '.join(seen[:5])})" if seen else ""
    return f"{_nodes(len(refused))} not satisfying {expression}{have}; label a node or change the constraint"


def _advise_platform(refused: Refused, services: Mapping[str, Service]) -> str:
    has = refused[0][0].description.platform
    return f"the image is for {refused[0][1]}, node {_called(refused[0][0])} is {has.os}/{has.architecture}"


def _advise_ports(refused: Refused, services: Mapping[str, Service]) -> str:
    port, service_id = refused[0][1].split()
    holder = services.get(service_id)
    return f"port {port} is held by service {holder.spec.name if holder else service_id}; add nodes or change the port"


def _advise_replicas(refused: Refused, services: Mapping[str, Service]) -> str:
    return f"each node may have {refused[0][1]} of this service; add nodes or raise --replicas-max-per-node"


def _called(node: Node) -> str:
    return node.description.hostname or node.id


FILTERS: tuple[Filter, ...] = (
    Filter("available", available, lambda count: f"{_nodes(count)} not available for new tasks", _advise_availability),
    Filter("resources", resources, _on("insufficient resources"), _advise_resources),
    Filter("plugins", plugins, _on("missing plugin"), _advise_plugins),
    Filter("constraints", constraints, _on("scheduling constraints not satisfied"), _advise_constraints),
    Filter("platform", platform, _on("unsupported platform"), _advise_platform),
    Filter("ports", ports, _on("host-mode port already in use"), _advise_ports),
    Filter("replicas", replicas, lambda count: "max replicas per node limit exceed", _advise_replicas),
)
"""In the order in which a node is asked."""


def fits(demand: Demand, node: Node, load: Load) -> bool:
    return refusal(demand, node, load) is None


def refusal(demand: Demand, node: Node, load: Load) -> tuple[Filter, str] | None:
    """The first filter that turns the node down and its detail; None when the node will do."""
    for one in FILTERS:
        if detail := one.check(demand, node, load):
            return one, detail
    return None


def explain(refusals: Iterable[tuple[Node, Filter, str]], services: Mapping[str, Service]) -> str:
    """Why no node will do, out of the refusal of every node."""
    by_filter: dict[str, list[tuple[Node, str]]] = {}
    known = {one.name: one for one in FILTERS}
    for node, one, detail in refusals:
        by_filter.setdefault(one.name, []).append((node, detail))
    ranked = sorted(by_filter.items(), key=lambda item: -len(item[1]))
    if not ranked:
        return "no suitable node: the swarm has no nodes"
    verdicts = "; ".join(known[name].verdict(len(refused)) for name, refused in ranked)
    advice = ". ".join(known[name].advice(refused, services) for name, refused in ranked)
    return f"no suitable node ({verdicts}): {advice}"

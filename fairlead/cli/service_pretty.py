"""A service for people: `service inspect --pretty`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fairlead.cli.fields import Json, flag, get, mapping, number, objects, text, texts
from fairlead.cli.format.units import BINARY, parse_time, since, size

NetworkName = Callable[[str], str]


def service_text(service: Json, network_name: NetworkName) -> str:
    return "\n".join(_lines(service, network_name))


def _lines(service: Json, network_name: NetworkName) -> Iterator[str]:
    spec = mapping(service, "Spec")
    yield ""
    yield f"ID:\t\t{text(service, 'ID')}"
    yield f"Name:\t\t{text(spec, 'Name')}"
    if labels := mapping(spec, "Labels"):
        yield "Labels:"
        yield from (f" {key}={value}" for key, value in sorted(labels.items()))
    yield from _mode(spec)
    yield from _update_status(mapping(service, "UpdateStatus"))
    yield from _placement(mapping(spec, "TaskTemplate", "Placement"))
    if "UpdateConfig" in spec:
        yield from _update("Update", mapping(spec, "UpdateConfig"))
    if "RollbackConfig" in spec:
        yield from _update("Rollback", mapping(spec, "RollbackConfig"))
    yield from _container(mapping(spec, "TaskTemplate", "ContainerSpec"))
    yield from _resources(mapping(spec, "TaskTemplate", "Resources"))
    joined = objects(spec, "TaskTemplate", "Networks")
    if joined:
        yield "Networks: " + " ".join(network_name(text(one, "Target")) for one in joined) + " "
    yield f"Endpoint Mode:\t{text(service, 'Endpoint', 'Spec', 'Mode') or text(spec, 'EndpointSpec', 'Mode')}"
    yield from _ports(objects(service, "Endpoint", "Ports"))
    yield ""


def _mode(spec: Json) -> Iterator[str]:
    mode = mapping(spec, "Mode")
    if "Replicated" in mode:
        yield "Service Mode:\tReplicated"
        yield f" Replicas:\t{number(mode, 'Replicated', 'Replicas')}"
    elif "ReplicatedJob" in mode:
        yield "Service Mode:\tReplicatedJob"
        yield f" Max Concurrent:\t{number(mode, 'ReplicatedJob', 'MaxConcurrent')}"
        yield f" Total Completions:\t{number(mode, 'ReplicatedJob', 'TotalCompletions')}"
    else:
        yield f"Service Mode:\t{next(iter(mode), '')}"


def _update_status(status: Json) -> Iterator[str]:
    if not status:
        return
    yield "UpdateStatus:"
    yield f" State:\t\t{text(status, 'State')}"
    for word, key in (("Started", "StartedAt"), ("Completed", "CompletedAt")):
        if moment := parse_time(text(status, key)):
            yield f" {word}:\t{since(moment).lower()}"
    yield f" Message:\t{text(status, 'Message')}"


def _placement(placement: Json) -> Iterator[str]:
    yield "Placement:"
    if constraints := texts(placement, "Constraints"):
        yield f" Constraints:\t[{' '.join(constraints)}]"
    spreads = [text(one, "Spread", "SpreadDescriptor") for one in objects(placement, "Preferences")]
    if spreads:
        yield " Preferences:\t" + " ".join(f"spread={spread}" for spread in spreads)
    if most := number(placement, "MaxReplicas"):
        yield f" Max Replicas Per Node:\t{most}"


def _update(word: str, config: Json) -> Iterator[str]:
    yield f"{word}Config:"
    yield f" Parallelism:\t{number(config, 'Parallelism')}"
    if delay := number(config, "Delay"):
        yield f" Delay:\t\t{duration(delay)}"
    yield f" On failure:\t{text(config, 'FailureAction')}"
    yield f" Monitoring Period: {duration(number(config, 'Monitor'))}"
    yield f" Max failure ratio: {_ratio(get(config, 'MaxFailureRatio'))}"
    yield f" {word} order:{' ' * (9 - len(word) + 3)}{text(config, 'Order')}"


def _ratio(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "0"


def _container(container: Json) -> Iterator[str]:
    yield "ContainerSpec:"
    yield f" Image:\t\t{text(container, 'Image')}"
    for word, key in (("Args", "Args"), ("Env", "Env")):
        if values := texts(container, key):
            yield f" {word}:\t\t{' '.join(values)} "
    for word, key in (("Dir", "Dir"), ("User", "User")):
        if value := text(container, key):
            yield f" {word}:\t\t{value}"
    if "Init" in container:
        yield f" Init:\t\t{str(flag(container, 'Init')).lower()}"
    if mounts := objects(container, "Mounts"):
        yield "Mounts:"
        for mount in mounts:
            yield f" Target:\t{text(mount, 'Target')}"
            yield f"  Source:\t{text(mount, 'Source')}"
            yield f"  ReadOnly:\t{str(flag(mount, 'ReadOnly')).lower()}"
            yield f"  Type:\t\t{text(mount, 'Type')}"
    for word in ("Config", "Secret"):
        if files := objects(container, f"{word}s"):
            yield f"{word}s:"
            for file in files:
                yield f" Target:\t{text(file, 'File', 'Name')}"
                yield f"  Source:\t{text(file, f'{word}Name')}"


def _resources(resources: Json) -> Iterator[str]:
    yield "Resources:"
    for word in ("Reservations", "Limits"):
        amount = mapping(resources, word)
        if not amount:
            continue
        yield f" {word}:"
        if cpus := number(amount, "NanoCPUs"):
            yield f"  CPU:\t\t{cpus / 1e9:g}"
        if memory := number(amount, "MemoryBytes"):
            yield f"  Memory:\t{size(memory, 4, BINARY)}"
        if pids := number(amount, "Pids"):
            yield f"  PIDs:\t\t{pids}"


def _ports(ports: list[Json]) -> Iterator[str]:
    if ports:
        yield "Ports:"
    for port in ports:
        yield f" PublishedPort = {number(port, 'PublishedPort')}"
        yield f"  Protocol = {text(port, 'Protocol')}"
        yield f"  TargetPort = {number(port, 'TargetPort')}"
        yield f"  PublishMode = {text(port, 'PublishMode')} "


def duration(nanoseconds: int) -> str:
    """As Go prints it: "5s", "1m30s", "500ms"."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 1_000_000_000:
        for unit, length in (("ms", 1_000_000), ("µs", 1000)):
            if nanoseconds >= length:
                return f"{nanoseconds / length:g}{unit}"
        return f"{nanoseconds}ns"
    minutes, seconds = divmod(nanoseconds / 1e9, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "")
    return f"{parts}{seconds:g}s"

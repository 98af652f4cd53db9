"""The filters of `docker ps` and `docker container prune`: values of one filter are alternatives, filters add up."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from fairlead.core.filters import Filters, has_label, labelled
from fairlead.model.container import Container
from fairlead.model.errors import Invalid

PRUNE_ALLOWED = frozenset({"label", "label!", "until"})
STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
HEALTHS = ("starting", "healthy", "unhealthy", "none")
_SECOND = 1_000_000_000
_PORTS = ("publish", "expose")
"""The only filters of which one is enough."""
_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND}


@dataclass(frozen=True, slots=True)
class Seen:
    """A container as the filters see it: itself, its networks (names and ids), its ports, the images it stems from.

    `published` are ports of the host, `exposed` all that the container declares, as "80/tcp". `ancestors` are image
    ids.
    """

    container: Container
    networks: Collection[str] = ()
    published: Collection[str] = ()
    exposed: Collection[str] = ()
    ancestors: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Lookups:
    """What a filter's value may name: `created_of` a container (raises NotFound), `image_id` an image ("" if none)."""

    created_of: Callable[[str], int]
    image_id: Callable[[str], str]


def check(filters: Filters) -> None:
    """Raises Invalid for unknown filters and for values that cannot be."""
    for name in filters:
        if name not in _TESTS:
            raise Invalid(f"invalid filter '{name}'")
    for name, values in (("status", STATUSES), ("health", HEALTHS), ("is-task", ("true", "false", "1", "0"))):
        for value in filters.get(name, ()):
            if value.lower() not in values:
                raise Invalid(f"invalid filter '{name}={value}'")
    for value in filters.get("exited", ()):
        if not value.lstrip("-").isdigit():
            raise Invalid(f"invalid filter 'exited={value}'")
    for name in _PORTS:
        for value in filters.get(name, ()):
            _port_range(value)


def matcher(filters: Filters, lookups: Lookups) -> Callable[[Seen], bool]:
    """A predicate for checked filters."""
    tests = [_TESTS[name](values, lookups) for name, values in filters.items() if values and name not in _PORTS]
    if ports := [_TESTS[name](filters[name], lookups) for name in _PORTS if filters.get(name)]:
        tests.append(lambda seen: any(test(seen) for test in ports))
    return lambda seen: all(test(seen) for test in tests)


Test = Callable[[Seen], bool]
Builder = Callable[[Sequence[str], Lookups], Test]


def _id(values: Sequence[str], _: Lookups) -> Test:
    return lambda seen: any(_found(value, seen.container.id) for value in values)


def _name(values: Sequence[str], _: Lookups) -> Test:
    return lambda seen: any(
        _found(value, name) for value in values for name in (seen.container.name, f"/{seen.container.name}")
    )


def _found(pattern: str, text: str) -> bool:
    """As Docker matches: equal, or a regular expression found somewhere."""
    try:
        return text == pattern or re.search(pattern, text) is not None
    except re.error:
        return False


def _label(values: Sequence[str], _: Lookups) -> Test:
    return lambda seen: all(has_label(seen.container.labels, value) for value in values)


def _status(values: Sequence[str], _: Lookups) -> Test:
    wanted = {value.lower() for value in values}
    return lambda seen: seen.container.state.status in wanted


def _exited(values: Sequence[str], _: Lookups) -> Test:
    wanted = {int(value) for value in values}
    return lambda seen: (
        not seen.container.state.running
        and seen.container.state.finished > 0
        and seen.container.state.exit_code in wanted
    )


def _health(values: Sequence[str], _: Lookups) -> Test:
    wanted = {value.lower() for value in values}
    return lambda seen: (seen.container.state.health.status if seen.container.state.health else "none") in wanted


def _network(values: Sequence[str], _: Lookups) -> Test:
    return lambda seen: any(
        value in seen.networks or any(known.startswith(value) and len(known) == 64 for known in seen.networks)
        for value in values
    )


def _volume(values: Sequence[str], _: Lookups) -> Test:
    wanted = set(values)
    return lambda seen: any(wanted & {mount.source, mount.target} for mount in seen.container.mounts)


def _before(values: Sequence[str], lookups: Lookups) -> Test:
    limit = min(lookups.created_of(value) for value in values)
    return lambda seen: seen.container.created < limit


def _since(values: Sequence[str], lookups: Lookups) -> Test:
    limit = max(lookups.created_of(value) for value in values)
    return lambda seen: seen.container.created > limit


def _ancestor(values: Sequence[str], lookups: Lookups) -> Test:
    wanted = {lookups.image_id(value) for value in values} - {""}
    return lambda seen: not wanted.isdisjoint(seen.ancestors)


def _publish(values: Sequence[str], _: Lookups) -> Test:
    wanted = _ports(values)
    return lambda seen: not wanted.isdisjoint(seen.published)


def _expose(values: Sequence[str], _: Lookups) -> Test:
    wanted = _ports(values)
    return lambda seen: not wanted.isdisjoint(seen.exposed)


def _is_task(values: Sequence[str], _: Lookups) -> Test:
    wanted = {value.lower() in ("true", "1") for value in values}
    return lambda seen: ("com.docker.swarm.task.id" in seen.container.labels) in wanted


def _isolation(values: Sequence[str], _: Lookups) -> Test:
    return lambda seen: "default" in values or "" in values


_TESTS: Mapping[str, Builder] = {
    "id": _id,
    "name": _name,
    "label": _label,
    "status": _status,
    "exited": _exited,
    "health": _health,
    "network": _network,
    "volume": _volume,
    "before": _before,
    "since": _since,
    "ancestor": _ancestor,
    "publish": _publish,
    "expose": _expose,
    "is-task": _is_task,
    "isolation": _isolation,
}


def _ports(values: Sequence[str]) -> set[str]:
    return {f"{port}/{protocol}" for value in values for port, protocol in _port_range(value)}


def _port_range(text: str) -> list[tuple[int, str]]:
    """`8080`, `8000-8010`, `53/udp`. Raises Invalid."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or protocol not in ("", "tcp", "udp", "sctp"):
        raise Invalid(f"invalid filter: invalid port '{text}'")
    return [(port, protocol or "tcp") for port in range(int(first), int(last or first) + 1)]


def check_prune(filters: Filters, now: int) -> None:
    for name, values in filters.items():
        if name not in PRUNE_ALLOWED:
            raise Invalid(f"invalid filter '{name}'")
        if name == "until":
            if len(values) > 1:
                raise Invalid("more than one until filter specified")
            for value in values:
                until(value, now)


def prunable(container: Container, filters: Filters, now: int) -> bool:
    return labelled(container.labels, filters) and all(
        container.created < until(value, now) for value in filters.get("until", ())
    )


def until(text: str, now: int) -> int:
    """A moment as ns since the epoch: a Unix time, or a duration before now ("24h", "1h30m"). Raises Invalid."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return int(float(text) * _SECOND)
    if re.fullmatch(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+", text):
        parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
        return now - sum(int(float(number) * _UNITS[unit]) for number, unit in parts)
    raise Invalid(f"invalid filter: until={text}: neither a timestamp nor a duration")

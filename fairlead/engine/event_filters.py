"""Which events a listener of `docker events --filter` wants, by Docker's rules.

Values of one filter are alternatives, filters narrow each other. Objects are named by id or name, whole or by
a prefix; an action is named whole, but "exec_create", "exec_start" and "health_status" stand for all their
variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fairlead.model.event import Event

OBJECTS = ("container", "config", "daemon", "network", "node", "plugin", "secret", "service", "volume")
EVENT_FILTERS = frozenset({*OBJECTS, "event", "image", "label", "scope", "type"})

_VARIANTS = ("exec_create", "exec_start", "health_status")


def wanted_by(filters: Mapping[str, Iterable[str]]) -> Callable[[Event], bool]:
    """A predicate over events for filters whose names are all in `EVENT_FILTERS`."""
    tests = [_TESTS[name](tuple(values)) for name, values in filters.items()]

    def wanted(event: Event) -> bool:
        return all(test(event) for test in tests)

    return wanted


_Test = Callable[[Event], bool]


def _by_object(values: tuple[str, ...]) -> _Test:
    return lambda event: event.actor.startswith(values) or event.attributes.get("name", "").startswith(values)


def _by_action(values: tuple[str, ...]) -> _Test:
    return lambda event: (
        event.action in values or any(value in _VARIANTS and event.action.startswith(value) for value in values)
    )


def _by_type(values: tuple[str, ...]) -> _Test:
    return lambda event: event.kind in values


def _by_scope(values: tuple[str, ...]) -> _Test:
    return lambda event: event.scope in values


def _by_label(values: tuple[str, ...]) -> _Test:
    terms = [value.partition("=") for value in values]
    return lambda event: all(
        key in event.attributes and (not separator or event.attributes[key] == value) for key, separator, value in terms
    )


def _by_image(values: tuple[str, ...]) -> _Test:
    def test(event: Event) -> bool:
        name = event.attributes.get("image" if event.kind == "container" else "name", "")
        return bool({event.actor, name, _without_tag(name)} & set(values))

    return test


def _without_tag(name: str) -> str:
    head, separator, last = name.rpartition("/")
    return f"{head}{separator}{last.partition(':')[0]}"


_TESTS: Mapping[str, Callable[[tuple[str, ...]], _Test]] = {
    **dict.fromkeys(OBJECTS, _by_object),
    "event": _by_action,
    "image": _by_image,
    "label": _by_label,
    "scope": _by_scope,
    "type": _by_type,
}

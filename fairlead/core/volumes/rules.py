"""What a volume may be called and made of, and which ones a filter means."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.filters import Filters, labelled, similar
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.volume import LOCAL, Volume, is_volume_name

LIST_FILTERS = frozenset({"dangling", "driver", "label", "label!", "name"})
PRUNE_FILTERS = frozenset({"all", "label", "label!"})

_OPTIONS = frozenset({"device", "o", "size", "type"})
_NEEDS = {"device": ("type",), "type": ("device",), "o": ("device", "type")}
_TRUE, _FALSE = ("1", "true"), ("0", "false")


def check(name: str, driver: str, options: Mapping[str, str]) -> None:
    """Raise `Invalid` or `NotFound` in Docker's words for what cannot be created."""
    if len(name) == 1:
        raise Invalid(f"create {name}: volume name is too short, names should be at least two alphanumeric characters")
    if not is_volume_name(name):
        raise Invalid(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    if driver != LOCAL:
        raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
    for option in options:
        if option not in _OPTIONS:
            raise Invalid(f'create {name}: invalid option: "{option}"')
        for needed in _NEEDS.get(option, ()):
            if needed not in options:
                raise Invalid(f'create {name}: missing required option: "{needed}"')
    if "size" in options:
        raise Invalid(f'create {name}: quota size requested but no quota support: for a tmpfs, use "o=size=..."')


def matches(volume: Volume, filters: Filters, dangling: bool | None, in_use: bool) -> bool:
    """Values of one filter are alternatives; labels all have to be there. `dangling` is what `wants_dangling` says."""
    return (
        (dangling is None or dangling != in_use)
        and _any(filters, "driver", volume.driver)
        and ("name" not in filters or any(similar(wanted, volume.name) for wanted in filters["name"]))
        and labelled(volume.labels, filters)
    )


def prunable(volume: Volume, filters: Filters) -> bool:
    """Anonymous ones, or with `all` every one, that pass the filters."""
    every = any(value.lower() in _TRUE for value in filters.get("all", ()))
    return (every or volume.anonymous) and labelled(volume.labels, filters)


def wants_dangling(filters: Filters) -> bool | None:
    """True: unused only, False: used only, None: both. Raises `Invalid`."""
    values = {value.lower() for value in filters.get("dangling", ())}
    if unknown := [value for value in values if value not in _TRUE + _FALSE]:
        raise Invalid(f"invalid filter 'dangling=[{unknown[0]}]'")
    if len({value in _TRUE for value in values}) != 1:
        return None
    return bool(values & set(_TRUE))


def _any(filters: Filters, name: str, actual: str) -> bool:
    return name not in filters or actual in filters[name]

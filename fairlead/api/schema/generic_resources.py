"""Generic resources: what a node offers, a service asks for and a task was given, counted or by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from fairlead.api.schema.swarm_object import Json
from fairlead.model.errors import Invalid


class DiscreteResource(Struct):
    Kind: str = ""
    Value: int = 0


class NamedResource(Struct):
    Kind: str = ""
    Value: str = ""


class GenericResource(Struct):
    """One of the two."""

    NamedResourceSpec: NamedResource | None = None
    DiscreteResourceSpec: DiscreteResource | None = None


def asked_for(resources: Iterable[GenericResource]) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """How many of each kind, and (kind, name) of those asked for by name. Raises Invalid."""
    counted: dict[str, int] = {}
    named: list[tuple[str, str]] = []
    for one in resources:
        if one.NamedResourceSpec is not None:
            named.append((one.NamedResourceSpec.Kind, one.NamedResourceSpec.Value))
        elif one.DiscreteResourceSpec is None or one.DiscreteResourceSpec.Value < 0:
            raise Invalid("a generic resource is a DiscreteResourceSpec with Kind and Value (0 or more)")
        else:
            counted[one.DiscreteResourceSpec.Kind] = one.DiscreteResourceSpec.Value
    return counted, tuple(named)


def generic_json(counted: Iterable[tuple[str, int]], named: Iterable[tuple[str, Sequence[str]]] = ()) -> list[Json]:
    told: list[Json] = [{"NamedResourceSpec": {"Kind": kind, "Value": name}} for kind, names in named for name in names]
    return told + [{"DiscreteResourceSpec": {"Kind": kind, "Value": amount}} for kind, amount in counted]

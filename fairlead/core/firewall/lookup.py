"""Sets and maps of a table, as the kernel looks things up in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from fairlead.model.ruleset import Data, Element, Interval, Key, Scalar, Table, Value


class UnknownShapeError(Exception):
    """The interpreter met something that it does not know: better no answer than a wrong one."""


class Contents:
    """The elements of one table, for lookups."""

    def __init__(self, table: Table, elements: Iterable[Element]) -> None:
        self._exact: dict[str, dict[Key, Data]] = {wanted.name: {} for wanted in table.sets}
        self._ranged: dict[str, list[Element]] = {wanted.name: [] for wanted in table.sets}
        for element in elements:
            if element.set not in self._exact:
                raise UnknownShapeError(f"table {table.name} has no set {element.set}")
            if any(isinstance(part, Interval | IPv4Network | IPv6Network) for part in element.key):
                self._ranged[element.set].append(element)
            else:
                self._exact[element.set][element.key] = element.data

    def find(self, name: str, key: tuple[Scalar, ...]) -> tuple[bool, Data]:
        """(found, data) for `key` in set or map `name`."""
        exact = self._exact.get(name)
        if exact is None:
            raise UnknownShapeError(f"there is no set {name}")
        if key in exact:
            return True, exact[key]
        for element in self._ranged[name]:
            if all(covers(part, scalar) for part, scalar in zip(element.key, key, strict=True)):
                return True, element.data
        return False, None


def covers(value: Value, scalar: Scalar) -> bool:
    """Whether `scalar` is, or lies in, `value`."""
    if isinstance(value, Interval):
        return _order(value.low) <= _order(scalar) <= _order(value.high)
    if isinstance(value, IPv4Network | IPv6Network):
        return isinstance(scalar, IPv4Address | IPv6Address) and scalar in value
    if isinstance(value, str) and isinstance(scalar, str) and value.endswith("*"):
        return scalar.startswith(value[:-1])
    return value == scalar


def _order(scalar: Scalar) -> int:
    if isinstance(scalar, int):
        return scalar
    if isinstance(scalar, IPv4Address | IPv6Address):
        return int(scalar)
    raise UnknownShapeError(f"no interval has {scalar!r} as an end")


Loaded = Mapping[str, tuple[Table, Contents]]

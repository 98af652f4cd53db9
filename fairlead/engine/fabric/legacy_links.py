"""Links of the default bridge (`--link`): lines for the hosts file and environment variables, as they were before
networks had names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.model.container import Container
from fairlead.model.ids import short
from fairlead.model.network import Address

_NOT_INHERITED = ("HOME", "PATH")


@dataclass(frozen=True, slots=True)
class Link:
    """`target` is called `alias` by the container named `parent`, and lives at `address`."""

    parent: str
    alias: str
    target: Container
    address: Address

    @property
    def names(self) -> tuple[str, ...]:
        """What the hosts file calls the target: alias, hostname, and its name if that is another word."""
        hostname = self.target.spec.network.hostname or short(self.target.id)
        names = (self.alias, hostname, self.target.name)
        return names[:2] if self.target.name == self.alias else names

    def environment(self) -> tuple[str, ...]:
        """The variables that the container finds."""
        prefix = self.alias.replace("-", "_").upper()
        return (*self._ports(prefix), f"{prefix}_NAME=/{self.parent}/{self.alias}", *self._inherited(prefix))

    def _ports(self, prefix: str) -> Iterator[str]:
        ports = [_split(port) for port in sorted(self.target.exposed, key=_split)]
        if ports:
            number, protocol = ports[0]
            yield f"{prefix}_PORT={protocol}://{self.address}:{number}"
        for number, protocol in ports:
            name = f"{prefix}_PORT_{number}_{protocol.upper()}"
            yield f"{name}={protocol}://{self.address}:{number}"
            yield f"{name}_ADDR={self.address}"
            yield f"{name}_PORT={number}"
            yield f"{name}_PROTO={protocol}"

    def _inherited(self, prefix: str) -> Iterator[str]:
        for variable in self.target.env:
            name, separator, value = variable.partition("=")
            if separator and name not in _NOT_INHERITED:
                yield f"{prefix}_ENV_{name}={value}"


def parse(text: str) -> tuple[str, str]:
    """ "web:w" as container and alias; without an alias the name itself (a leading slash does not count)."""
    reference, _, alias = text.rpartition(":") if ":" in text else (text, "", "")
    reference = reference.removeprefix("/")
    # Old clients send "/name:/other/alias".
    return reference, alias.rpartition("/")[2] or reference


def _split(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return int(number), protocol or "tcp"

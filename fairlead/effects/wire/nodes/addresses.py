"""HOST:PORT, as nodes write it; an IPv6 address stands in brackets."""

from __future__ import annotations

from typing import Any

from fairlead.model.errors import Invalid


def split(address: str) -> tuple[str, int]:
    """Raises Invalid."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise Invalid(f"{address!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def written(socket_address: tuple[Any, ...]) -> str:
    """From what sockets say."""
    host, port, *_ = socket_address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

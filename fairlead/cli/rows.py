"""From the API's objects to the rows of lists: ids cut, times told, ports folded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from fairlead.cli.fields import Json, mapping, number, text

SHORT = 12


def short(object_id: str, no_trunc: bool = False) -> str:
    return object_id if no_trunc else object_id.removeprefix("sha256:")[:SHORT]


def ellipsis(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 1] + "…"


def natural(name: str) -> list[tuple[int, str]]:
    """A key by which "web.2" comes before "web.10"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]


_DIGITS = re.compile(r"(\d+)")


def go_moment(written: str) -> str:
    """A time of the API as Go prints it, in small letters as docker has it."""
    return f"{written.replace('T', ' ').removesuffix('Z')} +0000 utc"


def image_name(image: str) -> str:
    """Without the digest by which it was pinned."""
    return image.partition("@")[0] or image


def labels_of(document: Json) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(mapping(document, "Labels").items()))


def moment_of(document: Json, key: str) -> datetime:
    return datetime.fromtimestamp(number(document, key), UTC)


def displayed_ports(ports: Iterable[Json]) -> str:
    """As in `docker ps`: neighbours are one range, as long as the number inside is the number outside."""
    runs: dict[tuple[str, str], list[tuple[int, int]]] = {}
    moved: list[str] = []
    for port in sorted(ports, key=_order):
        inside, outside = number(port, "PrivatePort"), number(port, "PublicPort")
        protocol, address = text(port, "Type"), text(port, "IP")
        if outside and outside != inside:
            moved.append(f"{_host(address)}{outside}->{inside}/{protocol}")
        else:
            _extend(runs.setdefault((address if outside else "", protocol), []), inside)
    folded = [_run(address, protocol, run) for (address, protocol), found in runs.items() for run in found]
    return ", ".join(folded + moved)


def _order(port: Json) -> tuple[int, str, int, str]:
    return number(port, "PrivatePort"), text(port, "IP"), number(port, "PublicPort"), text(port, "Type")


def _extend(runs: list[tuple[int, int]], port: int) -> None:
    if runs and port in (runs[-1][1], runs[-1][1] + 1):
        runs[-1] = runs[-1][0], port
    else:
        runs.append((port, port))


def _run(address: str, protocol: str, run: tuple[int, int]) -> str:
    ports = str(run[0]) if run[0] == run[1] else f"{run[0]}-{run[1]}"
    return f"{_host(address)}{ports}->{ports}/{protocol}" if address else f"{ports}/{protocol}"


def _host(address: str) -> str:
    return f"[{address}]:" if ":" in address else f"{address}:" if address else ""

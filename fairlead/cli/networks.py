"""`--network` and its companions: which networks a container joins, and as whom."""

from __future__ import annotations

import csv

from fairlead.cli.command import Flags
from fairlead.cli.faults import USAGE, Fault
from fairlead.cli.fields import Json

PREDEFINED = ("default", "bridge", "host", "none")
_KEYS = {"name", "alias", "ip", "ip6", "mac-address", "driver-opt", "link-local-ip", "gw-priority"}

Wish = dict[str, list[str]]


def networks_of(flags: Flags) -> tuple[str, dict[str, Json]]:
    """(network mode, endpoints by network). Flags such as `--ip` belong to the first network."""
    wishes = [_wish(word) for word in flags.words("network")] or [{"name": ["default"]}]
    first = wishes[0]
    for flag, key in (
        ("network_alias", "alias"),
        ("link_local_ip", "link-local-ip"),
    ):
        first.setdefault(key, []).extend(flags.words(flag))
    for flag, key in (("ip", "ip"), ("ip6", "ip6"), ("mac_address", "mac-address")):
        if flags.text(flag):
            first[key] = [flags.text(flag)]
    mode = first["name"][0]
    links = flags.words("link") if is_user_defined(mode) else []
    _check(wishes)
    endpoints = {wish["name"][0]: _endpoint(wish, links if wish is first else []) for wish in wishes}
    says_nothing = len(wishes) == 1 and set(first) <= {"name", "alias", "link-local-ip"} and not first.get("alias")
    return mode, {} if says_nothing and not is_user_defined(mode) else endpoints


def is_user_defined(mode: str) -> bool:
    return mode not in PREDEFINED and not mode.startswith("container:")


def _wish(word: str) -> Wish:
    """A network's name, or name=...,alias=...,ip=... and so on."""
    if "=" not in word:
        return {"name": [word]}
    wish: Wish = {}
    for field in next(csv.reader([word])):
        key, _, value = field.partition("=")
        if key not in _KEYS:
            raise Fault(f"invalid field: {field}", USAGE)
        wish.setdefault(key, []).append(value)
    if "name" not in wish:
        raise Fault("network name is required", USAGE)
    return wish


def _check(wishes: list[Wish]) -> None:
    names = [wish["name"][0] for wish in wishes]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise Fault(f'network "{name}" is specified multiple times', USAGE)
    if len(names) > 1 and not all(is_user_defined(name) or name in ("default", "bridge") for name in names):
        raise Fault("conflicting options: cannot attach both user-defined and non-user-defined network-modes", USAGE)
    if wishes[0].get("alias") and not is_user_defined(names[0]):
        raise Fault("network-scoped aliases are only supported for user-defined networks", USAGE)


def _endpoint(wish: Wish, links: list[str]) -> Json:
    addresses: Json = {
        "IPv4Address": _first(wish, "ip"),
        "IPv6Address": _first(wish, "ip6"),
        "LinkLocalIPs": wish.get("link-local-ip", []),
    }
    return {
        "IPAMConfig": {key: value for key, value in addresses.items() if value} or None,
        "Links": links or None,
        "Aliases": wish.get("alias", []),
        "MacAddress": _first(wish, "mac-address"),
        "DriverOpts": dict(option.partition("=")[::2] for option in wish.get("driver-opt", [])),
        "GwPriority": int(_first(wish, "gw-priority") or 0),
    }


def _first(wish: Wish, key: str) -> str:
    return (wish.get(key) or [""])[0]

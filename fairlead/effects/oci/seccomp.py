"""The seccomp profile of containers.

Debian's containers-common (which skopeo brings along) keeps the profile that Docker and Podman
descend from; it is read, not copied. Its rules carry conditions on architectures and capabilities,
which are resolved here for one set of capabilities, giving the plain form of the OCI runtime spec.

Two economies, because libseccomp compiles the profile anew for every container (measured: 15 ms of
a 40 ms create): rules that only repeat the default answer EPERM are left out, and so is the x32
ABI, which no distribution's kernel has enabled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fairlead.model.container import security_option
from fairlead.model.errors import Invalid

PROFILE_PATH = Path("/usr/share/containers/seccomp.json")
EPERM = 1

_ARCHITECTURES = {
    "x86_64": ("amd64", ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")),
    "aarch64": ("arm64", ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")),
}

Json = dict[str, Any]


def resolve(profile: Mapping[str, Any], capabilities: frozenset[str], machine: str) -> Json:
    """A profile with conditions (`includes`, `excludes`) as plain OCI `linux.seccomp`."""
    arch_name, architectures = _ARCHITECTURES.get(machine, (machine, ()))
    rules = [_plain(rule) for rule in profile.get("syscalls", ()) if _applies(rule, arch_name, capabilities)]
    plain: Json = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "syscalls": [rule for rule in rules if not _repeats_default(rule)],
    }
    if architectures:
        plain["architectures"] = list(architectures)
    return plain


def _applies(rule: Mapping[str, Any], arch: str, capabilities: frozenset[str]) -> bool:
    wanted, unwanted = rule.get("includes") or {}, rule.get("excludes") or {}
    if wanted.get("arches") and arch not in wanted["arches"]:
        return False
    if wanted.get("caps") and not capabilities.issuperset(wanted["caps"]):
        return False
    return arch not in (unwanted.get("arches") or ()) and capabilities.isdisjoint(unwanted.get("caps") or ())


def _plain(rule: Mapping[str, Any]) -> Json:
    plain: Json = {"names": rule["names"], "action": rule["action"]}
    if rule.get("args"):
        plain["args"] = rule["args"]
    if "errnoRet" in rule:
        plain["errnoRet"] = rule["errnoRet"]
    return plain


def _repeats_default(rule: Json) -> bool:
    return bool(rule["action"] == "SCMP_ACT_ERRNO" and rule.get("errnoRet", EPERM) == EPERM)


class Profiles:
    """The host's default profile, resolved once per set of capabilities."""

    def __init__(self, machine: str, path: Path = PROFILE_PATH) -> None:
        self._machine = machine
        self._default: Json | None = msgspec.json.decode(path.read_bytes()) if path.exists() else None
        self._resolved: dict[frozenset[str], Json] = {}

    @property
    def available(self) -> bool:
        """Whether this host has a default profile at all."""
        return self._default is not None

    def chosen(self, options: Sequence[str], capabilities: frozenset[str]) -> Json | None:
        """What `--security-opt seccomp=...` asks for: the default, `unconfined` (None), or a profile as JSON text."""
        for option in options:
            name, value = security_option(option)
            if name != "seccomp" or value == "builtin":
                continue
            return None if value == "unconfined" else _custom(value, capabilities, self._machine)
        if self._default is None:
            return None
        if capabilities not in self._resolved:
            self._resolved[capabilities] = resolve(self._default, capabilities, self._machine)
        return self._resolved[capabilities]


def _custom(text: str, capabilities: frozenset[str], machine: str) -> Json:
    try:
        profile = msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise Invalid(f"invalid seccomp profile: {error}") from error
    if not isinstance(profile, dict) or "defaultAction" not in profile:
        raise Invalid("invalid seccomp profile: it has no defaultAction")
    plain = {key: profile[key] for key in ("defaultAction", "defaultErrnoRet", "architectures") if key in profile}
    if "architectures" not in plain and machine in _ARCHITECTURES:
        plain["architectures"] = list(_ARCHITECTURES[machine][1])
    arch_name = _ARCHITECTURES.get(machine, (machine, ()))[0]
    rules = ({**rule, "names": rule.get("names") or [rule["name"]]} for rule in profile.get("syscalls") or ())
    plain["syscalls"] = [_plain(rule) for rule in rules if _applies(rule, arch_name, capabilities)]
    return plain

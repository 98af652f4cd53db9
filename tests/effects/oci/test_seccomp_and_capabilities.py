"""What a container's processes may do."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fairlead.effects.oci.capabilities import DEFAULT, KNOWN, effective
from fairlead.effects.oci.seccomp import Profiles, resolve
from fairlead.model.errors import Invalid

PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["uselib"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["umount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
        {"names": ["s390_read"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
    ],
}


def names(profile: dict[str, object]) -> set[str]:
    return {name for rule in profile["syscalls"] for name in rule["names"]}  # type: ignore[attr-defined]


def test_conditions_are_resolved_and_repetitions_of_the_default_left_out() -> None:
    plain = resolve(PROFILE, frozenset(DEFAULT), "x86_64")
    assert names(plain) == {"read", "clone3", "umount", "arch_prctl"}
    assert plain["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert names(resolve(PROFILE, frozenset({"CAP_SYS_ADMIN"}), "x86_64")) == {"read", "clone3", "mount", "arch_prctl"}


def test_options_choose_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(msgspec.json.encode(PROFILE))
    profiles = Profiles("x86_64", path)
    granted = frozenset(DEFAULT)
    assert profiles.chosen((), granted) == resolve(PROFILE, granted, "x86_64")
    assert profiles.chosen(("seccomp=unconfined",), granted) is None
    own = '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "chmod", "action": "SCMP_ACT_ERRNO"}]}'
    chosen = profiles.chosen((f"seccomp={own}",), granted)
    assert chosen is not None
    assert chosen["defaultAction"] == "SCMP_ACT_ALLOW"
    assert names(chosen) == {"chmod"}
    with pytest.raises(Invalid, match="invalid seccomp profile"):
        profiles.chosen(("seccomp={",), granted)


def test_without_the_package_there_is_no_profile(tmp_path: Path) -> None:
    assert Profiles("x86_64", tmp_path / "absent").chosen((), frozenset()) is None


@pytest.mark.parametrize(
    ("add", "drop", "granted"),
    [
        ((), (), set(DEFAULT)),
        (("NET_ADMIN",), ("chown",), (set(DEFAULT) | {"CAP_NET_ADMIN"}) - {"CAP_CHOWN"}),
        (("ALL",), ("cap_sys_admin",), set(KNOWN) - {"CAP_SYS_ADMIN"}),
        (("SETUID",), ("ALL",), {"CAP_SETUID"}),
    ],
)
def test_capabilities(add: tuple[str, ...], drop: tuple[str, ...], granted: set[str]) -> None:
    assert set(effective(add, drop, privileged=False, available=KNOWN)) == granted


def test_nothing_is_granted_that_the_host_does_not_have() -> None:
    assert effective(("ALL",), (), privileged=False, available=KNOWN[:3]) == KNOWN[:3]
    assert effective((), ("ALL",), privileged=True, available=KNOWN[:3]) == KNOWN[:3]


def test_an_unknown_capability_is_refused() -> None:
    with pytest.raises(Invalid, match='unknown capability: "CAP_FLY"'):
        effective(("fly",), (), privileged=False, available=KNOWN)

"""Who a process runs as: `user[:group]` resolved against the container's own passwd(5) and group(5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.effects.oci.scope import inside
from fairlead.model.errors import Failed

MAX_ID = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """`groups` are supplementary, the primary one among them: a file that is closed to a group is closed to it also
    after a program has taken another (CVE-2022-36109). `home` is empty when passwd does not know the user."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = ""


@dataclass(frozen=True, slots=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    gid: int
    members: tuple[str, ...]


def resolve(user: str, passwd: str, group: str, extra_groups: Sequence[str] = ()) -> Identity:
    """`user` is "", "name", "uid", "name:group", "uid:gid", ...; unknown numbers are fine, unknown names are not."""
    name, _, group_name = user.partition(":")
    known = _find_user(name or "0", passwd)
    if known is None and name.startswith("-") and name[1:].isdigit():
        raise _out_of_range()
    if known is None and not (name or "0").isdigit():
        raise Failed(f"unable to find user {name}: no matching entries in passwd file")
    uid = known.uid if known else _checked(name or "0")
    groups = tuple(_groups(group))
    gid = _gid(group_name, groups) if group_name else (known.gid if known else 0)
    supplementary = [] if group_name or known is None else [g.gid for g in groups if known.name in g.members]
    supplementary += [_gid(extra, groups) for extra in extra_groups]
    return Identity(uid, gid, tuple(dict.fromkeys((gid, *supplementary))), known.home if known else "")


def _checked(number: str) -> int:
    value = int(number)
    if value > MAX_ID:
        raise _out_of_range()
    return value


def _out_of_range() -> Failed:
    return Failed(f"uids and gids must be in range 0-{MAX_ID}")


def _find_user(text: str, passwd: str) -> _User | None:
    """By name, else by number: passwd's first matching line."""
    users = list(_users(passwd))
    by_name = next((user for user in users if user.name == text), None)
    if by_name is not None or not text.isdigit():
        return by_name
    return next((user for user in users if user.uid == int(text)), None)


def _gid(text: str, groups: Iterable[_Group]) -> int:
    for group in groups:
        if group.name == text:
            return group.gid
    if not text.isdigit():
        raise Failed(f"unable to find group {text}: no matching entries in group file")
    return _checked(text)


def _users(passwd: str) -> Iterator[_User]:
    for fields in _lines(passwd, 6):
        if fields[2].isdigit() and fields[3].isdigit():
            yield _User(fields[0], int(fields[2]), int(fields[3]), fields[5])


def _groups(group: str) -> Iterator[_Group]:
    for fields in _lines(group, 3):
        if fields[2].isdigit():
            members = fields[3].split(",") if len(fields) > 3 else []
            yield _Group(fields[0], int(fields[2]), tuple(member for member in members if member))


def _lines(text: str, minimum: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= minimum and not line.startswith("#"):
            yield fields


def identity_in(rootfs: Path, user: str, extra_groups: Sequence[str] = ()) -> Identity:
    """Resolve inside a root file system; its symbolic links are not followed outside."""
    return resolve(user, _read_inside(rootfs, "etc/passwd"), _read_inside(rootfs, "etc/group"), extra_groups)


def _read_inside(rootfs: Path, name: str) -> str:
    try:
        return inside(rootfs, name).read_text(errors="surrogateescape")
    except OSError:
        return ""

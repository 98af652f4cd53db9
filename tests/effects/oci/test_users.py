"""Who a process runs as."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.effects.oci.users import Identity, identity_in, resolve
from fairlead.model.errors import Failed

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:100:101::/srv:/bin/sh\nbroken line\n7seas:x:200:200::/:/bin/sh\n"
GROUP = "root:x:0:\napp:x:101:\naudio:x:29:app,root\nvideo:x:44:app\n"


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        ("", Identity(0, 0, (0, 29), "/root")),
        ("app", Identity(100, 101, (101, 29, 44), "/srv")),
        ("100", Identity(100, 101, (101, 29, 44), "/srv")),
        ("app:video", Identity(100, 44, (44,), "/srv")),
        ("app:7", Identity(100, 7, (7,), "/srv")),
        ("1000:1000", Identity(1000, 1000, (1000,), "")),
        ("1000", Identity(1000, 0, (0,), "")),
        ("7seas", Identity(200, 200, (200,), "/")),
    ],
)
def test_users(user: str, identity: Identity) -> None:
    assert resolve(user, PASSWD, GROUP) == identity


def test_further_groups_by_name_and_number() -> None:
    assert resolve("1000", PASSWD, GROUP, ("video", "999", "video")).groups == (0, 44, 999)


@pytest.mark.parametrize(
    ("user", "groups", "words"),
    [
        ("nobody", (), "unable to find user nobody: no matching entries in passwd file"),
        ("app:staff", (), "unable to find group staff: no matching entries in group file"),
        ("app", ("staff",), "unable to find group staff"),
        ("99999999999", (), "must be in range"),
        ("-1", (), "uids and gids must be in range 0-2147483647"),
    ],
)
def test_unknown_names_are_refused(user: str, groups: tuple[str, ...], words: str) -> None:
    with pytest.raises(Failed, match=words):
        resolve(user, PASSWD, GROUP, groups)


def test_a_passwd_that_points_outside_is_not_followed(tmp_path: Path) -> None:
    """The link would name a user of the host; inside the root it points at nothing."""
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "passwd").write_text("evil:x:4242:4242::/:/bin/sh\n")
    (tmp_path / "root/etc/passwd").symlink_to("../../passwd")
    with pytest.raises(Failed, match="unable to find user evil"):
        identity_in(tmp_path / "root", "evil")

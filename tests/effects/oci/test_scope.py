"""Paths inside a container's root never leave it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.effects.oci.scope import inside


@pytest.mark.parametrize(
    ("link", "target", "path", "real"),
    [
        ("etc", "/real", "etc/passwd", "real/passwd"),
        ("a", "../../../../b", "a/c", "b/c"),
        ("a", "b/../c", "a", "c"),
        ("a", "/", "a/x", "x"),
    ],
)
def test_links_are_resolved_from_the_root(tmp_path: Path, link: str, target: str, path: str, real: str) -> None:
    (tmp_path / link).symlink_to(target)
    assert inside(tmp_path, path) == tmp_path / real


def test_the_last_link_is_left_alone_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    assert inside(tmp_path, "a", follow_last=False) == tmp_path / "a"


def test_endless_links_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        inside(tmp_path, "a")


@given(st.text("ab/.", max_size=30))
def test_any_path_stays_inside(path: str) -> None:
    root = Path("/nonexistent/root")
    assert inside(root, path).is_relative_to(root)

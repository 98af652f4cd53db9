"""What volumes may be, and which a filter means."""

from __future__ import annotations

import pytest

from fairlead.core.volumes.rules import check, matches, prunable, wants_dangling
from fairlead.model.errors import Invalid, Refusal
from fairlead.model.volume import ANONYMOUS_LABEL, Volume


@pytest.mark.parametrize(
    ("name", "driver", "options", "words"),
    [
        ("x", "local", {}, "create x: volume name is too short, names should be at least two alphanumeric characters"),
        ("a/b", "local", {}, 'create a/b: "a/b" includes invalid characters for a local volume name'),
        ("..", "local", {}, 'create ..: ".." includes invalid characters for a local volume name'),
        ("v1", "nfs", {}, 'create v1: error looking up volume plugin nfs: plugin "nfs" not found'),
        ("v1", "local", {"color": "x"}, 'create v1: invalid option: "color"'),
        ("v1", "local", {"o": "bind"}, 'create v1: missing required option: "device"'),
        ("v1", "local", {"type": "tmpfs"}, 'create v1: missing required option: "device"'),
        ("v1", "local", {"size": "1g"}, "create v1: quota size requested but no quota support"),
    ],
)
def test_refusals(name: str, driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(Refusal) as refused:
        check(name, driver, options)
    assert refused.value.message.startswith(words)


@pytest.mark.parametrize(
    ("filters", "in_use", "expected"),
    [
        ({}, True, True),
        ({"name": ["ata"]}, True, True),
        ({"name": ["^d.*1$"]}, True, True),
        ({"name": ["x", "data"]}, True, True),
        ({"name": ["["]}, True, False),
        ({"driver": ["local"]}, True, True),
        ({"driver": ["nfs"]}, True, False),
        ({"label": ["a", "a=1"]}, True, True),
        ({"label": ["a=2"]}, True, False),
        ({"label!": ["a"]}, True, False),
        ({"dangling": ["true"]}, True, False),
        ({"dangling": ["true"]}, False, True),
        ({"dangling": ["0"]}, True, True),
        ({"dangling": ["true", "false"]}, True, True),
    ],
)
def test_filters(filters: dict[str, list[str]], in_use: bool, expected: bool) -> None:
    assert matches(Volume("data1", "/v", 1, labels={"a": "1"}), filters, wants_dangling(filters), in_use) is expected


def test_a_filter_with_a_value_it_cannot_have_is_refused() -> None:
    with pytest.raises(Invalid, match=r"^invalid filter 'dangling=\[maybe\]'$"):
        wants_dangling({"dangling": ["maybe"]})


def test_prune_takes_named_ones_only_when_all_are_meant() -> None:
    named, anonymous = Volume("data1", "/v", 1), Volume("f" * 64, "/v", 1, labels={ANONYMOUS_LABEL: ""})

    assert not prunable(named, {})
    assert prunable(named, {"all": ["true"]})
    assert prunable(anonymous, {})
    assert not prunable(anonymous, {"label": ["keep"]})

"""Configurations and manifests: whatever a registry or archive says is data, and refused as such when it is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.images.archive import docker_images
from fairlead.core.images.config import new_config, parse_config
from fairlead.core.images.manifest import ManifestList, choose, parse_manifest, parse_platform
from fairlead.core.images.moment import nanoseconds, rfc3339
from fairlead.model.container import HealthSpec
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.image import HistoryEntry, Image, ImageConfig, Platform

LAYER = f"sha256:{'1' * 64}"
HOST = Platform("linux", "amd64")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    ["config", "rootfs", "diff_ids", "history", "Env", "Cmd", "layers", "manifests", "digest", "Config", "Layers"]
)


def test_a_configuration_reads_back_as_it_was_written() -> None:
    image = Image(
        id="",
        created="2026-01-01T00:00:00Z",
        author="ann",
        config=ImageConfig(
            user="1:2",
            exposed=("80/tcp",),
            env=("A=1",),
            entrypoint=("/e",),
            cmd=("x",),
            volumes=("/v",),
            labels={"a": "b"},
            health=HealthSpec(test=("CMD", "x"), interval=5),
        ),
        layers=(LAYER,),
        history=(HistoryEntry("2026-01-01T00:00:00Z", "x", empty_layer=True),),
    )

    assert parse_config(new_config(image), "") == image


@given(st.dictionaries(keys, json_values | st.dictionaries(keys, json_values, max_size=3), max_size=4))
def test_any_document_is_read_or_refused(document: dict[str, object]) -> None:
    raw = json.dumps(document).encode()
    for parse in (lambda text: parse_config(text, ""), parse_manifest, docker_images):
        try:
            parse(raw)
        except Invalid:
            continue


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for parse in (lambda text: parse_config(text, ""), parse_manifest, docker_images):
        try:
            parse(raw)
        except Invalid:
            continue


def test_more_layers_than_can_be_mounted_are_refused() -> None:
    raw = json.dumps({"rootfs": {"diff_ids": [LAYER] * 126}}).encode()

    with pytest.raises(Invalid, match=r"^max depth exceeded: the image has 126 layers, at most 125 can be mounted$"):
        parse_config(raw, "")


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("", HOST),
        ("linux", HOST),
        ("arm64", Platform("linux", "arm64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm/v7", Platform("linux", "arm", "v7")),
    ],
)
def test_platforms(text: str, platform: Platform) -> None:
    assert parse_platform(text, HOST) == platform


def test_what_is_neither_a_system_nor_an_architecture_is_refused() -> None:
    with pytest.raises(Invalid, match='"foo": unknown operating system or architecture: invalid argument'):
        parse_platform("foo", HOST)


def test_an_exact_variant_wins_in_a_list() -> None:
    entries = [("amd64", "", "2"), ("arm", "v6", "3"), ("arm", "v7", "4")]
    listed = parse_manifest(
        json.dumps(
            {
                "schemaVersion": 2,
                "manifests": [
                    {
                        "digest": f"sha256:{digit * 64}",
                        "platform": {"os": "linux", "architecture": architecture, "variant": variant},
                    }
                    for architecture, variant, digit in entries
                ],
            }
        ).encode()
    )
    assert isinstance(listed, ManifestList)

    assert choose(listed, Platform("linux", "arm", "v7")).digest == f"sha256:{'4' * 64}"
    assert choose(listed, Platform("linux", "arm")).digest == f"sha256:{'3' * 64}"
    with pytest.raises(NotFound, match="no matching manifest for linux/riscv64 in the manifest list entries"):
        choose(listed, Platform("linux", "riscv64"))


@given(st.integers(min_value=0, max_value=4 * 10**18))
def test_moments_read_back(moment: int) -> None:
    assert nanoseconds(rfc3339(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [("", 0), ("yesterday", 0), ("2026-99-01T00:00:00Z", 0), ("1970-01-01T01:00:00.5+01:00", 500_000_000)],
)
def test_odd_moments(text: str, moment: int) -> None:
    assert nanoseconds(text) == moment

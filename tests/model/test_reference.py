"""Names of images as the distribution project reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.errors import Invalid
from fairlead.model.reference import may_be_insecure, parse_reference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("chrch/docker-pets:1.0", "docker.io/chrch/docker-pets:1.0", "chrch/docker-pets:1.0"),
        ("localhost/web", "localhost/web", "localhost/web"),
        ("127.0.0.1:5000/a/b:x", "127.0.0.1:5000/a/b:x", "127.0.0.1:5000/a/b:x"),
        ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
        (f"reg.example/a@{DIGEST}", f"reg.example/a@{DIGEST}", f"reg.example/a@{DIGEST}"),
        (f"a:1@{DIGEST}", f"docker.io/library/a:1@{DIGEST}", f"a:1@{DIGEST}"),
        ("a__b.c--d", "docker.io/library/a__b.c--d", "a__b.c--d"),
        ("sha256:abc", "docker.io/library/sha256:abc", "sha256:abc"),
    ],
)
def test_short_names_mean_the_hub(text: str, full: str, familiar: str) -> None:
    reference = parse_reference(text)

    assert (reference.full, reference.familiar) == (full, familiar)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a:", "invalid reference format"),
        (":1", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a/../b", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("/a", "invalid reference format"),
        ("a/", "invalid reference format"),
        ("a:" + "x" * 129, "invalid reference format"),
        ("a@sha256:12", "invalid reference format"),
        ("http://a/b", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("Web", "invalid reference format: repository name (library/Web) must be lowercase"),
        ("0" * 64, f"invalid repository name ({'0' * 64}), cannot specify 64-byte hexadecimal strings"),
        ("a" + "/b" * 140, "invalid reference format: repository name must not be more than 255 characters"),
    ],
)
def test_what_is_no_name_is_refused_in_dockers_words(text: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_reference(text)
    assert refused.value.message == words


@given(st.text(alphabet="abz01.:/@-_A[]%\n é", max_size=40))
def test_a_name_is_refused_or_reads_back_the_same(text: str) -> None:
    try:
        reference = parse_reference(text)
    except Invalid:
        return

    assert parse_reference(reference.full) == reference
    assert parse_reference(reference.familiar) == reference
    assert ".." not in reference.path.split("/")


@pytest.mark.parametrize(
    ("domain", "local"),
    [
        ("localhost:5000", True),
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9:80", True),
        ("[::1]:5000", True),
        ("localhost.example", False),
        ("10.0.0.1:5000", False),
        ("docker.io", False),
    ],
)
def test_only_loopback_may_go_without_tls(domain: str, local: bool) -> None:
    assert may_be_insecure(domain) is local


@pytest.mark.parametrize("domain", ["reg.example:5000", "other.example:80", "10.9.1.2:5000", "10.9.1.2"])
def test_registries_that_may_be_insecure(domain: str) -> None:
    allowed = ("reg.example:5000", "other.example", "10.9.0.0/16")
    assert may_be_insecure(domain, allowed)
    assert not may_be_insecure("reg.example", allowed)
    assert not may_be_insecure("10.8.0.1", allowed)

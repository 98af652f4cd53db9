"""Which route a path leads to, and which versions are served."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.http import Request, Response, Route
from fairlead.api.router import Router, accept_version, split_version
from fairlead.model.errors import Invalid


def nowhere(request: Request) -> Response:
    return Response()


PATTERNS = [
    "/_ping",
    "/containers/json",
    "/containers/{id}",
    "/containers/{id}/json",
    "/containers/{id}/{verb}",
    "/images/json",
    "/images/{name...}",
    "/images/{name...}/json",
    "/images/{name...}/history",
]
ROUTER = Router(Route("GET", pattern, nowhere) for pattern in PATTERNS)


@pytest.mark.parametrize(
    ("path", "pattern", "params"),
    [
        ("/_ping", "/_ping", {}),
        ("/containers/json", "/containers/json", {}),
        ("/containers/json/json", "/containers/{id}/json", {"id": "json"}),
        ("/containers/web", "/containers/{id}", {"id": "web"}),
        ("/containers/web/start", "/containers/{id}/{verb}", {"id": "web", "verb": "start"}),
        ("/images/busybox/json", "/images/{name...}/json", {"name": "busybox"}),
        ("/images/a.example:5000/b/c:1/json", "/images/{name...}/json", {"name": "a.example:5000/b/c:1"}),
        ("/images/a/history/history", "/images/{name...}/history", {"name": "a/history"}),
        ("/images/a/b", "/images/{name...}", {"name": "a/b"}),
        ("/images/json", "/images/json", {}),
        ("/images/json/json", "/images/{name...}/json", {"name": "json"}),
    ],
)
def test_a_path_leads_to_a_route(path, pattern, params):
    found = ROUTER.find("GET", path)
    assert found is not None
    assert (found[0].pattern, found[1]) == (pattern, params)


@pytest.mark.parametrize(
    "path", ["", "/", "//", "/containers", "/containers/", "/containers//json", "/images/", "/_ping/", "/x" * 1000]
)
def test_other_paths_lead_nowhere(path):
    assert ROUTER.find("GET", path) is None


def test_another_method_leads_nowhere():
    assert ROUTER.find("POST", "/_ping") is None


def test_two_routes_of_one_pattern_are_a_mistake():
    with pytest.raises(ValueError, match="two routes for GET /a"):
        Router([Route("GET", "/a", nowhere), Route("GET", "/a", nowhere)])


@given(st.lists(st.sampled_from(["a", "json", "images", "containers", "history", "", "%"]), max_size=6))
def test_any_path_leads_somewhere_or_nowhere(parts):
    found = ROUTER.find("GET", "/" + "/".join(parts))
    if found is not None:
        filled = found[0].pattern
        for name, value in found[1].items():
            filled = filled.replace("{%s...}" % name, value).replace("{%s}" % name, value)  # noqa: UP031
        assert filled == "/" + "/".join(parts)


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("/v1.41/networks", ("1.41", "/networks")),
        ("/networks", ("", "/networks")),
        ("/v1/x", ("1", "/x")),
        ("/volumes", ("", "/volumes")),
        ("/v1.41", ("", "/v1.41")),
        ("/v" + "9" * 5000 + "/x", ("", "/v" + "9" * 5000 + "/x")),
    ],
)
def test_a_version_is_split_off(path, split):
    assert split_version(path) == split


def test_versions_between_the_oldest_and_the_newest_are_served():
    assert accept_version("") == (1, 50)
    assert accept_version("1.24") == (1, 24)
    assert accept_version("1.41") == (1, 41)
    for text in ("1.23", "1", "0.9", "."):
        with pytest.raises(Invalid, match="too old"):
            accept_version(text)
    for text in ("1.51", "2.0"):
        with pytest.raises(Invalid, match="too new"):
            accept_version(text)

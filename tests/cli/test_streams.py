"""Frames of containers' output, keys that detach, words of the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cli.client import target
from fairlead.cli.command import filters_query
from fairlead.cli.commands.copy import split_path
from fairlead.cli.detach import DetachFilter, parse_keys
from fairlead.cli.faults import Fault
from fairlead.cli.pairs import environment_of
from fairlead.cli.streams import frames


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=50))), st.integers(1, 20))
def test_frames_are_found_however_they_are_cut(sent, cut):
    wire = b"".join(bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for stream, data in sent)
    found = list(frames(wire[at : at + cut] for at in range(0, len(wire), cut)))
    for stream in (1, 2):
        assert b"".join(data for name, data in found if name == stream) == b"".join(
            data for name, data in sent if name == stream
        )


def test_detach_keys_are_read():
    assert parse_keys("") == b"\x10\x11"
    assert parse_keys("ctrl-a,b") == b"\x01b"
    with pytest.raises(Fault, match="invalid detach keys"):
        parse_keys("ctrl-aa")


@given(st.lists(st.binary(max_size=4)), st.sampled_from([b"\x10\x11", b"aa", b"ab", b"x"]))
def test_everything_goes_through_until_the_keys_come(pieces, keys):
    filtered = DetachFilter(keys)
    passed = b""
    for piece in pieces:
        passed += filtered.feed(piece)
        if filtered.detached:
            break
    typed = b"".join(pieces)
    assert filtered.detached == (keys in typed)
    whole = typed.partition(keys)[0]
    assert whole.startswith(passed)
    if not filtered.detached:
        assert len(whole) - len(passed) < len(keys)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("web:/etc/hosts", ("web", "/etc/hosts")),
        ("web:", ("web", "")),
        ("/a:b", ("", "/a:b")),
        ("./a:b", ("", "./a:b")),
        ("file", ("", "file")),
        ("-", ("", "-")),
    ],
)
def test_a_path_of_cp(written, found):
    assert split_path(written) == found


def test_environment_comes_from_files_words_and_ourselves(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("INHERITED", "yes")
    monkeypatch.delenv("ABSENT", raising=False)
    (tmp_path / "env").write_text("# a remark\nFROM_FILE=1\n\nINHERITED\n")
    assert environment_of(["A=b=c", "ABSENT", "EMPTY="], [str(tmp_path / "env")]) == [
        "FROM_FILE=1",
        f"INHERITED={os.environ['INHERITED']}",
        "A=b=c",
        "EMPTY=",
    ]
    with pytest.raises(Fault, match="no such file"):
        environment_of([], [str(tmp_path / "missing")])


def test_filters_become_the_apis():
    assert filters_query(("name=web", "label=a=b", "name=db")) == '{"name": ["web", "db"], "label": ["a=b"]}'
    assert filters_query(()) == ""
    with pytest.raises(Fault, match="bad format of filter"):
        filters_query(("name",))


def test_targets_leave_out_what_was_not_said():
    query = {"all": True, "size": False, "limit": 0, "name": "", "t": "0", "names": ["a", "b c"]}
    assert target("/containers/a b/json", query) == "/v1.50/containers/a%20b/json?all=1&t=0&names=a&names=b+c"

"""Bodies as clients send them: keys in any case, nulls, and what is no JSON."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.filters import parse_filters
from fairlead.api.http import Request
from fairlead.api.schema.container import ContainerCreate, ExecCreate
from fairlead.api.syntax import complaint
from fairlead.model.errors import Invalid


def request(body: bytes, content_type: str = "application/json") -> Request:
    return Request("POST", "/", (1, 50), {}, {}, {"content-type": content_type}, body)


def test_a_key_is_known_in_any_case() -> None:
    read = request(b'{"detachKeys": "ctrl-x", "cmd": ["true"], "TTY": true}').json(ExecCreate)
    assert (read.DetachKeys, read.Cmd, read.Tty) == ("ctrl-x", ["true"], True)


def test_case_counts_where_the_keys_are_the_users() -> None:
    body = {"hostconfig": {"portbindings": {"80/tcp": [{"hostport": "8080"}]}}, "labels": {"A": "1", "a": "2"}}
    read = request(json.dumps(body).encode()).json(ContainerCreate)
    assert read.Labels == {"A": "1", "a": "2"}
    assert read.HostConfig is not None
    bindings = (read.HostConfig.PortBindings or {})["80/tcp"] or []
    assert [item.HostPort for item in bindings] == ["8080"]


class Numbers(msgspec.Struct):
    Count: int = 7
    Inner: list[dict[str, ExecCreate]] = msgspec.field(default_factory=list)


def test_null_says_nothing() -> None:
    read = request(b'{"Count": null, "Inner": [{"x": {"cmd": "a", "Env": null}}]}').json(Numbers)
    assert read == Numbers(7, [{"x": ExecCreate(Cmd="a")}])
    assert request(b"null").json(Numbers) == Numbers()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{invalid", "invalid JSON: invalid character 'i' looking for beginning of object key string"),
        (b"{'a': 1}", r"invalid JSON: invalid character '\'' looking for beginning of object key string"),
        (b"{} {}", "unexpected content after JSON"),
        (b'{"a" 1}', "invalid JSON: invalid character '1' after object key"),
        (b'{"a": 1 "b": 2}', "invalid JSON: invalid character '\"' after object key:value pair"),
        (b'{"a": [1 2]}', "invalid JSON: invalid character '2' after array element"),
        (b'{"a": tru}', "invalid JSON: invalid character '}' in literal true (expecting 'e')"),
        (b'{"a": "\n"}', r"invalid JSON: invalid character '\n' in string literal"),
        (b'{"a": "\\x"}', "invalid JSON: invalid character 'x' in string escape code"),
        (b'{"a": "\\u12x4"}', r"invalid JSON: invalid character 'x' in \u hexadecimal character escape"),
        (b'{"a": -}', "invalid JSON: invalid character '}' in numeric literal"),
        (b'{"a": 1.}', "invalid JSON: invalid character '}' after decimal point in numeric literal"),
        (b'{"a": 1e}', "invalid JSON: invalid character '}' in exponent of numeric literal"),
        (b'{"a":', "invalid JSON: unexpected EOF"),
        (b"\x00", r"invalid JSON: invalid character '\x00' looking for beginning of value"),
        pytest.param(b"[" * 100_000, "invalid JSON: exceeded max depth", id="deep"),
        pytest.param(b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "invalid JSON: exceeded max depth", id="whole"),
    ],
)
def test_what_is_no_json_is_said_in_the_words_of_go(body: bytes, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        request(body).json(ExecCreate)
    assert caught.value.message == words


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_nothing_is_wrong_with_json(value: object) -> None:
    assert complaint(json.dumps({"a": value}).encode()) == ""


@given(st.text(alphabet='{}[]":,0123456789.eE+-truefalsn\\ \n') | st.text())
def test_every_text_is_json_or_is_complained_of(text: str) -> None:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        assert complaint(text.encode())
    else:
        assert complaint(text.encode()) == ""


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ('{"name": ["a", "b"]}', {"name": ["a", "b"]}),
        ('{"name": {"a": true, "b": false}}', {"name": ["a"]}),
        ('{"name": null}', {}),
        ("null", {}),
        ("", {}),
    ],
)
def test_filters_have_two_forms_and_may_be_nothing(text: str, filters: dict[str, list[str]]) -> None:
    assert parse_filters({"filters": text}) == filters


@pytest.mark.parametrize("text", ["[]", "{x", '{"name": "a"}', '{"name": [1]}'])
def test_other_filters_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="invalid filter"):
        parse_filters({"filters": text})

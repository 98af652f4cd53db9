"""The reader of requests, without a socket: any bytes, cut anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.framing import Malformed
from fairlead.api.head import RequestHead
from fairlead.api.reader import END_OF_REQUEST, RequestReader

Told = list[tuple[str, object]]


def read(pieces: Iterable[bytes]) -> Told:
    """What the reader tells about bytes in these pieces: heads, whole bodies, and at last what it could not read."""
    reader, told = RequestReader(), []
    body = b""
    try:
        for piece in pieces:
            reader.receive(piece)
            while (event := reader.next_event()) is not None:
                if isinstance(event, RequestHead):
                    told.append(("head", (event.method, event.target, event.headers, event.keep_alive)))
                elif event is END_OF_REQUEST:
                    told.append(("body", body))
                    body = b""
                else:
                    body += event
    except Malformed:
        told.append(("malformed", None))
    return told


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    borders = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(borders)]


@dataclass
class Sent:
    """A request: `chunks` is None for a body by length."""

    method: str
    target: str
    body: bytes
    chunks: list[int] | None

    def wire(self) -> bytes:
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: x\r\n"
        if self.chunks is None:
            length = f"Content-Length: {len(self.body)}\r\n" if self.body else ""
            return f"{head}{length}\r\n".encode() + self.body
        chunked = b"".join(b"%x;e=1\r\n%b\r\n" % (len(part), part) for part in cut(self.body, self.chunks) if part)
        return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked + b"0\r\nTrailer: t\r\n\r\n"


requests = st.builds(
    Sent,
    st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD"]),
    st.sampled_from(["/_ping", "/v1.41/networks/a%20b?x=1", "/containers/json?filters=%7B%7D"]),
    st.binary(max_size=200),
    st.none() | st.lists(st.integers(0, 1000), max_size=4),
)


@given(st.lists(requests, max_size=5), st.lists(st.integers(0, 5000), max_size=12))
def test_requests_are_read_wherever_their_bytes_are_cut(sent, places):
    told = read(cut(b"".join(request.wire() for request in sent), places))
    assert [what for what, _ in told] == ["head", "body"] * len(sent)
    assert [head[:2] for what, head in told if what == "head"] == [(one.method, one.target) for one in sent]
    assert [body for what, body in told if what == "body"] == [one.body for one in sent]


garbage = st.lists(
    st.sampled_from(
        [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"\r\n", b"\r", b"\n", b":", b" ", b"Content-Length: 3", b"abc", b"\0"]
        + [b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"3", b"0", b"ffffffffffffffff", b"-1", b";"]
        + [b"Upgrade: tcp", b"Connection: Upgrade", b"Expect: 100-continue", b"\xff\xfe", b"Host: x", b"GET", b"/"]
    ),
    max_size=30,
).map(b"".join)


@given(garbage | st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=6))
def test_any_bytes_are_requests_or_malformed_and_cutting_changes_nothing(data, places):
    assert read(cut(data, places)) == read([data])


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_nothing_behind_a_request_is_touched(head):
    body = b"5\r\nhello\r\n0\r\n\r\n" if b"chunked" in head else b"hello"
    reader = RequestReader()
    reader.receive(head + body + b"\x00\xffraw bytes of a terminal")
    while reader.next_event() is not END_OF_REQUEST:
        pass
    assert reader.rest() == b"\x00\xffraw bytes of a terminal"


@pytest.mark.parametrize(
    ("connection", "version", "kept"),
    [
        ("", "1.1", True),
        ("close", "1.1", False),
        ("Keep-Alive", "1.1", True),
        ("Upgrade", "1.1", True),
        ("Upgrade, close", "1.1", False),
        ("", "1.0", False),
        ("keep-alive", "1.0", True),
    ],
)
def test_whether_a_connection_is_kept(connection, version, kept):
    line = f"Connection: {connection}\r\n" if connection else ""
    told = read([f"GET / HTTP/{version}\r\n{line}\r\n".encode()])
    assert told[0][1][3] == kept

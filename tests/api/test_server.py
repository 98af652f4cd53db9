"""The server as a client's bytes meet it, with toy routes and a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.api.http import Hijack, Request, Response, Route, StreamResponse, empty, json_response
from fairlead.api.server import Server
from fairlead.model.errors import Conflict, Failed, Invalid, NotFound, NotModified, Refusal, Unsupported
from tests.api.conftest import eventually


def echo(request: Request) -> Response:
    return json_response(
        {
            "path": request.path,
            "version": request.version,
            "params": request.params,
            "query": request.query,
            "body": request.body.decode(),
        }
    )


async def slow_echo(request: Request) -> Response:
    await asyncio.sleep(0)
    return echo(request)


def raiser(error: Exception) -> Route:
    def handler(request: Request) -> Response:
        raise error

    return Route("GET", f"/raise/{type(error).__name__}", handler)


ROUTES = [
    Route("GET", "/things/{id}", echo),
    Route("HEAD", "/things/{id}", echo),
    Route("POST", "/things/{id}/do", slow_echo),
    Route("DELETE", "/things/{id}", lambda request: empty()),
]


async def test_a_request_is_answered_with_dockers_headers(serve):
    client = await (await serve(ROUTES)).client()
    status, headers, body = await client.get("/v1.41/things/a%20b?x=1&x=2&y=")
    assert status == 200
    assert headers["api-version"] == "1.50"
    assert headers["docker-experimental"] == "false"
    assert headers["ostype"] == "linux"
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(body))
    assert b'"params":{"id":"a b"}' in body
    assert b'"version":[1,41]' in body
    assert b'"query":{"x":"1","y":""}' in body


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/foo", 404, "page not found"),
        ("/v1.41/foo", 404, "page not found"),
        ("/", 404, "page not found"),
        ("/v1.99/things/a", 400, "client version 1.99 is too new. Maximum supported API version is 1.50"),
        (
            "/v1.11/things/a",
            400,
            "client version 1.11 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)
async def test_unknown_paths_and_versions_are_refused_in_dockers_words(serve, path, status, text):
    client = await (await serve(ROUTES)).client()
    got, _, body = await client.get(path)
    assert (got, body) == (status, b'{"message":"%s"}\n' % text.encode())


async def test_a_known_path_with_another_method_is_unknown(serve):
    client = await (await serve(ROUTES)).client()
    client.send(b"PUT /things/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    assert (await client.answer())[0] == 404
    assert (await client.get("/things/a"))[0] == 200


async def test_the_answer_to_head_has_no_body(serve):
    client = await (await serve(ROUTES)).client()
    client.send(b"HEAD /things/a HTTP/1.1\r\nHost: x\r\n\r\n")
    head = await client.until(b"\r\n\r\n")
    assert b"Content-Length: 7" in head
    assert (await client.get("/things/b"))[0] == 200


async def test_no_content_has_neither_length_nor_type(serve):
    client = await (await serve(ROUTES)).client()
    client.send(b"DELETE /things/a HTTP/1.1\r\nHost: x\r\n\r\n")
    head = (await client.until(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 204 no content\r\n")
    assert b"content-length" not in head
    assert b"content-type" not in head


async def test_pipelined_requests_are_answered_in_order(serve):
    client = await (await serve(ROUTES)).client()
    requests = b""
    for number in range(50):
        if number % 2:
            requests += b"POST /things/%d/do HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % number
        else:
            requests += b"GET /things/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number
    client.send(requests)
    for number in range(50):
        status, _, body = await client.answer()
        assert status == 200
        assert b'"id":"%d"' % number in body


async def test_requests_may_arrive_byte_by_byte(serve):
    client = await (await serve(ROUTES)).client()
    request = (
        b"\r\nPOST /things/1/do HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    )
    for byte in request * 2:
        client.send(bytes([byte]))
        await client.writer.drain()
        await asyncio.sleep(0)
    for _ in range(2):
        status, _, body = await client.answer()
        assert (status, b'"body":"abcde"' in body) == (200, True)


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (Invalid("bad"), 400, b'{"message":"bad"}\n'),
        (NotFound("No such thing: x"), 404, b'{"message":"No such thing: x"}\n'),
        (Conflict("busy"), 409, b'{"message":"busy"}\n'),
        (Unsupported("not here"), 501, b'{"message":"not here"}\n'),
        (NotModified("same"), 304, b""),
    ],
)
async def test_a_refusal_has_the_status_of_its_class(serve, error: Refusal, status, body):
    client = await (await serve([raiser(error), *ROUTES])).client()
    got, _, text = await client.get(f"/raise/{type(error).__name__}")
    assert (got, text) == (status, body)
    assert (await client.get("/things/a"))[0] == 200


async def test_a_fault_of_ours_is_logged_and_tells_no_details(serve, caplog):
    client = await (await serve([raiser(RuntimeError("secret detail")), *ROUTES])).client()
    status, _, body = await client.get("/raise/RuntimeError")
    assert status == 500
    assert b"secret" not in body
    assert "secret detail" in caplog.text
    assert (await client.get("/things/a"))[0] == 200


async def test_expect_continue_is_answered_before_the_body_comes(serve):
    client = await (await serve(ROUTES)).client()
    client.send(b"POST /things/a/do HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hi")
    status, _, body = await client.answer()
    assert (status, b'"body":"hi"' in body) == (200, True)


async def test_http_10_and_connection_close_end_the_connection(serve):
    place = await serve(ROUTES)
    for request in (
        b"GET /things/a HTTP/1.0\r\n\r\n",
        b"GET /things/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ):
        client = await place.client()
        client.send(request)
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close\r\n" in answer


async def test_a_client_that_closes_its_side_still_gets_its_answer(serve):
    client = await (await serve(ROUTES)).client()
    client.send(b"POST /things/a/do HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    client.writer.write_eof()
    assert b'"body":"hi"' in await client.rest()


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nbroken header\r\n\r\n", 400),
        (b"POST /things/a/do HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /things/a/do HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /things/a/do HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /things/a/do HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /things/a/do HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /" + b"a" * 300_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000 + b"\r\n", 431),
        (b"POST /things/a/do HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 20_000_000, 413),
    ],
)
async def test_what_is_not_http_is_refused_and_others_go_on(serve, garbage, status):
    place = await serve(ROUTES)
    client = await place.client()
    client.send(garbage)
    first = await client.until(b"\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in await client.rest()
    assert (await (await place.client()).get("/things/a"))[0] == 200


async def test_a_stream_arrives_as_it_is_made(serve):
    step = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        await step.wait()
        yield b"two"

    client = await (await serve([Route("GET", "/stream", lambda request: StreamResponse(chunks())), *ROUTES])).client()
    client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in await client.until(b"\r\n\r\n")
    assert await client.exactly(8) == b"3\r\none\r\n"
    step.set()
    assert await client.chunked() == b"two"
    assert (await client.get("/things/a"))[0] == 200


async def test_the_headers_of_a_stream_do_not_wait_for_its_first_chunk(serve):
    async def chunks() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    client = await (await serve([Route("POST", "/wait", lambda request: StreamResponse(chunks()))])).client()
    client.send(b"POST /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")


async def test_a_stream_that_fails_is_visibly_broken_off(serve, caplog):
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError("fault in the middle")

    client = await (await serve([Route("GET", "/stream", lambda request: StreamResponse(chunks()))])).client()
    client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    await client.until(b"\r\n\r\n")
    assert await client.rest() == b"3\r\none\r\n"
    assert "fault in the middle" in caplog.text


async def test_a_stream_waits_for_a_slow_client_and_nobody_waits_with_it(serve):
    made = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(1000):
            made += 1
            yield bytes(65536)

    place = await serve([Route("GET", "/stream", lambda request: StreamResponse(chunks())), *ROUTES])
    slow = place.blocking_socket()
    try:
        slow.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: made > 1)
        client = await place.client()
        for _ in range(20):
            assert (await client.get("/things/a"))[0] == 200
        assert made < 100
    finally:
        slow.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_stream_ends_when_its_client_leaves(serve, method):
    ended = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            ended.set()

    client = await (await serve([Route(method, "/stream", lambda request: StreamResponse(chunks()))])).client()
    client.send(b"%b /stream HTTP/1.1\r\nHost: x\r\n\r\n" % method.encode())
    await client.until(b"one\r\n")
    await client.close()
    await asyncio.wait_for(ended.wait(), 30)


async def test_a_change_is_finished_although_its_client_left(serve):
    begun, go_on, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def change(request: Request) -> Response:
        begun.set()
        await go_on.wait()
        finished.set()
        return empty()

    place = await serve([Route("POST", "/change", change)])
    client = await place.client()
    client.send(b"POST /change HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(begun.wait(), 30)
    await client.close()
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.wait_for(finished.wait(), 30)


async def test_a_body_is_streamed_to_a_route_that_asks_for_it(serve):
    seen: list[int] = []

    async def load(request: Request) -> Response:
        assert request.stream is not None
        async for piece in request.stream:
            seen.append(len(piece))
        return json_response(sum(seen))

    client = await (await serve([Route("POST", "/load", load, streams_body=True), *ROUTES])).client()
    client.send(b"POST /load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"5\r\nhello\r\n")
    await eventually(lambda: seen == [5])
    for _ in range(64):
        client.send(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        await client.writer.drain()
    client.send(b"0\r\n\r\nGET /things/a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await client.answer())[2] == b"%d\n" % (5 + (64 << 20))
    assert (await client.answer())[0] == 200


async def test_a_body_that_breaks_off_is_told_to_its_handler(serve):
    told: list[str] = []

    async def load(request: Request) -> Response:
        assert request.stream is not None
        try:
            async for _ in request.stream:
                pass
        except Refusal as refusal:
            told.append(refusal.message)
            raise
        return empty()

    client = await (await serve([Route("POST", "/load", load, streams_body=True)])).client()
    client.send(b"POST /load HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort")
    client.writer.write_eof()
    assert (await client.answer())[0] == 400
    assert told == ["the request body ended in the middle"]


async def test_an_answer_before_the_end_of_the_body_reaches_the_client(serve):
    def refuse(request: Request) -> Response:
        raise Conflict("no room")

    place = await serve([Route("POST", "/load", refuse, streams_body=True)])
    client = await place.client()
    client.send(b"POST /load HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + bytes(1_000_000))
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (409, "close")


async def shout(channel) -> None:
    while data := await channel.read():
        await channel.write(data.upper())
    await channel.write(b"BYE")


HIJACK = Route("POST", "/attach", lambda request: Hijack(shout, "application/vnd.docker.multiplexed-stream"))


@pytest.mark.parametrize("early", [b"", b"early "])
async def test_a_connection_is_taken_over_with_what_was_already_sent(serve, early):
    client = await (await serve([HIJACK])).client()
    client.send(b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + early)
    assert (await client.until(b"\r\n\r\n")).startswith(
        b"HTTP/1.1 101 UPGRADED\r\n"
        b"Content-Type: application/vnd.docker.multiplexed-stream\r\n"
        b"Connection: Upgrade\r\nUpgrade: tcp\r\n"
    )
    client.send(b"hello\r\n\r\n")
    client.writer.write_eof()
    assert await client.rest() == early.upper() + b"HELLO\r\n\r\nBYE"


async def test_a_client_that_does_not_ask_to_upgrade_gets_200_and_the_connection(serve):
    client = await (await serve([HIJACK])).client()
    client.send(b"POST /attach HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}stdin")
    head = await client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length" not in head
    client.writer.write_eof()
    assert await client.rest() == b"STDINBYE"


async def test_a_refused_upgrade_leaves_the_connection_usable(serve):
    client = await (await serve([raiser(NotFound("No such container: x")), *ROUTES])).client()
    client.send(b"GET /raise/NotFound HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert (await client.answer())[0] == 404
    assert (await client.get("/things/a"))[0] == 200


async def test_a_taken_connection_is_given_up_when_its_client_leaves(serve):
    ended = asyncio.Event()

    async def quiet(channel) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    client = await (await serve([Route("POST", "/attach", lambda request: Hijack(quiet))])).client()
    client.send(b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    await client.until(b"\r\n\r\n")
    await client.close()
    await asyncio.wait_for(ended.wait(), 30)


async def test_output_survives_input_that_nobody_reads(serve):
    """A handler that ends while the client still sends must not reset the connection under its last words."""

    async def last_words(channel) -> None:
        await channel.write(b"last words")

    client = await (await serve([Route("POST", "/attach", lambda request: Hijack(last_words))])).client()
    client.send(b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + bytes(100_000))
    await client.until(b"\r\n\r\n")
    assert await client.rest() == b"last words"


async def test_two_writers_may_wait_for_one_slow_client(serve):
    async def flood(channel) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(pump(channel))

    async def pump(channel) -> None:
        for _ in range(32):
            await channel.write(bytes(1 << 17))

    client = await (await serve([Route("POST", "/attach", lambda request: Hijack(flood))])).client()
    client.send(b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    await client.until(b"\r\n\r\n")
    assert len(await client.rest()) == 2 * 32 << 17


async def test_close_ends_streams_and_lets_answers_finish(serve):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def change(request: Request) -> Response:
        begun.set()
        await go_on.wait()
        return json_response("done")

    async def forever() -> AsyncIterator[bytes]:
        yield b"tick"
        await asyncio.Event().wait()

    place = await serve([Route("POST", "/change", change), Route("GET", "/ev", lambda r: StreamResponse(forever()))])
    idle, watcher, changer = [await place.client() for _ in range(3)]
    watcher.send(b"GET /ev HTTP/1.1\r\nHost: x\r\n\r\n")
    await watcher.until(b"tick\r\n")
    changer.send(b"POST /change HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(begun.wait(), 30)
    closing = asyncio.create_task(place.server.close(patience=5))
    assert await idle.rest() == b""
    assert await watcher.rest() == b""
    go_on.set()
    assert (await changer.answer())[2] == b'"done"\n'
    await asyncio.wait_for(closing, 30)
    assert not place.path.exists()


async def test_the_socket_is_for_its_owner_and_group(serve):
    place = await serve(ROUTES)
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o660


async def test_a_stale_socket_is_replaced_and_a_live_one_respected(tmp_path: Path):
    path = tmp_path / "x.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as stale:
        stale.bind(str(path))
    first, second = Server(ROUTES), Server(ROUTES)
    await first.listen([f"unix://{path}"])
    with pytest.raises(Failed, match="another daemon is listening"):
        await second.listen([f"unix://{path}"])
    await first.close()


async def test_a_file_is_not_replaced_by_a_socket(tmp_path: Path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(Failed, match="something else"):
        await Server(ROUTES).listen([f"unix://{path}"])
    assert path.read_text() == "data"


@pytest.mark.parametrize("host", ["foo", "unix://", "unix://relative", "tcp://127.0.0.1", "tcp://127.0.0.1:99999"])
async def test_a_bad_host_is_refused_by_name(host):
    with pytest.raises(Invalid, match="invalid host"):
        await Server(ROUTES).listen([host])


async def test_when_one_host_cannot_be_had_none_is_taken(tmp_path: Path):
    server = Server(ROUTES)
    with pytest.raises(Failed, match=r"cannot listen on tcp://192\.0\.2\.1:1"):
        await server.listen([f"unix://{tmp_path}/x.sock", "tcp://192.0.2.1:1"])
    assert server.addresses == []

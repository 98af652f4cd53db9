"""From a request's head to its route and the `Request` that the handler gets.

Clients repeat themselves, byte for byte: `docker` asks `HEAD /_ping` before every command, and a poller
the same path for ever. Such heads are read and routed once.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from fairlead.api.framing import framing_of
from fairlead.api.head import RequestHead
from fairlead.api.http import Request, Response, Route
from fairlead.api.router import NEWEST, Router, accept_version, split_version
from fairlead.api.status import message, refused
from fairlead.model.errors import Invalid

MEMORY = 256
LONGEST_REMEMBERED = 1024

_accept_version = lru_cache(maxsize=64)(accept_version)

Opened = tuple[Route, Request, RequestHead]


class Opener:
    """Opens requests, for all connections of a server."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._known: dict[bytes, Opened] = {}

    def recall(self, data: bytes) -> Opened | None:
        """The request, if `data` is exactly one that was opened before and may be repeated."""
        return self._known.get(data)

    def open(self, head: RequestHead) -> Opened:
        """What cannot be served goes to a route that says so, once its body has been read."""
        path, query_string = _split_target(head.target)
        version_text, path = split_version(path)
        found = self._router.find(head.method, path)
        if found is None:
            request = Request(head.method, path, NEWEST, {}, {}, head.headers)
            return _refusing(message(404, "page not found")), request, head
        route, params = found
        version = NEWEST
        try:
            version = _accept_version(version_text)
        except Invalid as refusal:
            route = _refusing(refused(refusal))
        query = _first_values(query_string) if query_string else {}
        request = Request(head.method, path, version, params, query, head.headers, query_string=query_string)
        self._remember(route, request, head)
        return route, request, head

    def _remember(self, route: Route, request: Request, head: RequestHead) -> None:
        if head.method not in ("GET", "HEAD") or len(head.raw) > LONGEST_REMEMBERED or not _is_plain(head):
            return
        if len(self._known) >= MEMORY:
            del self._known[next(iter(self._known))]
        self._known[head.raw] = route, request, head


def _is_plain(head: RequestHead) -> bool:
    return framing_of(head.headers) is None and "expect" not in head.headers and "upgrade" not in head.headers


def _split_target(target: str) -> tuple[str, str]:
    if not target.startswith("/"):
        parts = urlsplit(target)
        return unquote(parts.path) or "/", parts.query
    path, _, query = target.partition("?")
    return unquote(path) if "%" in path else path, query


def _first_values(query_string: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(query_string, keep_blank_values=True):
        values.setdefault(name, value)
    return values


def _refusing(answer: Response) -> Route:
    return Route("", "/", lambda request: answer)

"""From a request's head to its route and the `Request` that the handler gets."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from fairlead.api.head import RequestHead
from fairlead.api.http import Request, Response, Route
from fairlead.api.router import NEWEST, Router, accept_version, split_version
from fairlead.api.status import message, refused
from fairlead.model.errors import Invalid

_accept_version = lru_cache(maxsize=64)(accept_version)


def open_request(router: Router, head: RequestHead) -> tuple[Route, Request]:
    """Where the request goes. What cannot be served goes to a route that says so, once its body has been read."""
    path, query_string = _split_target(head.target)
    version_text, path = split_version(path)
    found = router.find(head.method, path)
    if found is None:
        return _refusing(message(404, "page not found")), Request(head.method, path, NEWEST, {}, {}, head.headers)
    route, params = found
    version = NEWEST
    try:
        version = _accept_version(version_text)
    except Invalid as refusal:
        route = _refusing(refused(refusal))
    query = _first_values(query_string) if query_string else {}
    return route, Request(head.method, path, version, params, query, head.headers, query_string=query_string)


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

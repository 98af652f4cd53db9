"""From the class of a refusal to the status of its answer: the whole table."""

from __future__ import annotations

from fairlead.api.http import Response, json_response
from fairlead.model.errors import (
    Conflict,
    Failed,
    Invalid,
    NotAllowed,
    NotFound,
    NotModified,
    Refusal,
    Unauthorized,
    Unavailable,
    Unsupported,
)

STATUS: dict[type[Refusal], int] = {
    NotModified: 304,
    Invalid: 400,
    Unauthorized: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    Failed: 500,
    Unsupported: 501,
    Unavailable: 503,
}


def status_of(refusal: Refusal) -> int:
    """The status of the nearest class that the table knows."""
    return next((STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS), 500)


def refused(refusal: Refusal) -> Response:
    """The answer that tells `refusal` to a client."""
    status = status_of(refusal)
    return Response(status, b"", "") if status == 304 else message(status, refusal.message)


def message(status: int, text: str) -> Response:
    """Docker's form of an error."""
    return json_response({"message": text}, status)

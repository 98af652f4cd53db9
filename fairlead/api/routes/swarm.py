"""The swarm's endpoints on a node that is in none: Docker's refusals, so that clients know how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.http import Request, Response, Route
from fairlead.api.schema.swarm import SwarmInit, SwarmJoin
from fairlead.model.errors import Unavailable, Unsupported

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)

_MANAGERS_ONLY = [
    ("GET", "/swarm"),
    ("POST", "/swarm/update"),
    ("GET", "/swarm/unlockkey"),
    ("POST", "/swarm/unlock"),
    *(("GET", f"/{objects}") for objects in ("nodes", "services", "tasks", "secrets", "configs")),
    *(("GET", f"/{objects}/{{id}}") for objects in ("nodes", "services", "tasks", "secrets", "configs")),
    *(("DELETE", f"/{objects}/{{id}}") for objects in ("nodes", "services", "secrets", "configs")),
    *(("POST", f"/{objects}/{{id}}/update") for objects in ("nodes", "services", "secrets", "configs")),
    *(("POST", f"/{objects}/create") for objects in ("services", "secrets", "configs")),
    *(("GET", f"/{objects}/{{id}}/logs") for objects in ("services", "tasks")),
]


def routes(engine: Engine) -> list[Route]:
    return [
        *(Route(method, pattern, not_a_manager) for method, pattern in _MANAGERS_ONLY),
        Route("POST", "/swarm/init", init),
        Route("POST", "/swarm/join", join),
        Route("POST", "/swarm/leave", leave),
    ]


def not_a_manager(request: Request) -> Response:
    raise Unavailable(NOT_A_MANAGER)


def leave(request: Request) -> Response:
    raise Unavailable("This node is not part of a swarm")


def init(request: Request) -> Response:
    request.json(SwarmInit).validate()
    raise Unsupported("this version of Fairlead runs on one host and does not form swarms")


def join(request: Request) -> Response:
    request.json(SwarmJoin).validate()
    raise Unsupported("this version of Fairlead runs on one host and does not join swarms")

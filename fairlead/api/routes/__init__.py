"""The routes, a module for each noun of the API. Each has `routes(engine)`; handlers call one method of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.http import Route
from fairlead.api.routes import networks, swarm, system

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

_NOUNS = (networks, swarm, system)


def every_route(engine: Engine) -> list[Route]:
    return [route for noun in _NOUNS for route in noun.routes(engine)]

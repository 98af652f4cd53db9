"""`/services`: JSON to values, one engine method, values to JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.api.filters import parse_filters
from fairlead.api.http import Answer, Request, Response, Route, empty, json_response
from fairlead.api.routes.swarm_logs import log_stream
from fairlead.api.schema.service import ServiceSpecBody
from fairlead.api.schema.service_view import service_json
from fairlead.api.schema.swarm_object import Json, parse_version
from fairlead.engine.images.credentials import registry_auth
from fairlead.engine.swarm.pinning import pinned
from fairlead.engine.swarm.services import ServiceStatus
from fairlead.model.errors import Invalid
from fairlead.model.image import RegistryAuth

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

PINS_IMAGES_UNTIL = (1, 30)
"""Clients of an older API leave it to the daemon to find the digest of an image."""
AUTH_SOURCES = ("", "spec", "previous-spec")


def routes(engine: Engine) -> list[Route]:
    handlers = _ServiceHandlers(engine)
    return [
        Route("GET", "/services", handlers.list),
        Route("POST", "/services/create", handlers.create),
        Route("GET", "/services/{id}", handlers.inspect),
        Route("DELETE", "/services/{id}", handlers.remove),
        Route("POST", "/services/{id}/update", handlers.update),
        Route("GET", "/services/{id}/logs", handlers.logs),
    ]


class _ServiceHandlers:
    def __init__(self, engine: Engine) -> None:
        self._swarm, self._images, self._clock = engine.swarm, engine.images, engine.clock

    def list(self, request: Request) -> Response:
        services = self._swarm.services
        found = services.list(parse_filters(request.query))
        if not request.flag("status"):
            return json_response([service_json(one) for one in found])
        return json_response(
            [service_json(one) | {"ServiceStatus": _status_json(services.status(one))} for one in found]
        )

    async def inspect(self, request: Request) -> Response:
        service = await self._swarm.last_word(lambda: self._swarm.services.get(request.params["id"]))
        return json_response(service_json(service, request.flag("insertDefaults")))

    async def create(self, request: Request) -> Response:
        body = request.json(ServiceSpecBody)
        self._swarm.mirror  # noqa: B018 - whether this node is a manager is told before what is wrong with the spec
        warnings = await self._warnings(body, request)
        service_id = await self._swarm.services.create(body.spec(), _auth(request))
        return json_response({"ID": service_id, "Warnings": warnings}, 201)

    async def update(self, request: Request) -> Response:
        body = request.json(ServiceSpecBody)
        version = parse_version("service", request.query.get("version", ""))
        self._swarm.mirror  # noqa: B018 - as above
        rollback, source = request.query.get("rollback", ""), request.query.get("registryAuthFrom", "")
        if rollback not in ("", "none", "previous"):
            raise Invalid(f'unrecognized rollback option "{rollback}": must be previous')
        if source not in AUTH_SOURCES:
            raise Invalid(f'unsupported registryAuthFrom "{source}": must be spec or previous-spec')
        if rollback == "previous":
            await self._swarm.services.roll_back(request.params["id"], version)
            return json_response({"Warnings": None})
        warnings = await self._warnings(body, request)
        await self._swarm.services.update(request.params["id"], version, body.spec(), _auth(request), source)
        return json_response({"Warnings": warnings})

    async def remove(self, request: Request) -> Response:
        await self._swarm.services.remove(request.params["id"])
        return empty(200)

    def logs(self, request: Request) -> Answer:
        service = self._swarm.services.get(request.params["id"])
        return log_stream(self._swarm, request, self._clock.now(), services=(service,))

    async def _warnings(self, body: ServiceSpecBody, request: Request) -> Sequence[str] | None:
        """What is accepted with a remark. For old clients the image's digest comes into the spec, if it can be had."""
        template = body.TaskTemplate
        warnings = template.Placement.warnings() if template and template.Placement else []
        container = template and template.ContainerSpec
        if request.version < PINS_IMAGES_UNTIL and container and container.Image:
            container.Image, warning = await pinned(self._images, container.Image, _auth(request))
            warnings += [warning] if warning else []
        return warnings or None


def _auth(request: Request) -> RegistryAuth | None:
    return registry_auth(request.headers.get("x-registry-auth", ""))


def _status_json(status: ServiceStatus) -> Json:
    return {"RunningTasks": status.running, "DesiredTasks": status.desired, "CompletedTasks": status.completed}

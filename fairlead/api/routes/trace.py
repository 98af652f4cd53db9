"""`/fairlead/trace`: why one end reaches another or does not. Not of Docker's API; nothing is changed by it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from fairlead.api.http import Request, Response, Route, json_response
from fairlead.engine.trace.ends import Asked
from fairlead.engine.trace.tracer import Tracer
from fairlead.model.errors import Invalid
from fairlead.model.trace import Hop, Trace

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine
    from fairlead.engine.ports import Sights


def routes(engine: Engine, sights: Sights) -> list[Route]:
    def silent(network_id: str) -> Collection[str]:
        return engine.discovery.silent(network_id) if engine.swarm.formed else ()

    tracer = Tracer(engine.fabric, sights, silent)

    async def trace(request: Request) -> Response:
        asked = Asked(
            source=_word(request, "from"),
            target=_word(request, "to"),
            protocol=request.query.get("proto", "").lower(),
            port=_port(request.query.get("port", "")),
        )
        return json_response(trace_json(await tracer.trace(asked, request.flag("send"))))

    return [Route("GET", "/fairlead/trace", trace)]


def trace_json(trace: Trace) -> dict[str, object]:
    return {
        "Verdict": trace.verdict,
        "Told": trace.told,
        "At": trace.at,
        "Remedy": trace.remedy,
        "Tried": trace.tried,
        "Agrees": trace.agrees,
        "Hops": [_hop_json(number, hop) for number, hop in enumerate(trace.hops, start=1)],
    }


def _hop_json(number: int, hop: Hop) -> dict[str, object]:
    return {
        "Number": number,
        "Place": hop.place,
        "Kind": hop.kind,
        "Told": hop.told,
        "Where": hop.where,
        "Verdict": hop.verdict,
        "Remedy": hop.remedy,
    }


def _word(request: Request, name: str) -> str:
    value = request.query.get(name, "")
    if not value:
        raise Invalid(f"`{name}` is missing: a container, service, name, address, or host")
    return value


def _port(text: str) -> int:
    if text and not text.isdecimal():
        raise Invalid(f"invalid port: {text!r}")
    return int(text or 0)

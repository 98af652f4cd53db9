"""`/services/{id}/logs` and `/tasks/{id}/logs`: lines from several nodes in one stream.

With `details` every line begins with who said it (node, service, task), which is what clients make their prefixes of.
What could not be read is told in the stream's own channel for errors of the daemon.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from fairlead.api.http import Request, StreamResponse
from fairlead.api.schema.timestamp import parse_moment, rfc3339_padded
from fairlead.api.streams import frame, stream_type
from fairlead.engine.swarm.messages import LogLine, LogsRequest, TaskLines
from fairlead.model.errors import Invalid
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import TaskTemplate

if TYPE_CHECKING:
    from fairlead.engine.swarm.swarm import Swarm

STREAMS = {"stdout": 1, "stderr": 2}
SYSTEM_ERROR = 3


def log_stream(
    swarm: Swarm, request: Request, now: int, services: Sequence[Service] = (), tasks: Sequence[Task] = ()
) -> StreamResponse:
    """Raises Invalid when no stream was chosen."""
    wanted = _wanted(request, now, services, tasks)
    terminal = any(_terminal(one) for one in (*(s.spec.template for s in services), *(t.spec for t in tasks)))
    timestamps, details = request.flag("timestamps"), request.flag("details")

    async def chunks() -> AsyncIterator[bytes]:
        async for batch in swarm.logs.read(wanted):
            prefix = _details(batch) if details else ""
            for line in batch.lines:
                data = _written(line, timestamps, prefix)
                yield data if terminal else frame(STREAMS[line.stream], data)
            if batch.error:
                text = f"Error grabbing logs: incomplete log stream: task {batch.task_id}: {batch.error}\n".encode()
                yield text if terminal else frame(SYSTEM_ERROR, text)

    return StreamResponse(chunks(), content_type=stream_type(terminal, request.version))


def _wanted(request: Request, now: int, services: Sequence[Service], tasks: Sequence[Task]) -> LogsRequest:
    stdout, stderr = request.flag("stdout"), request.flag("stderr")
    if not (stdout or stderr):
        raise Invalid("Bad parameters: you must choose at least one stream")
    tail = request.query.get("tail", "all")
    return LogsRequest(
        services=tuple(service.id for service in services),
        tasks=tuple(task.id for task in tasks),
        follow=request.flag("follow"),
        tail=int(tail) if tail.isdecimal() else -1,
        since=parse_moment(request.query.get("since", ""), now),
        until=parse_moment(request.query.get("until", ""), now),
        stdout=stdout,
        stderr=stderr,
    )


def _terminal(template: TaskTemplate) -> bool:
    return template.container is not None and template.container.tty


def _details(batch: TaskLines) -> str:
    said = (("node", batch.node_id), ("service", batch.service_id), ("task", batch.task_id))
    return ",".join(f"com.docker.swarm.{kind}.id={id_}" for kind, id_ in said) + " "


def _written(line: LogLine, timestamps: bool, prefix: str) -> bytes:
    time = f"{rfc3339_padded(line.time)} " if timestamps else ""
    return f"{time}{prefix}{line.data}".encode()

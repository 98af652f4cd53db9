"""Tasks as `service ps` and `node ps` list them: each place with its history, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

from fairlead.cli.client import Client
from fairlead.cli.command import Flags
from fairlead.cli.faults import DaemonRefused
from fairlead.cli.fields import Json, number, objects, text
from fairlead.cli.format.table import Listing
from fairlead.cli.format.units import parse_time, since
from fairlead.cli.rows import ellipsis, image_name, natural, short

LONGEST_ERROR = 30
_NEVER = datetime.fromtimestamp(0, UTC)

TASKS = Listing(
    {
        "ID": "ID",
        "Name": "NAME",
        "Image": "IMAGE",
        "Node": "NODE",
        "DesiredState": "DESIRED STATE",
        "CurrentState": "CURRENT STATE",
        "Error": "ERROR",
        "Ports": "PORTS",
    },
    r"{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}\t{{.Ports}}",
)


class Names:
    """What services and nodes are called; with `resolve` off, their ids."""

    def __init__(self, client: Client, resolve: bool = True) -> None:
        self._client, self._resolve = client, resolve
        self.service = cache(self._service)
        self.node = cache(self._node)

    def task(self, task: Json) -> str:
        place = number(task, "Slot") or text(task, "NodeID")
        return f"{self.service(text(task, 'ServiceID'))}.{place}"

    def _service(self, service_id: str) -> str:
        return text(self._found(f"/services/{service_id}"), "Spec", "Name") or service_id

    def _node(self, node_id: str) -> str:
        node = self._found(f"/nodes/{node_id}") if node_id else {}
        return text(node, "Spec", "Name") or text(node, "Description", "Hostname") or node_id

    def _found(self, path: str) -> Json:
        if not self._resolve:
            return {}
        try:
            return self._client.get_object(path)
        except DaemonRefused as refusal:
            if refusal.code != 404:
                raise
            return {}


def tasks_text(client: Client, tasks: Iterable[Json], flags: Flags) -> str:
    """As the flags of `service ps` and `node ps` ask for it. Earlier tasks of a place are marked for people; programs
    get the bare name, and whole ids."""
    template, quiet = flags.text("template"), flags.given("quiet")
    names = Names(client, resolve=not flags.given("no_resolve"))
    rows = _rows(tasks, names, flags.given("no_trunc") or quiet, indent=not template and not quiet)
    return TASKS.render(rows, template, quiet)


def _rows(tasks: Iterable[Json], names: Names, no_trunc: bool, indent: bool) -> Sequence[Mapping[str, object]]:
    newest_first = sorted(tasks, key=lambda task: parse_time(text(task, "CreatedAt")) or _NEVER, reverse=True)
    rows = []
    before = ""
    for name, task in sorted(((names.task(task), task) for task in newest_first), key=lambda pair: natural(pair[0])):
        shown = f" \\_ {name}" if indent and name == before else name
        rows.append(_row(task, shown, names, no_trunc))
        before = name
    return rows


def _row(task: Json, name: str, names: Names, no_trunc: bool) -> Mapping[str, object]:
    image, error = text(task, "Spec", "ContainerSpec", "Image"), text(task, "Status", "Err")
    entered = parse_time(text(task, "Status", "Timestamp"))
    if error and not no_trunc:
        error = ellipsis(error, LONGEST_ERROR)
    return {
        "CurrentState": text(task, "Status", "State").capitalize() + (f" {since(entered).lower()}" if entered else ""),
        "DesiredState": text(task, "DesiredState").capitalize(),
        "Error": f'"{error}"' if error else "",
        "ID": short(text(task, "ID"), no_trunc),
        "Image": image if no_trunc else image_name(image),
        "Name": name,
        "Node": names.node(text(task, "NodeID")),
        "Ports": ",".join(
            f"*:{number(port, 'PublishedPort')}->{number(port, 'TargetPort')}/{text(port, 'Protocol')}"
            for port in objects(task, "Status", "PortStatus", "Ports")
        ),
    }

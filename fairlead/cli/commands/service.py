"""`service`: ls, ps, inspect, rm, logs; `create`, `update`, `scale` and `rollback` have files of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

import click

from fairlead.cli.client import Client, Query
from fairlead.cli.command import Flags, command, filters_query, on_each, pass_client
from fairlead.cli.commands.inspect import show_each
from fairlead.cli.faults import DaemonRefused, Fault
from fairlead.cli.fields import Json, flag, mapping, number, objects, text
from fairlead.cli.format.table import Listing
from fairlead.cli.moments import timestamp
from fairlead.cli.rows import image_name, natural, short
from fairlead.cli.service_logs import print_logs
from fairlead.cli.service_pretty import service_text
from fairlead.cli.task_rows import tasks_text

SERVICES = Listing(
    {"ID": "ID", "Name": "NAME", "Mode": "MODE", "Replicas": "REPLICAS", "Image": "IMAGE", "Ports": "PORTS"},
    r"{{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}",
)
MODES = {"Replicated": "replicated", "Global": "global", "ReplicatedJob": "replicated job", "GlobalJob": "global job"}


def mode_of(spec: Json) -> str:
    """As people read it."""
    return next((word for key, word in MODES.items() if key in mapping(spec, "Mode")), "")


def service_row(service: Json) -> Mapping[str, object]:
    spec = mapping(service, "Spec")
    return {
        "ID": short(text(service, "ID")),
        "Image": image_name(text(spec, "TaskTemplate", "ContainerSpec", "Image")),
        "Mode": mode_of(spec),
        "Name": text(spec, "Name"),
        "Ports": _ports(objects(service, "Endpoint", "Ports")),
        "Replicas": _replicas(service, spec),
    }


def _replicas(service: Json, spec: Json) -> str:
    status = mapping(service, "ServiceStatus")
    running, desired = number(status, "RunningTasks"), number(status, "DesiredTasks")
    shown = f"{running}/{desired}"
    if mode_of(spec).endswith("job"):
        completed = number(status, "CompletedTasks")
        total = number(spec, "Mode", "ReplicatedJob", "TotalCompletions") or desired + completed
        return f"{shown} ({completed}/{total} completed)"
    most = number(spec, "TaskTemplate", "Placement", "MaxReplicas")
    return f"{shown} (max {most} per node)" if most else shown


def _ports(ports: Iterable[Json]) -> str:
    """Those of the routing mesh; neighbours are one range."""
    runs: list[tuple[str, int, int, int]] = []
    for port in sorted(ports, key=lambda one: (text(one, "Protocol"), number(one, "PublishedPort"))):
        if text(port, "PublishMode") != "ingress":
            continue
        protocol, outside, inside = text(port, "Protocol"), number(port, "PublishedPort"), number(port, "TargetPort")
        if (
            runs
            and runs[-1][0] == protocol
            and (runs[-1][1] + runs[-1][3], runs[-1][2] + runs[-1][3])
            == (
                outside,
                inside,
            )
        ):
            runs[-1] = (*runs[-1][:3], runs[-1][3] + 1)
        else:
            runs.append((protocol, outside, inside, 1))
    return ", ".join(f"*:{_range(out, length)}->{_range(into, length)}/{name}" for name, out, into, length in runs)


def _range(first: int, length: int) -> str:
    return str(first) if length == 1 else f"{first}-{first + length - 1}"


@command("ls", help="List services")
@click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
@click.option("--format", "template", default="", help="Format output using 'table', 'json' or a Go template")
@click.option("-q", "--quiet", is_flag=True, help="Only display IDs")
@pass_client
def ls(client: Client, terms: tuple[str, ...], template: str, quiet: bool) -> None:
    found = client.get_list("/services", {"filters": filters_query(terms), "status": not quiet})
    rows = [service_row(one) for one in sorted(found, key=lambda one: natural(text(one, "Spec", "Name")))]
    click.echo(SERVICES.render(rows, template, quiet), nl=False)


@command("ps", help="List the tasks of one or more services")
@click.option("-f", "--filter", "terms", multiple=True, help="Filter output based on conditions provided")
@click.option("--format", "template", default="", help="Pretty-print tasks using a Go template")
@click.option("--no-resolve", is_flag=True, help="Do not map IDs to Names")
@click.option("--no-trunc", is_flag=True, help="Do not truncate output")
@click.option("-q", "--quiet", is_flag=True, help="Only display task IDs")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE [SERVICE...]")
@pass_client
def ps(client: Client, /, services: tuple[str, ...], **values: object) -> None:
    flags = Flags(values)
    given = json.loads(filters_query(tuple(flags.words("terms"))) or "{}")
    if "node" in given and "self" in given["node"]:
        given["node"] = [
            text(client.get("/info"), "Swarm", "NodeID") if one == "self" else one for one in given["node"]
        ]
    ids, missing = _service_ids(client, services)
    if ids:
        tasks = client.get_list("/tasks", {"filters": json.dumps({**given, "service": ids})})
        click.echo(tasks_text(client, tasks, flags), nl=False)
    if missing:
        raise Fault("\n".join(f"no such service: {name}" for name in missing))


def _service_ids(client: Client, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(ids found, names that nothing has)."""
    ids, missing = [], []
    for name in names:
        try:
            ids.append(text(client.get_object(f"/services/{name}"), "ID"))
        except DaemonRefused as refusal:
            if refusal.code != 404:
                raise
            missing.append(name)
    return ids, missing


@command("inspect", help="Display detailed information on one or more services")
@click.option("-f", "--format", "template", default="", help="Go template or 'json'")
@click.option("--pretty", is_flag=True, help="Print the information in a human friendly format")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE [SERVICE...]")
@pass_client
def inspect(client: Client, template: str, pretty: bool, services: tuple[str, ...]) -> None:
    find = _finder(client)
    if not pretty:
        show_each(services, template, find)
        return
    for name in services:
        click.echo(service_text(find(name), lambda id_: text(client.get(f"/networks/{id_}"), "Name")))


def _finder(client: Client) -> Callable[[str], Json]:
    def find(name: str) -> Json:
        try:
            return client.get_object(f"/services/{name}", {"insertDefaults": "true"})
        except DaemonRefused as refusal:
            if refusal.code == 404:
                raise Fault(f"Error: no such service: {name}") from refusal
            raise

    return find


@command("rm", help="Remove one or more services")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE [SERVICE...]")
@pass_client
def rm(client: Client, services: tuple[str, ...]) -> None:
    on_each(services, lambda name: bool(client.delete(f"/services/{name}")) or True)


@command("logs", help="Fetch the logs of a service or task")
@click.option("--details", is_flag=True, help="Show extra details provided to logs")
@click.option("-f", "--follow", is_flag=True, help="Follow log output")
@click.option("--no-resolve", is_flag=True, help="Do not map IDs to Names in output")
@click.option("--no-task-ids", is_flag=True, help="Do not include task IDs in output")
@click.option("--no-trunc", is_flag=True, help="Do not truncate output")
@click.option("--raw", is_flag=True, help="Do not neatly format logs")
@click.option("--since", default="", help="Show logs since timestamp or relative (e.g. '42m' for 42 minutes)")
@click.option("-n", "--tail", default="all", help="Number of lines to show from the end of the logs")
@click.option("-t", "--timestamps", is_flag=True, help="Show timestamps")
@click.argument("name", metavar="SERVICE|TASK")
@pass_client
def logs(client: Client, /, name: str, **values: object) -> None:
    flags = Flags(values)
    kind, found = _logged(client, name)
    container = "Spec", *(("TaskTemplate",) if kind == "services" else ()), "ContainerSpec", "TTY"
    terminal = flag(found, *container)
    if terminal and not flags.given("raw"):
        raise Fault("tty service logs only supported with --raw")
    query: Query = {
        "stdout": 1,
        "stderr": 1,
        "follow": flags.given("follow"),
        "details": not flags.given("raw"),
        "timestamps": flags.given("timestamps"),
        "tail": flags.text("tail"),
        "since": timestamp(flags.text("since")),
    }
    answer = client.request("GET", f"/{kind}/{text(found, 'ID')}/logs", query)
    print_logs(answer.chunks(), client, flags, terminal)


def _logged(client: Client, name: str) -> tuple[str, Json]:
    """A service, or else a task."""
    try:
        return "services", client.get_object(f"/services/{name}")
    except DaemonRefused as refusal:
        if refusal.code != 404:
            raise
    try:
        return "tasks", client.get_object(f"/tasks/{name}")
    except DaemonRefused as refusal:
        if refusal.code == 404:
            raise Fault(f"no such task or service: {name}") from refusal
        raise
